import dataclasses
import re
from functools import cache
from typing import Any

import pytest
import yaml

from patentlab.config import ExperimentConfig, RequestError, config_folder
from patentlab.config.bounds import neutral_value
from patentlab.config.options import options, schemas, settings_of
from patentlab.console.command_line import compose

GROUPS: dict[str, Any] = {
    field.name: field.default_factory
    for field in dataclasses.fields(ExperimentConfig)
    if field.default_factory is not dataclasses.MISSING and field.name != "seeds"  # a section of conf/config.yaml
}
NEEDED = {
    "data=patentsview": ["data.path=somewhere"],
    "head=none": ["model=constant"],
    "adapter=none": ["model=constant"],
    "trainer=none": ["model=constant"],
    "trainer=prompted": ["head=label_logits", "adapter=none"],
    "loss=answer": ["head=instruction"],
    "loss=distillation": ["loss.teacher=somewhere"],
    "generator=openai": ["generator.path=some-model"],
    "data=jsonl": ["data.path=somewhere"],
    "data=csv": ["data.path=somewhere"],
    "data=conll": ["data.path=somewhere"],
    "data=massive": ["data.path=somewhere"],
    "data=newsgroups": ["data.path=somewhere"],
    "data=union": ["head=multi_task", "data@data.parts.first=demo"],
    "head=multi_task": ["data=union", "data@data.parts.first=demo"],
    "head=token": ["data=conll", "data.path=somewhere"],
    "head=joint": ["data=massive", "data.path=somewhere"],
    "data=hub": ["data.path=somewhere"],
    "evaluate=obfuscated": ["data=injection"],
    "strategy=corpus": ["mix.real_share=0.5", "strategy.path=somewhere"],
    "mix=curriculum": ["mix.real_share=0.5"],
    "mix=ensemble": ["mix.real_share=0.5"],
    "mix=filtered": ["mix.real_share=0.5"],
    "loss=cross_entropy": ["data.task=single_label"],
    "loss=weighted_cross_entropy": ["data.task=single_label"],
}
FOLLOWING = {("data", "task"), ("trainer", "monitor")}
CHOICES = [f"{group}={option}" for group in GROUPS for option in options(group)]


@cache
def composed(choice: str) -> ExperimentConfig:
    return compose(choice, *NEEDED.get(choice, []))


@pytest.mark.parametrize("choice", CHOICES)
def test_every_option_composes(choice: str):
    config = composed(choice)
    group, _, option = choice.partition("=")
    assert isinstance(getattr(config, group), GROUPS[group])
    if group != "mix":
        assert getattr(config, group).name == option


@pytest.mark.parametrize("choice", CHOICES)
def test_every_file_names_settings_of_its_schema_and_no_null_that_says_nothing(choice: str):
    group, _, option = choice.partition("=")
    path = config_folder() / group / f"{option}.yaml"
    content = yaml.safe_load(path.read_text())
    content.pop("defaults", None)
    assert set(content) <= {field.name for schema in _schemas(group, content) for field in dataclasses.fields(schema)}
    for line in path.read_text().splitlines():
        # a setting that is null by default says what it is, and so that it is one of this option
        assert not re.match(r"\s*\w+:\s*(null|~|\{\}|\[\])\s*$", line), line


@pytest.mark.parametrize("choice", CHOICES)
def test_an_options_settings_are_composed_as_its_file_has_them(choice: str):
    group, _, option = choice.partition("=")
    config = composed(choice)
    known = settings_of(group, option)
    assert known
    for name, value in vars(getattr(config, group)).items():
        if name not in known and (group, name) not in FOLLOWING:
            assert value == neutral_value(getattr(config, group), name)


def test_every_folder_of_conf_is_a_group():
    groups = {path.name for path in config_folder().iterdir() if path.is_dir()}
    assert groups == set(GROUPS) | {"hydra", "experiment", "claims", "published", "specialised", "words"}


def test_a_models_defaults_reach_other_groups_and_yield_to_the_command_line():
    assert compose("model=minilm").adapter.name == "full"
    assert compose("model=minilm", "adapter=lora").adapter.name == "lora"
    assert compose("model=tfidf_linear").trainer.name == "none"
    assert compose().trainer.name == "demonstration"
    assert compose("adapter=frozen").trainer.name == "finetune"
    assert compose("data=patentsview", "data.path=x").trainer.name == "finetune"
    assert compose("trainer=finetune").trainer.max_steps is None


def test_recommended_settings_follow_the_adapter_and_yield_to_the_command_line():
    recommended = compose("model=minilm").model.recommended
    assert compose("model=minilm").trainer.epochs == recommended["full"].epochs
    assert compose("model=minilm", "adapter=frozen").trainer.epochs == recommended["frozen"].epochs
    assert compose("model=minilm", "trainer.epochs=77").trainer.epochs == 77


def test_where_a_head_starts_follows_the_adapter():
    assert compose("model=minilm").head.start == "frequencies"
    assert compose("model=minilm", "adapter=frozen").head.start == "probe"
    assert compose("head=two_layer").head.fallback is None


def test_nothing_is_added_with_a_mix_of_one():
    assert compose().choices["strategy"] == "none"
    assert compose("mix=0.5").choices["strategy"] == "label_conditioned"


def test_shares_are_rounded_to_six_places():
    assert compose("mix=0.30000000000000004").mix.real_share == 0.3


WRONG = {
    "trainer.learning_rate=nan": "trainer.learning_rate=nan: must be above 0",
    "trainer.weight_decay=inf": "trainer.weight_decay=inf: must be 0 or more",
    "adapter.alpha=0": "adapter.alpha=0: must be above 0",
    "trainer.max_examples=3": "trainer.max_examples=3: a step takes 8",
    "model=minilm model.tfidf.ngram_max=2": "has no effect with model=minilm; it is a setting of model=tfidf_linear",
    "model=tfidf_linear model.tfidf=null": "model.tfidf: is a section; set model.tfidf.NAME=",
    "model=tfidf_linear head=embedding": "head=embedding: model=tfidf_linear is no neural network",
    "data=jsonl data.path=x data.encoding=rot13": "data.encoding=rot13: no such encoding",
    "data=hub data.path=x data.size=10": "data.size: cannot be had with data.split.method=given",
    "model=tfidf_linear adapter=lora": "adapter=lora: model=tfidf_linear is no neural network",
    "model=minilm adapter=none": "adapter=none: model=minilm takes",
    "model=foo": "model=foo: no such option; allowed are bert_for_patents, constant",
    "data=patentsview": "data.path: must be given",
    "+foo=1": "foo: no such setting",
    "+model.foo=1": "model.foo: no such setting; allowed are model.name",
    "trainer.epochs=x": "trainer.epochs=x: must be a whole number, or null",
    "trainer.epochss=1": "trainer.epochss (did you mean trainer.epochs?): no such setting",
    "trainer.batch_size=0": "trainer.batch_size=0: must be 1 or more",
    "trainer.learning_rate=-1": "trainer.learning_rate=-1: must be above 0",
    "trainer.monitor=auc": "trainer.monitor=auc: allowed are f1_micro, f1_macro",
    "mix=0": "mix.real_share=0: cannot be had beside real documents",
    "mix=0 mix.budget=9 strategy=none": "leaves nothing to train on",
    "mix.budget=0": "mix.budget=0: must be 1 or more",
    "mix.on_shortage=cry": "allowed are error, repeat, shrink",
    "regime.keep=70": "regime.keep=70: not a regime",
    "regime.keep=10:1": "regime.keep=10:1: not a regime",
    "regime.keep=1:0": "regime.keep=1:0: not a regime",
    "seed=-1": "seed=-1: must be 0 or more",
    "data=patentsview data.path=x data.level=galaxy": "data.level=galaxy: allowed are section, class, subclass, group",
    "data.split.test=1.5": "data.split.test=1.5",
    "'data.text=\"{claims}\"'": "data.text={claims}: must name",
    "loss=cross_entropy": "loss=cross_entropy: needs data.task=single_label",
    "head.pooling=middle": "head.pooling=middle: allowed are last, mean, max, cls",
    "trainer.epochs=null trainer.max_steps=null": "trainer.epochs=null: must be given",
    "trainer.learning_rate=null": "trainer.learning_rate=null: must be given",
    "trainer.schedule=steep": "trainer.schedule=steep: allowed are linear",
    "loss.name=dice": "loss.name=dice: allowed are answer, asymmetric, bce",
    "loss=distillation": "loss.teacher=null: must be the folder of a finished run",
    "loss=distillation loss.teacher=x loss.hard_share=2": "loss.hard_share=2: must be a number from 0 to 1",
    "loss=answer": "loss=answer: head=embedding takes a loss of labels, such as bce",
    "head=instruction loss=focal": "loss=focal: head=instruction takes loss=answer",
    "head=instruction adapter=frozen": "adapter=frozen: head=instruction has no weights of its own; set adapter=none",
    "adapter=none": "adapter=none: model=smollm2_135m takes full, lora, qlora, frozen",
    "trainer=prompted": "trainer=prompted: trains nothing; set trainer=finetune, or adapter=none",
    "head=instruction head.decoding=generate head.answer=yes_no": "answers about single labels are scored",
    "head=instruction head.decoding=generate head.calibration=batch": "head.calibration=batch: needs scores",
    "head=label_logits head.answer=yes_no": "head.answer=yes_no: head=label_logits has wording for label, list",
    "head=instruction 'head.wording.label.document=\"Text\"'": "must have {text} once",
    "head.name=magic": "head.name=magic: allowed are embedding, ",
    "model.attn_implementation=flash_attention_2": "allowed are sdpa, eager",
    "model.attention=eager": "model.attention=eager: is called model.attn_implementation now",
    "adapter.dropout=1.5": "adapter.dropout=1.5: must be at least 0 and below 1",
    "data.split.test=inf": "data.split.test=inf",
    "model=tfidf_linear model.tfidf.ngram_max=0": "model.tfidf.ngram_max=0: must be 1 or more, or a list of such",
    "model=tfidf_linear model.tfidf.ngram_max=[1,0]": "model.tfidf.ngram_max=0: must be 1 or more, or a list of such",
    "model=tfidf_linear model.tfidf.ngram_max=[]": "model.tfidf.ngram_max=[]: must be 1 or more, or a list of such",
    "model=tfidf_linear model.tfidf.class_weight=[even]": "model.tfidf.class_weight=even: must be balanced or null",
    "model=tfidf_linear model.tfidf.inverse_regularisation=null": "must be a number above 0",
    "mix=unheard_of": "mix=unheard_of: no such option; allowed are curriculum, ensemble",
    "head.dropout=1": "head.dropout=1: must be at least 0 and below 1",
    "adapter.rank=0": "adapter.rank=0: must be 1 or more",
    "data.path=x": "data.path: has no effect with data=demo; it is a setting of data=conll, data=csv, data=hub",
    "data=csv data.path=x data.level=subclass": "has no effect with data=csv; it is a setting of data=patentsview",
    "loss.gamma=1": "loss.gamma: has no effect with loss=bce; it is a setting of loss=asymmetric, loss=focal",
    "mix=0.5 strategy=duplicate strategy.screening.min_words=3": "it is a setting of strategy=corpus, strategy=label_",
    "model=constant trainer.max_steps=3": "has no effect with trainer=none",
    "adapter.targets=[]": "adapter.targets: model=smollm2_135m names no modules",
}


@pytest.mark.parametrize(("request_", "message"), WRONG.items())
def test_a_wrong_request_is_told_in_one_line(request_: str, message: str):
    import shlex

    with pytest.raises(RequestError) as raised:
        compose(*shlex.split(request_))
    assert message in str(raised.value)
    assert len(raised.value.problems) == 1
    assert "\n" not in raised.value.problems[0]


def test_all_problems_are_told_at_once():
    with pytest.raises(RequestError) as raised:
        compose("regime.keep=70", "mix.real_share=2", "trainer.epochs=0", "seed=-1")
    assert [problem.partition("=")[0] for problem in raised.value.problems] == [
        "regime.keep",
        "mix.real_share",
        "trainer.epochs",
        "seed",
    ]


def _schemas(group: str, settings: Any) -> list[Any]:
    return [schema for setting in settings for schema in schemas(group, setting)]


def test_choices_that_meet_may_have_settings_of_their_own():
    demonstration = compose()
    assert demonstration.head.start == "probe" and demonstration.trainer.learning_rate == 2e-3
    assert compose("trainer.learning_rate=1e-4").trainer.learning_rate == 1e-4  # the command line wins
    recommended = demonstration.model.recommended["lora"]
    for other in (["trainer=finetune"], ["head=two_layer"], ["adapter=qlora"]):
        config = compose(*other)
        assert config.trainer.learning_rate == recommended.learning_rate and config.head.start == "frequencies"
    assert compose("model=minilm").trainer.learning_rate == 1e-4
