import signal
import subprocess
import sys
import time
import weakref

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patentlab.config import RequestError
from patentlab.console.command_line import INTERRUPTED, compose
from patentlab.console.command_line import run_command as carry_out
from patentlab.console.overrides import read_arguments
from tests.conftest import Command

REWRITTEN = {
    "regime=1:10,1:100": "regime.keep=1:10,1:100",
    "mix=0.2,0.3": "mix.real_share=0.2,0.3",
    "regime='1:10'": "regime.keep='1:10'",
    "mix=choice(0.2,0.3)": "mix.real_share=choice(0.2,0.3)",
    "mix=range(0.2,0.4,0.1)": "mix.real_share=range(0.2,0.4,0.1)",
    "mix=1": "mix.real_share=1",
    "mix=shuffled": "mix=shuffled",
    "regime=stratified": "regime=stratified",
    "mix=glob(*)": "mix=glob(*)",
    "mix.budget=100": "mix.budget=100",
    "-m": "-m",
    "seed=1,2": "seed=1,2",
    "seed=range(0,5)": "seed=range(0,5)",
    "hydra/launcher=basic": "hydra/launcher=basic",
    "+hydra/launcher=joblib": "+hydra/launcher=joblib",
    "hydra.sweep.dir=x": "hydra.sweep.dir=x",
    "~head": "~head",
    "mix=${oc.env:MIX,shuffled}": "mix=${oc.env:MIX,shuffled}",
    "adapter.targets=[a,b]": "adapter.targets=[a,b]",
    "model.recommended.full.epochs=3": "model.recommended.full.epochs=3",
    "trainer.learning_rate=1": "trainer.learning_rate=1",
    "data.split.test=200": "data.split.test=200",
    "trainer.max_steps=null": "trainer.max_steps=null",
    "++trainer.epochs=3": "++trainer.epochs=3",
    "data.keep_labels=[A,B],[C,D]": "data.keep_labels=[A,B],[C,D]",
}


@pytest.mark.parametrize(("argument", "expected"), REWRITTEN.items())
def test_numbers_are_rewritten_and_options_are_not(argument: str, expected: str):
    assert read_arguments([argument]) == [expected]


def test_groups_of_the_users_own_folders_are_hydras_to_judge():
    own = ["--config-dir=mine", "+experiment=abc", "mix=mine"]
    assert read_arguments(own) == own


WRONG = [
    "regime=70",
    "regime=10:1",
    "regime=1:0",
    "regime=1:-3",
    "regime=range(1,3)",
    "regime=1:10,70",
    "mix=1.2",
    "mix=-0.1",
    "mix=nan",
    "mix=curriculum,0.2",
    "mix=shuffled,0.2",
    "regime=stratified,1:10",
]


@pytest.mark.parametrize("argument", WRONG)
def test_what_is_neither_an_option_nor_a_number_is_told_what_is_allowed(argument: str):
    with pytest.raises(RequestError) as raised:
        read_arguments(["-m", argument])
    assert argument in str(raised.value)
    assert "allowed are" in str(raised.value)
    assert "\n" not in str(raised.value)


@given(st.integers(min_value=1, max_value=10**9))
def test_any_divisor_arrives(divisor: int):
    assert read_arguments([f"regime=1:{divisor}"]) == [f"regime.keep=1:{divisor}"]


@given(st.floats(min_value=0, max_value=1))
def test_any_share_arrives(share: float):
    assert read_arguments([f"mix={share}"]) == [f"mix.real_share={share}"]


def test_compose_takes_the_shorthand():
    config = compose("regime=1:10", "mix=0.2")
    assert config.regime.divisor == 10
    assert config.mix.real_share == 0.2


def test_composing_loads_neither_torch_nor_mlflow():
    code = (
        "import sys; from patentlab.console.command_line import compose; import patentlab.run; compose('regime=1:10');"
    )
    code += "print([m for m in ('torch', 'transformers', 'mlflow', 'sklearn', 'pandas') if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_help_names_groups_and_shorthand(run_command: Command):
    shown = run_command("--help")
    assert shown.returncode == 0
    for text in ("model: bert_for_patents, constant", "regime also takes 1:N", "real_share: 1.0"):
        assert text in shown.stdout


# its messages and exit code are those of a process, before and after libraries were imported
IN_A_PROCESS = ("model=foo", "model=minilm model.path=no-such-model tracking=none")


@pytest.mark.parametrize(
    "arguments",
    [
        "model=foo",
        "regime=70",
        "mix=1.2",
        "trainer.epochs=x",
        "model=tfidf_linear adapter=lora",
        "data=patentsview data.path=/nowhere",
        "model=constant regime=1:100000",
        "model=minilm model.path=./nowhere tracking=none",
        "model=minilm model.path=no-such-model tracking=none",
        "model=minilm trainer.max_length=100000 tracking=none",
        "mix.budget=100000 model=constant",
        "-m model=constant mix=curriculum,0.2",
        "foo",
    ],
)
def test_a_wrong_request_costs_one_line_and_exit_code_2(
    run_command: Command, run_in_process: Command, tmp_path, arguments: str
):
    run = run_command if arguments in IN_A_PROCESS else run_in_process
    done = run(*arguments.split())
    assert done.returncode == 2
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("patentlab: ")]
    assert len(lines) == 1, done.stderr
    if "model.path" not in arguments and "max_length" not in arguments:
        assert not list(tmp_path.rglob("result.json"))


def test_several_mistakes_get_a_line_each(run_in_process: Command):
    done = run_in_process("seed=-1", "trainer.epochs=0")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 2


def test_an_interrupt_during_a_callback_of_a_weak_reference_is_not_lost():
    class Thing:
        pass

    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    def main() -> int:
        thing = Thing()
        reference = weakref.ref(thing, interrupted)
        del thing  # Python prints "Exception ignored" and goes on
        for _ in range(1000):
            time.sleep(0.001)
        return 0 if reference() is None else 1

    before = sys.unraisablehook
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)  # shells in the background ignore it
    try:
        assert carry_out(main) == INTERRUPTED
    finally:
        sys.unraisablehook = before
        signal.signal(signal.SIGINT, handler)
