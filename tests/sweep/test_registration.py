from pathlib import Path

from patentlab.sweep.registration import REGISTERED, register, registrations, standing


def test_the_first_time_that_a_file_is_registered_stands(tmp_path: Path):
    claims, sweep = tmp_path / "mine.yaml", tmp_path / "sweep"
    sweep.mkdir()
    claims.write_text("claims: []\n")
    first = register(sweep, claims)
    assert first.beforehand and first.name == "mine" and first.text == "claims: []\n"
    (sweep / "run").mkdir()
    (sweep / "run" / "result.json").write_text("{}")
    assert register(sweep, claims) == first
    assert standing(sweep / REGISTERED, claims) == f"registered before the first run ({first.time})"

    claims.write_text("claims: []\nlevel: 0.1\n")
    assert standing(sweep / REGISTERED, claims) == f"written after: what was registered ({first.time}) has other bytes"
    second = register(sweep, claims)
    assert second.begun == 1
    assert standing(sweep / REGISTERED, claims) == f"registered after 1 run had begun ({second.time})"
    assert registrations(sweep / REGISTERED) == [first, second]


def test_a_sweep_that_knows_nothing_of_a_file_says_so(tmp_path: Path):
    (tmp_path / "mine.yaml").write_text("claims: []\n")
    assert standing(tmp_path / REGISTERED, tmp_path / "mine.yaml") == "written after: the sweep was started without it"
