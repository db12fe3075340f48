"""What a sweep would run, and what is refused before it runs anything."""

import re

import pytest
import yaml

from tests.conftest import ROOT, Command


@pytest.mark.parametrize("name", sorted(path.stem for path in (ROOT / "conf" / "experiment").glob("*.yaml")))
def test_every_experiment_can_be_planned(run_in_process: Command, name: str):
    content = yaml.safe_load((ROOT / "conf" / "experiment" / f"{name}.yaml").read_text())
    assert content["name"] == name.removesuffix("_controls")  # which go into the sweep that they are controls of
    for setting, values in content["hydra"]["sweeper"]["params"].items():
        if setting in ("regime", "mix"):  # policies are options of these groups; shorthand is for the command line
            assert all((ROOT / "conf" / setting / f"{value}.yaml").is_file() for value in values.split(","))
    # a value each of what is only a number; controls are left out at other temperatures
    few = {"seed": 0, "seeds.split": 0, "generator.temperature": 0.8, "regime.keep": "1:10", "mix.real_share": 0.3}
    fewer = [f"{setting}={few[setting]}" for setting in content["hydra"]["sweeper"]["params"] if setting in few]
    if name == "multi_task":  # its data sets are several, and none is here
        for seed, part in enumerate(("topics", "coarse", "chat")):
            place = f"data.parts.{part}"
            fewer += [
                f"data@{place}=demo",
                f"{place}.corpus_seed={seed}",
                f"{place}.size=300",
                f"{place}.split.test=80",
            ]
    planned = run_in_process(f"+experiment={name}", "plan=true", "tracking=none", *fewer)
    assert planned.returncode == 0, planned.stderr
    assert re.search(r"\d+ runs: 0 done, 0 failed, \d+ missing", planned.stderr)
    assert "wrong request" not in planned.stderr


def test_a_seed_without_effect_in_any_run_of_a_sweep_is_refused(run_in_process: Command):
    line = ["-m", "model=tfidf_linear", "seeds.generation=0,1", "plan=true", "tracking=none"]
    refused = run_in_process(*line, "strategy=none,duplicate")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert (
        "seeds.generation: has no effect: nothing is drawn to be added with strategy=none and mix=1" in refused.stderr
    )
    planned = run_in_process(*line, "strategy=none,duplicate", "mix=0.5")
    assert planned.returncode == 0, planned.stderr
    assert "seeds.generation: left out of seeds.generation=0 strategy=none" in planned.stderr
    keys = re.findall(r"\b[0-9a-f]{16}\b", planned.stderr)
    assert len(keys) == 4 and len(set(keys)) == 3  # real documents alone are one run


def test_a_setting_that_nothing_reads_in_any_run_of_a_sweep_is_refused(run_in_process: Command):
    line = ["-m", "model=minilm", "adapter=full", "head.dropout=0.2", "seed=0,1", "plan=true", "tracking=none"]
    refused = run_in_process(*line, "loss=contrastive")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "head.dropout: has no effect: the linear layer is fitted on tuned vectors" in refused.stderr
    planned = run_in_process(*line, "loss=bce,contrastive")
    assert planned.returncode == 0, planned.stderr
    assert "4 runs: 0 done" in planned.stderr


def test_a_plan_with_a_run_that_cannot_be_has_failed(run_in_process: Command):
    planned = run_in_process(
        "-m", "model=tfidf_linear", "adapter=none,lora", "strategy=none", "mix=0.5", "plan=true", "tracking=none"
    )
    assert planned.returncode == 1, planned.stderr
    assert "2 runs: 0 done, 1 failed, 1 missing" in planned.stderr
