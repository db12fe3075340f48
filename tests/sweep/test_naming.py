import re

from hypothesis import given
from hypothesis import strategies as st

from patentlab.console.command_line import compose
from patentlab.sweep.naming import is_choice, refused_folder, request_digest, run_folder, sweep_name

CHOICES = compose().choices


def test_a_name_comes_from_what_is_asked_for_and_not_from_how_it_is_run():
    asked = ["regime.keep=1:10,1:100", "mix.real_share=0.2,0.3", "model=minilm"]
    name = sweep_name(asked)
    assert re.fullmatch(r"real_share-keep-[0-9a-f]{6}", name)
    how = ["rerun=failed", "on_error=stop", "plan=true", "tracking=none", "tracking.uri=x", "hydra/launcher=joblib"]
    assert sweep_name([*reversed(asked), *how, "hydra.launcher.n_jobs=2"]) == name
    assert sweep_name([*asked, "seed=1"]) != name
    assert sweep_name([*asked, "exclude='seed == 1'"]) != name
    assert sweep_name(["+experiment=smoke"]).count("-") == 0


def test_what_says_what_a_run_is():
    assert is_choice("+experiment=smoke")
    assert not is_choice("name=x")
    assert request_digest(["b=1", "a=2", "plan=true"]) == request_digest(["a=2", "b=1"])
    assert request_digest(["a=1"]) != request_digest(["a=2"])
    assert refused_folder(["a=1"]) != refused_folder(["a=2"])


@given(st.sampled_from(["1:1", "1:10", "1:100"]), st.floats(0, 1), st.integers(0, 99), st.text(max_size=20))
def test_no_path_has_signs_that_a_shell_minds(regime: str, share: float, seed: int, model: str):
    choices = {**CHOICES, "regime": regime, "mix": share, "seed": seed, "model": model}
    assert re.fullmatch(r"[A-Za-z0-9._-]+-0123", run_folder(choices, "0123"))


def test_a_run_folder_says_what_the_run_is():
    choices = compose("regime=1:10", "mix=0.2", "seed=3", "model=minilm", "strategy=duplicate").choices
    assert run_folder(choices, "abc") == "minilm-full_1-10_mix-0.2_duplicate_seed-3-abc"
