"""Every mistake of a user, tried as a user would: one line on stderr a mistake, exit code 2, nothing half-written."""

from pathlib import Path

import pytest

from tests.conftest import Command

GOOD = (
    '{"text": "a wheel", "labels": ["x"]}\n{"text": "a lens", "labels": ["y"]}\n{"text": "a seat", "labels": ["x"]}\n'
)
TABLE = "text,labels\na wheel,x\na lens,y\na seat,x\n"

FILES = {
    "good.jsonl": GOOD.encode(),
    "empty.jsonl": b"",
    "broken.jsonl": (GOOD + '{"text": "a seat", "labels"\n').encode(),
    "latin.jsonl": GOOD.replace("wheel", "w\u00e4gel").encode("cp1252"),
    "unlabelled.jsonl": GOOD.replace('["x"]', "[]").replace('["y"]', "[]").encode(),
    "good.csv": TABLE.encode(),
    "columns.csv": TABLE.replace("labels", "codes").encode(),
    "ragged.csv": (TABLE + "a,b,c\n").encode(),
    "latin.csv": TABLE.replace("lens", "l\u00e9ns").encode("cp1252"),
    "header.csv": b"text,labels\n",
}

# request → what the line must say
MISTAKES: dict[str, str | list[str]] = {
    # files
    "data=jsonl data.path=nowhere.jsonl": "nowhere.jsonl: no such file",
    "data=jsonl data.path=.": ".: is a folder",
    "data=jsonl data.path=empty.jsonl": "empty.jsonl: is empty",
    "data=jsonl data.path=broken.jsonl": "broken.jsonl:4: not JSON (Expecting ':' delimiter",
    "data=jsonl data.path=good.jsonl data.text=claim": [
        f"good.jsonl:{line}: no field claim; found text, labels" for line in (1, 2, 3)
    ],
    "data=jsonl data.path=latin.jsonl": "latin.jsonl:1: not utf-8 at byte 14 of the line; set data.encoding",
    "data=jsonl data.path=unlabelled.jsonl": "data=jsonl: no labels are left; 3 documents had none",
    "data=jsonl data.path=good.jsonl data.min_count=5": "data=jsonl: no labels are left; lower data.min_count",
    "data=jsonl data.path=good.jsonl data.keep_labels=[x,z]": "data.keep_labels: no document has the label z",
    "data=jsonl": "data.path: must be given",
    "data=csv data.path=columns.csv": "columns.csv:1: no column labels; found text, codes",
    "data=csv data.path=good.csv data.text=abstract": "good.csv:1: no column abstract; found text, labels",
    "data=csv data.path=ragged.csv": "ragged.csv:5: 3 columns, the header has 2",
    "data=csv data.path=latin.csv": "latin.csv:3: not utf-8 at byte 4 of the line; set data.encoding",
    "data=csv data.path=header.csv": "header.csv: no documents in it",
    "data=csv data.path=good.csv data.encoding=utf-9": "data.encoding=utf-9: no such encoding",
    "data=hub data.path=./nowhere": "data.path=./nowhere: no such folder",
    "data=hub data.path=no/such-dataset": "data.path=no/such-dataset: cannot be loaded",
    "data=patentsview data.path=/nowhere": "/nowhere: no such folder; data=patentsview needs one with g_patent.tsv",
    "data=demo data.text='{claims}'": "data.text={claims}: must name {title}, {abstract} or {claim}",
    "data=demo data.text={claims}": "put quotes around what has braces",
    # options and settings
    "model=minilmm": "model=minilmm (did you mean minilm?): no such option; allowed are",
    "lss=bce": "lss (did you mean loss?): no such group or setting",
    "trainer.epoch=3": "trainer.epoch (did you mean trainer.epochs?): no such setting",
    "trainer.epoch=3 model=constant": "trainer.epoch (did you mean trainer.epochs?): no such setting",
    "+sed=3": "sed (did you mean seed or seeds?): no such setting",
    "+trainer.lr=3": "trainer.lr: no such setting; allowed are trainer.",
    "mix=0.5 strategy=paraphrase strategy.screening.min_words=0": "strategy.screening.min_words=0: must be 1 or more",
    "mix=0.5 strategy=paraphrase strategy.screening.min_words=500 strategy.screening.max_words=400": (
        "strategy.screening.min_words=500: must be no more than max_words=400"
    ),
    "mix=0.5 strategy=paraphrase generator.adaptation.steps=0": "generator.adaptation.steps=0: must be 1 or more",
    "model=null": "model=null: must name an option; allowed are",
    "--foo": "--foo: no such flag; --help lists them",
    "regime": "regime: not GROUP=OPTION or SETTING=VALUE",
    "trainer.epochs=-3": "trainer.epochs=-3: must be 1 or more",
    "trainer.epochs=many": "trainer.epochs=many: must be a whole number",
    "trainer.learning_rate=fast": "trainer.learning_rate=fast: must be a number",
    "trainer.learning_rate=-1": "trainer.learning_rate=-1: must be above 0",
    "data.split.similarity=2": "data.split.similarity=2: must be above 0 and at most 1",
    "data.split.cosine=0": "data.split.cosine=0: must be above 0 and at most 1",
    "seed=1.5": "seed=1.5: must be a whole number",
    "model.trust_remote_code=perhaps": "model.trust_remote_code=perhaps: must be true or false",
    # regimes and shares
    "regime=10:1": "regime=10:1: 10:1 is not a regime; allowed are 1:N",
    "regime=1:0": "regime=1:0: 1:0 is not a regime",
    "regime=70": "regime=70: 70 is not a regime",
    "regime=1:100000 model=constant": "regime=1:100000: the pool has",
    "mix=1.2": "mix=1.2: 1.2 is not a mix; allowed are a number from 0 to 1",
    "mix=-0.1": "mix=-0.1: -0.1 is not a mix",
    "mix.real_share=2": "mix.real_share=2: must be a number from 0 to 1",
    "mix=0": "mix.real_share=0: cannot be had beside real documents; give a size in all with mix.budget=",
    "mix=0.001 model=constant": "more than mix.max_documents=20000 in all",
    "mix.budget=100000 model=constant": "a share of 1 needs 100000 real documents",
    "mix=curriculum strategy=paraphrase": "mix=curriculum: orders real and added documents, and mix.real_share=1 adds",
    "-m mix=curriculum,0.2": "mix=curriculum,0.2: numbers and options cannot be swept together",
    # models
    "model.path=no-such-model": "model.path=no-such-model: cannot be loaded",
    "model.path=./nowhere": "no such folder; give a folder with a transformers model, a name on the model hub, or one"
    " of embedded:smollm2_135m, embedded:minilm",
    "model=minilm trainer.max_length=100000": "trainer.max_length=100000: model=minilm reads at most 512 tokens",
    "model=tfidf_linear adapter=lora": "adapter=lora: model=tfidf_linear is no neural network and takes none",
    "model=constant trainer=finetune": "trainer=finetune: model=constant is no neural network and takes none",
    "model=minilm adapter=none": "adapter=none: model=minilm takes full, lora, qlora, frozen",
    "adapter.targets=[nothing]": "adapter.targets: the model has no module nothing; its linear ones are",
    "loss=cross_entropy": "loss=cross_entropy: needs data.task=single_label",
    "head=two_layer head.start=probe": "head.start=probe: a probe fits a linear head",
}


# in a process of its own, which shows all that libraries write when they are imported; an option and a model that are
# wrong: tests/console/test_command_line.py
IN_A_PROCESS = ("data=jsonl data.path=good.jsonl data.text=claim",)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


@pytest.mark.parametrize(("request_", "message"), MISTAKES.items())
def test_a_mistake_costs_one_line_and_leaves_nothing(
    run_command: Command, run_in_process: Command, files: Path, request_: str, message: str | list[str]
):
    run = run_command if request_ in IN_A_PROCESS else run_in_process
    done = run(*request_.split(), "tracking=none")
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    told = [line for line in done.stderr.splitlines() if not line.startswith("converting")]
    messages = [message] if isinstance(message, str) else message
    assert len(told) == len(messages), done.stderr
    for line, expected in zip(told, messages, strict=True):
        assert line.startswith("patentlab: ")
        assert expected in line
    left = {path for path in files.rglob("*") if path.is_file()} - {files / name for name in FILES}
    assert not {path for path in left if path.name != "multirun.yaml"}


def test_several_mistakes_get_a_line_each(run_in_process: Command, files: Path):
    done = run_in_process("seed=-1", "trainer.epochs=0", "data=jsonl", "data.path=good.jsonl", "data.min_count=0")
    assert done.returncode == 2
    assert [line.split("=")[0].removeprefix("patentlab: ") for line in done.stderr.splitlines()] == [
        "data.min_count",
        "trainer.epochs",
        "seed",
    ]


def test_several_unknown_settings_get_a_line_each(run_in_process: Command):
    done = run_in_process("model=minilmm", "trainer.epoch=3", "loss=foucal", "regime=10:1", "seed=x")
    assert done.returncode == 2
    told = [line.removeprefix("patentlab: ").split(" ")[0] for line in done.stderr.splitlines()]
    assert told == ["model=minilmm", "trainer.epoch", "loss=foucal", "regime=10:1:", "seed=x:"]
