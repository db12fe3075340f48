"""The command, with the embedded model, with a generator that is fine-tuned, and behind a real local server."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import yaml

from patentlab.console.command_line import compose
from patentlab.corpus import Document, LabelSpace
from patentlab.data.documents import read_documents
from patentlab.language_models.loading import inference_precision
from patentlab.protocols import Silent
from patentlab.synthesis.adaptation import adapt_generator
from patentlab.synthesis.generators.transformers import TransformersGenerator, encode
from patentlab.synthesis.prompts import FAMILIES, Request, adaptation_pair, rewrite, write
from patentlab.synthesis.strategies import Added, Context, find_strategy
from patentlab.weights import model_folder
from tests.conftest import Command

QUICK = ["data.size=120", "data.split.validation=20", "data.split.test=20", "regime=1:2", "generator.batch_size=4"]
QUICK += ["generator.max_new_tokens=160"]


@pytest.mark.integration
def test_the_embedded_model_writes_a_corpus_with_its_card(run_in_process: Command, tmp_path: Path):
    done = run_in_process(*QUICK, "n=3", command="synthesize")
    assert done.returncode == 0, done.stderr
    folder = Path(done.stdout.strip())
    assert done.stdout == f"{folder}\n"
    precision = inference_precision("auto")
    assert f"smollm2_135m in {precision}: at most about" in done.stderr  # the time, before the first document
    rows = [json.loads(line) for line in (folder / "corpus.jsonl").read_text().splitlines()]
    table = pd.read_parquet(folder / "corpus.parquet")
    assert len(rows) == len(table) == 3
    assert table["id"].tolist() == [row["id"] for row in rows]
    for row in rows:
        assert row["labels"] and len(row["text"].split()) >= 10 and len(row["examples"]) == 2
    card = (folder / "README.md").read_text()
    head = yaml.safe_load(card.split("---")[1])
    assert head["license"] == "apache-2.0"
    assert f"| precision of its weights | {precision} |" in card
    for part in (
        "Sources",
        "Prompts, version",
        "Counts",
        "rejected" if "rejected: none" not in done.stderr else "",
        "Fidelity",
    ):
        assert part in card
    again = run_in_process(*QUICK, "n=3", "out=again", command="synthesize")
    assert (Path(again.stdout.strip()) / "corpus.jsonl").read_text() == (folder / "corpus.jsonl").read_text()
    assert "at most about" not in again.stderr  # nothing was generated


REPEATED = ["data.size=120", "data.split.validation=20", "data.split.test=20", "regime=1:2", "mix=0.5"]
REPEATED += ["generator.batch_size=4", "generator.max_new_tokens=24", "strategy.examples=0"]
REPEATED += ["strategy.screening.min_words=4", "strategy.screening.language=null"]


@pytest.mark.integration
def test_a_corpus_is_the_same_from_an_empty_cache_in_any_number_and_after_a_break(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    precision = inference_precision("auto")
    weights = model_folder("smollm2_135m", Silent())
    config = compose(*REPEATED)
    documents = read_documents(config)
    real = sorted(documents.real, key=lambda document: document.id)
    context = Context(config, real, real, real, documents.split, documents.corpus.labels, Silent())

    def make(cache: str, count: int) -> Added:
        monkeypatch.setenv("PATENTLAB_CACHE", str(tmp_path / cache))
        (tmp_path / cache).mkdir(exist_ok=True)
        (tmp_path / cache / "models").unlink(missing_ok=True)
        (tmp_path / cache / "models").symlink_to(weights.parent)
        return find_strategy(config.strategy.name).add(context, count)

    whole = make("a", 6)
    assert whole.report["attempts"] > 4
    assert whole.report["precision"] == precision
    assert make("b", 6).documents == whole.documents
    assert make("c", 2).documents == whole.documents[:2]
    folder = Path(whole.report["store"])
    first = sorted(folder.glob("0*.jsonl"))[1]
    kept = first.read_text().splitlines()[1:]
    first.unlink()  # as if it had not been complete when a process was killed, and those behind it had
    again = make("a", 6)
    assert again.documents == whole.documents
    assert first.read_text().splitlines()[1:] == kept


@pytest.mark.integration
def test_a_title_is_followed_by_the_heading_of_the_body():
    config = compose("mix=0.5", "generator.max_new_tokens=64").generator
    space = LabelSpace(("A61F", "G06T"), {"A61F": "Prostheses; stents", "G06T": "Image data processing"})
    source = Document("1", "Stent. A stent of wires.", ("A61F",), title="Stent")
    requests = [
        *(write(n, ("G06T",), "patent_abstract", (), space, "title", titled=True) for n in range(4)),
        *(rewrite(4 + n, source, "claims") for n in range(4)),
    ]
    generator = TransformersGenerator(config, None, Silent())
    answers = [answer.text for answer in generator.answer(requests, 0, lambda steps, note="": None)]
    ended = [(text, request) for text, request in zip(answers, requests, strict=True) if "\n" in text]
    assert len(ended) >= 6  # others are still in their title
    for text, request in ended:
        title, body = text.split("\n", 1)
        assert title.removeprefix("Title:").strip()
        assert body.startswith(f"{FAMILIES[request.family].heading}:"), text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "n=: must be a number of documents"),
        (["n=0"], "n=0: must be a number of documents"),
        (["n=9", "plan=true"], "plan: steers a sweep; this makes one corpus"),
        (["n=3", "strategy=duplicate"], "strategy=duplicate: generates nothing"),
        (["n=3", "generator=none_such"], "generator=none_such: no such option; allowed are gemma3_270m, gemma3_4b"),
        (["n=3", "strategy.prompts=[novel]"], "strategy.prompts=novel: allowed are patent_abstract"),
    ],
)
def test_a_wrong_request_is_told_in_one_line(
    run_command: Command, run_in_process: Command, arguments: list[str], message: str
):
    run = run_in_process if arguments else run_command
    done = run(*arguments, command="synthesize")
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_generator_learns_to_answer_a_label_set_with_its_document(
    tiny_model: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    monkeypatch.setenv("PATENTLAB_CACHE", str(tmp_path / "cache"))
    folder = shutil.copytree(tiny_model("llama"), tmp_path / "model")
    torch.manual_seed(0)
    shape = AutoConfig.from_pretrained(folder, max_position_embeddings=256)
    model = AutoModelForCausalLM.from_config(shape)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        model.lm_head.weight.mul_(30)  # as it begins it could not be sure of anything, whatever an adapter does
    model.save_pretrained(folder)
    config = compose(
        f"generator.path={folder}", "mix=0.5", "generator.adapt=lora", "generator.adaptation.epochs=60",
        "generator.adaptation.learning_rate=3e-3", "generator.max_new_tokens=20", "generator.temperature=0",
        "generator.no_repeat_ngram=null", "generator.context=256", "generator.adaptation.rank=32",
    ).generator  # fmt: skip
    space = LabelSpace(("ear", "seat"), {"ear": "a sound", "seat": "a seat"})
    documents = [
        Document("1", "the ear with a sound of the motor", ("ear",)),
        Document("2", "a wheel is the seat", ("seat",)),
    ]
    pairs = [adaptation_pair(n, d, space, "title", titled=False) for n, d in enumerate(documents)]
    adapter = adapt_generator(config, pairs, 0, Silent())
    assert adapt_generator(config, pairs, 0, Silent()) == adapter  # once
    assert adapt_generator(config, pairs, 1, Silent()) != adapter
    assert config.adaptation is not None
    config.adaptation.steps, config.adaptation.epochs = 60, 1  # two documents: a step is an epoch
    by_steps = adapt_generator(config, pairs, 0, Silent())
    assert by_steps != adapter
    weights = "adapter_model.safetensors"
    assert (by_steps / weights).read_bytes() == (adapter / weights).read_bytes()

    def surprise(generator: TransformersGenerator, request: Request, answer: str) -> float:
        """The mean loss of an answer's tokens."""
        prompt = encode(generator.tokenizer, request, "text")
        rest = generator.tokenizer(answer.removeprefix(request.start), add_special_tokens=False)["input_ids"]
        tokens = torch.tensor([prompt + rest])
        targets = torch.tensor([[-100] * len(prompt) + rest])
        with torch.inference_mode():
            return float(generator.model(input_ids=tokens, labels=targets).loss)

    plain, adapted = (TransformersGenerator(config, which, Silent()) for which in (None, adapter))
    for number, (request, own) in enumerate(pairs):
        other = pairs[1 - number][1]
        assert surprise(adapted, request, own) < 0.5 * surprise(plain, request, own)
        assert surprise(adapted, request, own) < 0.5 * surprise(adapted, request, other)


@pytest.mark.integration
def test_the_embedded_model_behind_a_real_server(run_in_process: Command, tmp_path: Path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = model_folder("smollm2_135m", Silent())
    script = str(Path(sys.executable).with_name("transformers"))
    with (tmp_path / "server.log").open("w") as log:
        server = subprocess.Popen(
            [script, "serve", str(folder), "--port", str(port), "--host", "127.0.0.1", "--device", "cpu"],
            stdout=log, stderr=log, env={**os.environ, "HF_HUB_OFFLINE": "1"},
        )  # fmt: skip
        try:
            for _ in range(1200):
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2).close()
                    break
                except (urllib.error.URLError, OSError):
                    assert server.poll() is None, (tmp_path / "server.log").read_text()[-2000:]
                    time.sleep(0.1)
            done = run_in_process(
                *QUICK[:-1], "generator.batch_size=2", "generator=openai", f"generator.path={folder}",
                "generator.concurrency=1", "n=1", "generator.max_new_tokens=40", "strategy.screening.min_words=8",
                "generator.timeout=300", f"generator.base_url=http://127.0.0.1:{port}/v1", "strategy.max_attempts=12",
                "strategy.screening.max_repetition=1", "strategy.screening.max_compression=100",
                command="synthesize",
            )  # fmt: skip
        finally:
            server.terminate()
            server.wait(30)
    assert done.returncode == 0, done.stderr + (tmp_path / "server.log").read_text()[-2000:]
    (row,) = [json.loads(line) for line in (Path(done.stdout.strip()) / "corpus.jsonl").read_text().splitlines()]
    assert row["tokens"] > 8
