"""From requests to accepted documents, against a real server whose answers are scripted."""

import json
import multiprocessing
import os
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from patentlab.config import ExperimentConfig, RequestError
from patentlab.console.command_line import compose
from patentlab.corpus import Document, LabelSpace
from patentlab.data.splits import Split
from patentlab.protocols import Silent
from patentlab.synthesis.strategies import Added, Context, find_strategy
from tests.synthesis.scripted_server import Scripted, document, serving, well_behaved

LABELS = LabelSpace(("ear", "hand", "seat"), {"ear": "hearing aid", "hand": "prosthetic hand", "seat": "seat cushion"})
REAL = [
    Document(f"r{n}", document(10_000 + n).replace("Title: ", "").replace("\nAbstract:", "."), labels, title=None)
    for n, labels in enumerate([("ear",), ("hand",), ("ear", "hand"), ("seat",), ("seat", "ear")])
]
HELD_OUT = Split(
    pool=tuple(REAL),
    validation=(replace(REAL[0], id="v", text=document(777).split("Abstract: ")[1]),),
    test=(replace(REAL[0], id="t", text=document(888).split("Abstract: ")[1]),),
)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATENTLAB_CACHE", str(tmp_path / "cache"))


def settings(server: Scripted | str, *more: str) -> ExperimentConfig:
    url = server if isinstance(server, str) else server.url
    return compose(
        "generator=openai", "generator.path=scripted", f"generator.base_url={url}", "generator.batch_size=8",
        "generator.retries=1", "generator.timeout=2", "mix=0.5", *more,
    )  # fmt: skip


def make(config: ExperimentConfig, count: int, real: Sequence[Document] = REAL) -> Added:
    context = Context(config, real, real, real, HELD_OUT, LABELS, Silent())
    return find_strategy(config.strategy.name).add(context, count)


def test_documents_come_with_the_labels_asked_for_and_are_the_same_again():
    with serving() as server:
        made = make(settings(server), 20)
        asked = len(server.bodies)
        again = make(settings(server), 20)
        assert len(server.bodies) == asked  # all from the cache
    assert again == made
    assert len({d.id for d in made.documents}) == len({d.text for d in made.documents}) == 20
    known = {real.labels for real in REAL}
    assert {d.labels for d in made.documents} == known
    assert {d.origin for d in made.documents} == {"label_conditioned"}
    assert made.report["attempts"] == made.report["accepted"] + sum(made.report["rejected"].values())
    for d in made.documents:
        assert not d.text.startswith("Title")


def test_a_larger_corpus_begins_with_the_smaller_and_another_seed_is_another_corpus():
    with serving() as server:
        small, large = make(settings(server), 5), make(settings(server), 17)
        other = make(settings(server, "seed=1"), 5)
    assert large.documents[:5] == small.documents
    assert not {d.text for d in other.documents} & {d.text for d in large.documents}


def test_every_label_set_comes_up_as_often_as_among_the_real_documents():
    with serving() as server:
        make(settings(server, "generator.concurrency=1"), 20)
        asked = [body["messages"][-1]["content"] for body in server.bodies]
    for real in REAL:
        names = "fields:" + "".join(f"\n- {LABELS.titles[label]}" for label in real.labels) + "\nAnswer"
        assert sum(names in text for text in asked[: len(asked) // 5 * 5]) == len(asked) // 5
    examples = {m["content"] for body in server.bodies for m in body["messages"] if m["role"] == "assistant"}
    assert examples <= {f"Abstract: {real.text}" for real in REAL}  # of the training set alone


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("Abstract: ", "empty"),
        ("I'm sorry, but I cannot help with that request.", "refusal"),
        ("A patent is a document that protects an invention for a time.", "not_parsed"),
        ("Abstract: A short text.", "too_short"),
        ("Abstract: " + "the device moves the wheel and " * 30, "loop"),
        ("Abstract: Die Vorrichtung umfasst einen Sensor und ein Gehäuse, die miteinander verbunden sind. "
         "Der Sensor misst die Bewegung des Rades, und ein Prozessor wertet diese Messung aus. Das Verfahren dient "
         "dazu, die Stellung der Feder zu bestimmen und dem Benutzer ohne weiteres Werkzeug anzuzeigen.", "language"),
        (document(777), "copies_validation"),
        (document(888), "copies_test"),
        (f"Abstract: {REAL[0].text}", "copies_"),
        ("Abstract: no sentence ends here and the limit of tokens was reached<cut>", "unfinished"),
    ],
)  # fmt: skip
def test_what_is_no_document_is_rejected_with_its_reason(text: str, reason: str):
    def script(number: int, body: dict[str, Any]) -> str:
        return text if number % 2 else well_behaved(number, body)

    with serving(script) as server:
        made = make(settings(server, "generator.concurrency=1"), 10)
    assert len(made.documents) == 10
    assert made.report["rejected"]
    assert all(found.startswith(reason) for found in made.report["rejected"])
    assert made.report["attempts"] <= 24


def test_the_same_answer_twice_is_a_copy():
    with serving(lambda number, body: document(5)) as server, pytest.raises(RequestError) as raised:
        make(settings(server, "strategy.max_attempts=2"), 8)
    assert "1 of 8 documents after 16 attempts; rejected: 15 copies_synthetic" in str(raised.value)
    assert "strategy.on_shortage=shrink" in str(raised.value)


def test_a_shortage_may_shrink_the_corpus():
    with serving(lambda number, body: document(body["seed"]) if number % 4 == 0 else "no") as server:
        made = make(settings(server, "strategy.max_attempts=2", "strategy.on_shortage=shrink"), 12)
    assert 0 < len(made.documents) < 12
    assert made.report["requested"] == 12
    assert made.report["attempts"] == 24


@pytest.mark.parametrize("failure", [0, 429, 500])
def test_requests_that_fail_for_a_while_are_sent_again(failure: int):
    failed: set[str] = set()

    def script(number: int, body: dict[str, Any]) -> str | int:
        key = str(body["seed"])
        if key in failed:
            return well_behaved(number, body)
        failed.add(key)
        return failure

    with serving(script) as server:
        made = make(settings(server), 8)
    assert len(made.documents) == 8
    assert made.report["rejected"] == {}


def test_a_request_that_fails_for_good_loses_no_other_and_changes_no_later_run():
    def script(number: int, body: dict[str, Any]) -> str | int:
        return 500 if body["seed"] % 4 == 0 else well_behaved(number, body)

    with serving(script) as server:
        first = make(settings(server), 16)
        assert first.report["rejected"] == {"error": first.report["attempts"] - 16}
        server.script = well_behaved
        asked = len(server.bodies)
        assert make(settings(server), 16) == first
        assert make(settings(server), 9).documents == first.documents[:9]
        assert len(server.bodies) == asked


def test_what_a_failing_server_answered_before_is_kept():
    def script(number: int, body: dict[str, Any]) -> str | int:
        return 500 if number >= 8 else well_behaved(number, body)

    with serving(script) as server:
        with pytest.raises(ConnectionError, match="8 of 8 requests failed, InternalServerError"):
            make(settings(server), 16)
        server.script, asked = well_behaved, len(server.bodies)
        made = make(settings(server), 16)
        assert len(server.bodies) - asked == made.report["attempts"] - 8
    with serving() as server:
        assert (
            make(settings(server, "generator.path=scripted"), 1).report["key"] != made.report["key"]
        )  # another server


@pytest.mark.parametrize("odd", ["\u2028", "\u2029", "\x85", "\ud800", "\r", "\x1c"])
def test_any_character_of_an_answer_survives_the_cache(odd: str):
    def script(number: int, body: dict[str, Any]) -> str:
        return document(body["seed"]).replace(" of ", f" of{odd} ")

    with serving(script) as server:
        first = make(settings(server), 4)
        assert make(settings(server), 4).report == first.report


def test_a_server_that_is_slow_or_gone_costs_a_bounded_time():
    start = time.perf_counter()
    with serving(lambda number, body: 30.0) as server, pytest.raises(ConnectionError, match="APITimeoutError"):
        make(settings(server, "generator.timeout=0.3", "generator.concurrency=8"), 8)
    with pytest.raises(ConnectionError, match="8 of 8 requests failed"):
        make(settings("http://127.0.0.1:9/v1"), 8)
    assert time.perf_counter() - start < 20


def test_no_more_requests_at_a_time_than_allowed():
    with serving(lambda number, body: 0.05) as server:
        make(settings(server, "generator.concurrency=3", "generator.batch_size=24"), 16)
        assert 1 < server.busiest <= 3


def test_the_key_of_the_api_is_sent_and_written_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    with serving() as server:
        made = make(settings(server), 4)
        assert {headers["authorization"] for headers in server.headers} == {"Bearer sk-very-secret"}
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert written
    assert not any(b"very-secret" in path.read_bytes() for path in written)
    assert "very-secret" not in json.dumps(dict(made.report)) + json.dumps(made.rows)


def test_a_server_elsewhere_needs_a_key(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(RequestError, match="environment variable OPENAI_API_KEY must hold"):
        make(settings("https://models.example.org/v1"), 4)


def test_prompt_families_are_recorded_and_can_be_filtered():
    families = "strategy.prompts=[patent_abstract,claims,technical_disclosure,product_description]"
    headings = {"first independent claim": "Claim", "disclosure": "Disclosure", "product": "Description"}

    def script(number: int, body: dict[str, Any]) -> str:
        task = body["messages"][-1]["content"].split(" in these fields")[0]
        heading = next((h for words, h in headings.items() if words in task), "Abstract")
        return document(body["seed"], heading)

    with serving(script) as server:
        mixed = make(settings(server, families), 24)
        asked = len(server.bodies)
        standard = make(settings(server, families, "strategy.standard_only=true"), 4)
        assert len(server.bodies) == asked  # a filter on the same answers
    assert sum(mixed.report["families"].values()) == 24
    assert len(mixed.report["families"]) == 4
    assert {row["family"] for row in standard.rows or ()} == {"patent_abstract"}
    assert standard.report["rejected"]["not_standard"] > 0


def test_paraphrases_keep_the_source_and_use_each_once_before_any_twice():
    with serving() as server:
        made = make(settings(server, "strategy=paraphrase"), 13)
    by_id = {real.id: real for real in REAL}
    for d in made.documents:
        assert d.labels == by_id[d.source_id or ""].labels
    sources = [row["source_id"] for row in made.rows or ()]
    for start in range(0, 10, 5):
        assert len(set(sources[start : start + 5])) == 5


def test_names_of_labels_can_be_kept_out_of_the_prompt():
    with serving() as server:
        make(settings(server, "strategy.label_text=code", "strategy.examples=0"), 4)
        text = json.dumps([body["messages"] for body in server.bodies])
    assert "hearing aid" not in text and "seat cushion" not in text
    assert "- ear" in text


def test_other_prompts_sampling_or_sources_are_another_corpus():
    with serving() as server:
        stores = [
            make(settings(server, *more), 2).report["key"]
            for more in ([], ["generator.temperature=1"], ["strategy.examples=1"], ["generator.path=other"])
        ]
        stores.append(make(settings(server), 2, REAL[1:]).report["key"])
        screened = make(settings(server, "strategy.screening.min_words=10"), 2).report["key"]
    assert len(set(stores)) == 5
    assert screened == stores[0]  # screening judges the same answers


def _worker(url: str, cache: str) -> None:
    os.environ["PATENTLAB_CACHE"] = cache
    make(settings(url), 24)


def test_two_processes_never_generate_the_same_shard(tmp_path: Path):
    with serving(lambda number, body: 0.05) as server:
        context = multiprocessing.get_context("spawn")
        workers = [context.Process(target=_worker, args=(server.url, str(tmp_path / "cache"))) for _ in range(2)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(120)
        assert [worker.exitcode for worker in workers] == [0, 0]
        seeds = [body["seed"] for body in server.bodies]
    assert len(seeds) == len(set(seeds))


def test_killed_in_the_middle_it_goes_on_where_it_stopped(tmp_path: Path):
    with serving(lambda number, body: 0.1) as server:
        context = multiprocessing.get_context("spawn")
        worker = context.Process(target=_worker, args=(server.url, str(tmp_path / "cache")))
        worker.start()
        while len(server.bodies) < 12 and worker.is_alive():
            time.sleep(0.01)
        worker.kill()
        worker.join()
        complete = len(list((tmp_path / "cache").glob("synthetic/*/0*.jsonl")))
        assert complete >= 1
        server.script = well_behaved
        before = len(server.bodies)
        made = make(settings(server), 24)
        asked = len(server.bodies) - before
    assert asked == made.report["attempts"] + (-made.report["attempts"]) % 8 - 8 * complete
    with serving() as server:  # an undisturbed run elsewhere
        os.environ["PATENTLAB_CACHE"] = str(tmp_path / "elsewhere")
        assert make(settings(server), 24).documents == made.documents
