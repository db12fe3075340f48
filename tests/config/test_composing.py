"""Whatever the project says that can be typed can be composed: experiments, documented commands, figures."""

import re
import shlex
from collections.abc import Iterator, Sequence

import pytest
import yaml
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Override, RangeSweep

from patentlab.config import RequestError, config_folder
from patentlab.config.options import group_names
from patentlab.console.command_line import compose_run
from patentlab.console.hydra_internals import split_arguments
from patentlab.console.overrides import read_arguments
from tests.conftest import ROOT

EXPERIMENTS = sorted(path.stem for path in (config_folder() / "experiment").glob("*.yaml"))
PLACES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), config_folder() / "config.yaml"]
PLACES += sorted((config_folder() / "experiment").glob("*.yaml"))
# what a reader is to fill in
FILLED = {"NAME_OR_FOLDER": "somewhere", "FOLDER": "somewhere", "FILE": "somewhere", "SWEEP": "sweep", "NAME": "name"}


def documented() -> list[str]:
    """The arguments of every `python -m patentlab.run` that is written down."""
    found = []
    for path in PLACES:
        text = re.sub(r"\\\n\s*", "", path.read_text(encoding="utf-8"))
        variables = dict(re.findall(r"\b([A-Z])=\"([^\"]*)\"", text))
        for line in re.findall(r"python -m patentlab\.run\b(.*)", text):
            arguments = re.split(r"`|\s{2,}|\s#|; |: one| \(|, and", f"{line.removeprefix(' ')}  ")[0].rstrip(";")
            for name, value in variables.items():
                arguments = re.sub(rf"\${name}\b", lambda _, text=value: text, arguments)
            for word, value in FILLED.items():
                arguments = re.sub(rf"\b{word}\b", value, arguments)
            elsewhere = (
                "pkg://theirs.conf" in arguments or "data.task=ordinal" in arguments
            )  # not installed here: tests/test_extending.py runs them
            if "--help" not in arguments and "--cfg" not in arguments and not elsewhere:
                found.append(arguments.strip())
    return list(dict.fromkeys(found))


def one_of_each_number(override: Override) -> str:
    """A sweep over a group's options as it is; of one over a setting's values the first."""
    text = str(override.input_line)
    if override.key_or_group in (*group_names(), "experiment") or not override.is_sweep_override():
        return text
    name, _, values = text.partition("=")
    value = override.value()
    if isinstance(value, RangeSweep):
        return f"{name}={value.start}"
    assert isinstance(value, ChoiceSweep)
    return f"{name}={re.split(r',(?![^[]*])', values)[0]}"


def jobs(arguments: Sequence[str]) -> Iterator[list[str]]:
    """The overrides of each job of a request."""
    typed = split_arguments(read_arguments(arguments))[0]
    given: dict[str, str] = {}
    for text in typed:
        name, _, value = text.partition("=")
        if name.lstrip("+") == "experiment":
            content = yaml.safe_load((config_folder() / "experiment" / f"{value}.yaml").read_text())
            given |= {k: f"{k}={v}" for k, v in content["hydra"].get("sweeper", {}).get("params", {}).items()}
    texts = [text for name, text in given.items() if name not in {text.partition("=")[0] for text in typed}] + typed
    parsed = OverridesParser.create().parse_overrides(
        [one_of_each_number(one) for one in OverridesParser.create().parse_overrides(texts)]
    )
    for batch in BasicSweeper.split_arguments(parsed, None):
        yield from batch


def compose_all(arguments: Sequence[str]) -> int:
    composed = [compose_run(job, alone=False) for job in jobs(arguments)]
    typed = {text.lstrip("+").partition("=")[0] for text in split_arguments(read_arguments(arguments))[0]}
    without_effect = set.intersection(*(set(run.left_out) for run in composed)) & typed
    assert not without_effect
    return len(composed)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_composes(name: str):
    if name == "multi_task":  # its data sets are several, and none is here
        paths = [f"data.parts.{part}.path=somewhere" for part in ("topics", "chat")]
        assert compose_all([f"+experiment={name}", *paths]) >= 2
        alone = compose_run([f"+experiment={name}", paths[0], "data.only=[coarse]"], alone=False).config.data
        assert [(part, own.path) for part, own in alone.parts.items()] == [("coarse", "somewhere")]  # type: ignore[attr-defined]
        with pytest.raises(RequestError, match=r"data\.parts\.coarse\.path: must be given"):
            compose_run([f"+experiment={name}", "data.only=[coarse]"], alone=False)
        return
    assert compose_all([f"+experiment={name}"]) >= 1
    own = "conll" if name == "entities" else "patentsview"
    assert compose_all([f"+experiment={name}", f"data={own}", "data.path=somewhere"]) >= 1


@pytest.mark.parametrize("line", documented())
def test_every_documented_command_composes(line: str):
    arguments = [word for word in shlex.split(line) if "…" not in word]
    assert compose_all([word for word in arguments if word != "-m"]) >= 1


def test_there_are_documented_commands():
    assert len(documented()) >= 20


def test_a_sweep_over_options_leaves_settings_out_where_they_are_not_known():
    line = ["model=tfidf_linear,minilm", "model.path=somewhere", "trainer.max_steps=30"]
    linear, network = (compose_run(job, alone=False) for job in jobs(line))
    assert set(linear.left_out) == {"model.path", "trainer.max_steps"}
    assert linear.config.trainer.max_steps is None
    assert (network.config.trainer.max_steps, network.config.model.path, dict(network.left_out)) == (
        30,
        "somewhere",
        {},
    )


def test_a_loss_that_is_left_open_is_the_tasks():
    assert compose_run(["loss=null"], alone=True).config.loss.name == "bce"
    # what is said last counts, as for every other choice
    assert compose_run(["loss=null", "loss=focal"], alone=True).config.loss.name == "focal"
    assert compose_run(["loss=focal", "data.task=single_label", "loss=null"], alone=True).config.loss.name == (
        "cross_entropy"
    )
    assert compose_run(["loss=null", "data.task=single_label"], alone=True).config.loss.name == "cross_entropy"
    with pytest.raises(RequestError, match=r"loss\.gamma: has no effect with loss=bce"):
        compose_run(["loss=null", "loss.gamma=2"], alone=True)


def test_task_and_metric_follow_where_they_are_not_given():
    config = compose_run([], alone=True).config
    assert (config.data.task, config.trainer.monitor) == ("multi_label", "f1_micro")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("head=instruction head.max_new_tokens=8", "head.max_new_tokens: has no effect: labels are answered with"),
        ("head=instruction head.decoding=generate head.score=mean", "head.score: has no effect: labels are answered"),
        ("head=label_logits head.shot_length=8", "head.shot_length: has no effect: head.shots=0 shows no examples"),
    ],
)
def test_what_a_head_does_not_read_is_refused(line: str, message: str):
    more = ["data.task=single_label", "adapter=lora", "model=smollm2_135m"]
    with pytest.raises(RequestError, match=re.escape(message)):
        compose_run([*more, *line.split()], alone=True)
    compose_run([*more, "head=instruction", "head.decoding=generate", "head.max_new_tokens=8"], alone=True)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("data=conll data.path=x model=minilm head=embedding", "data=conll: words have tags there, and documents no"),
        ("data=conll data.path=x model=minilm head=joint", "data=conll: words have tags there, and documents no"),
        ("data=conll data.path=x model=tfidf_linear", "data=conll: words have tags there, and documents no labels"),
        ("data=massive data.path=x model=minilm data.label=mood", "data.label=mood: allowed are intent, scenario"),
    ],
)
def test_data_without_what_is_asked_of_them_are_told_before_they_are_read(line: str, message: str):
    with pytest.raises(RequestError, match=re.escape(message)):
        compose_run([*line.split(), "loss=null"], alone=True)
