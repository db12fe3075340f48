"""Python 3.14's check of help texts, done here by a parser under any Python; and that one file knows Hydra's inside."""

import argparse
import ast
import subprocess
import sys
from pathlib import Path
from typing import Any

import hydra._internal.utils as hydra_parser
import pytest
from hydra import compose as compose_with_hydra
from hydra import initialize_config_dir
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from omegaconf import DictConfig, OmegaConf

from patentlab.console import hydra_internals
from tests.conftest import ROOT, Command

PACKAGE = ROOT / "patentlab"


def check_help(add_argument: Any) -> Any:
    """What argparse of 3.14 does in ``add_argument`` (``_check_help``): the help is expanded as soon as it is there."""

    def checked(self: argparse.ArgumentParser, *names: Any, **settings: Any) -> argparse.Action:
        action: argparse.Action = add_argument(self, *names, **settings)
        if action.help is not None:
            try:
                # 3.14 asks first whether there is a % in it; before, % is applied to whatever it is
                self._get_formatter()._expand_help(action)
            except (ValueError, TypeError, KeyError) as error:
                raise ValueError("badly formed help string") from error
        return action

    return checked


@pytest.fixture
def as_in_3_14(monkeypatch: pytest.MonkeyPatch) -> None:
    container: Any = argparse._ActionsContainer
    monkeypatch.setattr(container, "add_argument", check_help(container.add_argument))


def test_without_the_guard_hydras_parser_fails_the_check(as_in_3_14: None, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(hydra_parser, "argparse", argparse)
    with pytest.raises(ValueError, match="badly formed help string"):
        hydra_parser.get_args_parser()


def test_with_the_guard_it_passes_and_shows_the_same_help(as_in_3_14: None, monkeypatch: pytest.MonkeyPatch):
    parser = hydra_parser.get_args_parser()  # the guard came with the import
    given = parser.parse_args(["-m", "seed=0,1", "--cfg", "job"])
    assert given.multirun and given.overrides == ["seed=0,1"] and given.cfg == "job"
    shown = {tuple(action.option_strings): f"{action.help}" for action in parser._actions}  # as Hydra shows it
    assert "Install or Uninstall shell completion" in shown["--shell-completion", "-sc"]
    assert "Bash - Install" in shown["--shell-completion", "-sc"]
    monkeypatch.undo()
    monkeypatch.setattr(hydra_parser, "argparse", argparse)
    plain = hydra_parser.get_args_parser()
    assert shown == {tuple(action.option_strings): f"{action.help}" for action in plain._actions}


def test_the_guard_may_come_twice_and_leaves_other_parsers_alone(as_in_3_14: None):
    hydra_internals.guard_parser()
    hydra_internals.guard_parser()
    assert hydra_internals.split_arguments(["seed=1", "--nothing", "-m"]) == (["seed=1"], ["--nothing"])
    assert argparse.ArgumentParser.__module__ == "argparse"
    with pytest.raises(ValueError, match="badly formed"):
        argparse.ArgumentParser().add_argument("--other", help=object())  # type: ignore[arg-type]


def test_help_that_is_text_is_left_as_it_is(as_in_3_14: None):
    parser = hydra_internals._Parser()
    assert type(parser.add_argument("--some", help="of %(type)s").help) is str
    assert parser.add_argument("--none", help=None).help is None
    assert parser.add_argument("--without").help is None


@pytest.mark.parametrize("module", ["patentlab.run", "patentlab.synthesize", "patentlab.console.command_line"])
def test_every_way_into_hydra_brings_the_guard(module: str):
    check = (
        f"import {module}, hydra._internal.utils as parser; "
        "assert isinstance(parser.get_args_parser()._option_string_actions['-sc'].help, str)"
    )
    subprocess.run([sys.executable, "-c", check], cwd=ROOT, check=True)


def test_no_other_file_knows_hydras_inside():
    found = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if any(name.startswith("hydra._internal") for name in names):
                found.add(str(path.relative_to(PACKAGE)))
    assert found == {"console/hydra_internals.py"}


def test_before_a_sweep_begins_each_choice_of_options_is_composed_and_not_each_job(
    run_in_process: Command, monkeypatch: pytest.MonkeyPatch
):
    composed: list[list[str]] = []
    load = ConfigLoaderImpl.load_sweep_config

    def counted(self: ConfigLoaderImpl, master_config: DictConfig, sweep_overrides: list[str]) -> DictConfig:
        composed.append(sweep_overrides)
        return load(self, master_config, sweep_overrides)

    monkeypatch.setattr(ConfigLoaderImpl, "load_sweep_config", counted)
    done = run_in_process("-m", "model=constant,tfidf_linear", "seed=0,1,2", "plan=true", "tracking=none")
    assert done.returncode == 0, done.stderr
    assert "6 runs" in done.stderr
    assert [job[:2] for job in composed[:2]] == [["model=constant", "seed=0"], ["model=tfidf_linear", "seed=0"]]
    assert len(composed) == 2 + 6


@pytest.mark.parametrize(
    ("override", "plain"),
    [("seed=1", True), ("trainer.max_steps=3", True), ("model=minilm", False), ("experiment=fidelity", False),
     ("+experiment=fidelity", False), ("~head", False), ("hydra/launcher=joblib", False), ("hydra.job.num=3", False)],
)  # fmt: skip
def test_what_alone_can_make_composing_fail(override: str, plain: bool):
    assert hydra_internals._is_plain_setting(override) is plain


def test_a_file_of_options_is_read_again_when_it_has_changed_and_no_job_sees_what_became_of_anothers(tmp_path: Path):
    (tmp_path / "model").mkdir()
    option = tmp_path / "model" / "mine.yaml"
    option.write_text("name: mine\nterms: [1, 2]\n")
    (tmp_path / "config.yaml").write_text("defaults: [_self_, {model: mine}]\nfollows: ${model.name}\n")

    def composed() -> DictConfig:
        with initialize_config_dir(str(tmp_path), version_base="1.3"):
            return compose_with_hydra("config")

    first = composed()
    first.model.terms.append(3)
    first.model.name = "another"
    assert OmegaConf.to_container(composed(), resolve=True) == {
        "model": {"name": "mine", "terms": [1, 2]},
        "follows": "mine",
    }
    option.write_text("name: mine\nterms: [1, 2, 4]\n")
    assert composed().model.terms == [1, 2, 4]
