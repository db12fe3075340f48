"""Runs of a sweep that an earlier version left behind."""

import shutil
from pathlib import Path

import pytest

from patentlab.console.command_line import compose_run
from patentlab.sweep.earlier import folder_of, key_today
from patentlab.sweep.resume import state_of
from patentlab.tracking.identity import input_fingerprints, run_key
from patentlab.tracking.record import read_record

EARLIER = Path(__file__).parent / "earlier"  # result.json and config.yaml of seven runs
SMALL = ["data.size=120", "data.split.validation=20", "data.split.test=30", "tracking=none"]
THEN = ["model.tfidf.ngram_max=1", "model.tfidf.class_weight=balanced", "model.tfidf.inverse_regularisation=10"]
REQUESTS = [
    ["model=minilm", f"mix={share}", "strategy=duplicate", "trainer.max_steps=2", *SMALL] for share in (1, 0.5)
]  # fmt: skip
# what has another meaning since
CHANGED = [["model=constant", "mix=1", *SMALL], ["model=constant", "mix=0.5", "strategy=duplicate", *SMALL]]
CHANGED += [["model=tfidf_linear", "mix=1", *SMALL, *settings] for settings in ([], THEN)]


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda request_: " ".join(request_[:2]))
def test_a_run_of_an_earlier_version_is_found_by_what_was_asked_for(request_: list[str]):
    config = compose_run(request_, alone=False).config
    key = run_key(config, input_fingerprints(config))
    folder = EARLIER / folder_of(EARLIER, key, "new")
    record = read_record(folder)
    assert record is not None
    assert record.key != key  # keys were made in another way then
    assert state_of(record, key_today(record, folder), key) == "done"
    assert folder_of(EARLIER, key[::-1], "new") == "new"


def test_each_request_finds_a_run_of_its_own():
    configs = [compose_run(request, alone=False).config for request in REQUESTS]
    keys = [run_key(config, input_fingerprints(config)) for config in configs]
    found = {folder_of(EARLIER, key, "new") for key in keys}
    assert len(found) == len(REQUESTS) and "new" not in found


@pytest.mark.parametrize("request_", CHANGED, ids=" ".join)
def test_what_means_something_else_today_is_another_run(request_: list[str]):
    config = compose_run(request_, alone=False).config
    assert folder_of(EARLIER, run_key(config, input_fingerprints(config)), "new") == "new"


def test_an_earlier_run_whose_settings_are_gone_is_no_other_run(tmp_path: Path):
    run = next(path for path in EARLIER.iterdir() if path.name.startswith("constant"))
    shutil.copytree(run, tmp_path / run.name)
    record = read_record(tmp_path / run.name)
    assert record is not None
    (tmp_path / run.name / "config.yaml").unlink()
    assert key_today(record, tmp_path / run.name) == ""
    assert folder_of(tmp_path, "", "new") == "new"
