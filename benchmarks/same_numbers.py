"""Small runs of everything that a classifier can learn from, and with: do two versions of the code give one result?

python -m benchmarks.same_numbers [--code FOLDER] [--out FILE] [--against FILE] [--quick] [--only NAME …]

Any checkout is asked for the same runs, each in a process, a folder and a cache of its own, on one core of the CPU.
The table keeps what came of each. On one machine with the same libraries two versions are equal bit for bit; another
processor rounds otherwise. ``benchmarks/same_numbers.json`` was the table by the code at 797e3e3, and is what came of
the changes that CHANGELOG.md names since; made from a checkout with

python -m benchmarks.same_numbers --code CHECKOUT --out benchmarks/same_numbers.json

Keys of runs have since left out neutral values; all else of a checkout is compared with the kept table by

python -m benchmarks.same_numbers --against benchmarks/same_numbers.json --leave-out keys.run

Whoever changes the table says why in CHANGELOG.md.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import json
import multiprocessing
import os
import runpy
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tests.synthesis.scripted_server import serving

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "benchmarks" / "same_numbers.json"
PATENTSVIEW = ROOT.parent / "shared" / "data" / "patentsview"

_ALWAYS = ("tracking=none", "trainer.save_model=never")
_DEMO = ("data.size=240", "data.split.validation=40", "data.split.test=60")
_SINGLE = (*_DEMO, "data.task=single_label")
_PATENTS: tuple[str, ...] = ("data=patentsview", "data.size=900", "data.min_count=10")
_PATENTS += ("data.split.validation=100", "data.split.test=150")

_FROZEN = ("model=minilm", "adapter=frozen", "trainer.max_length=64", "trainer.epochs=15")
# without the probe, whose answer would hide what was learnt
_LEARNT = ("head.fallback=null", "head.start=frequencies")
_FULL = ("model=minilm", "trainer.max_steps=4", "trainer.max_length=64", "head.fallback=null")
_SMOLLM2: tuple[str, ...] = (
    "model=smollm2_135m",
    "trainer.max_length=48",
    "trainer.batch_size=4",
    "head.fallback=null",
)
_SMOLLM2 += ("data.size=120", "data.split.validation=20", "data.split.test=20", "data.top_k=12")
# as before the demonstration had settings of its own for these choices
_SMOLLM2_LORA: tuple[str, ...] = (*_SMOLLM2, "head.start=frequencies", "trainer.learning_rate=5e-4")
_SMOLLM2_LORA += ("trainer.head_learning_rate=5e-3", "adapter.dropout=0.05", "model.lora_targets=[q_proj,v_proj]")
# httpx asks a proxy for it, so that no port gets into fingerprints
_SCRIPTED: tuple[str, ...] = ("generator=openai", "generator.path=scripted", "generator.base_url=http://localhost/v1")
_SCRIPTED += ("generator.batch_size=16", "regime=1:4")
_WRITTEN: tuple[str, ...] = (
    "generator=smollm2_135m",
    "generator.batch_size=4",
    "generator.max_new_tokens=40",
    "regime=1:10",
)
_WRITTEN += ("mix=0.8", "strategy.on_shortage=shrink", "strategy.screening.min_words=5")
_WRITTEN += ("strategy.screening.language=null", "strategy.max_attempts=3", "generator.precision=fp32")

REQUESTS: dict[str, tuple[str, ...]] = {
    "constant": (*_DEMO, "model=constant"),
    "tfidf": (*_DEMO, "model=tfidf_linear"),
    "tfidf_single": (*_SINGLE, "model=tfidf_linear"),
    "tfidf_masked": (*_DEMO, "model=tfidf_linear", "data.mask_labels=true", "data.top_k=20",
                     "trainer.monitor=f1_macro"),
    "frozen": (*_DEMO, *_FROZEN),
    "frozen_bce": (*_DEMO, *_FROZEN, *_LEARNT),
    "frozen_weighted_bce": (*_DEMO, *_FROZEN, *_LEARNT, "loss=weighted_bce"),
    "frozen_focal": (*_DEMO, *_FROZEN, *_LEARNT, "loss=focal"),
    "frozen_asymmetric": (*_DEMO, *_FROZEN, *_LEARNT, "loss=asymmetric"),
    "frozen_single": (*_SINGLE, *_FROZEN, "loss=cross_entropy"),
    "frozen_cross_entropy": (*_SINGLE, *_FROZEN, *_LEARNT, "loss=cross_entropy"),
    "frozen_weighted_cross_entropy": (*_SINGLE, *_FROZEN, *_LEARNT, "loss=weighted_cross_entropy"),
    "frozen_max": (*_DEMO, *_FROZEN, "head.pooling=max", "seed=1", "trainer.monitor=f1_macro"),
    "full": (*_DEMO, "model=minilm", "trainer.max_steps=3", "trainer.max_length=64"),
    "full_two_layer": (*_DEMO, "model=minilm", "trainer.max_steps=4", "trainer.max_length=64", "head=two_layer"),
    "full_single": (*_SINGLE, *_FULL, "loss=cross_entropy", "trainer.accumulation=2", "trainer.batch_size=4"),
    "full_probe": (*_DEMO, *_FULL, "head.start=probe", "trainer.schedule=cosine", "seed=2"),
    "minilm_lora": (*_DEMO, *_FULL, "adapter=lora"),
    "minilm_qlora": (*_DEMO, *_FULL, "adapter=qlora"),
    "smollm2_lora": (*_SMOLLM2_LORA, "trainer.max_steps=5"),
    "smollm2_last": (*_SMOLLM2_LORA, "head.pooling=last", "data.task=single_label", "loss=cross_entropy",
                     "trainer.max_steps=4"),
    "smollm2_frozen": (*_SMOLLM2, "adapter=frozen", "trainer.epochs=10"),
    "duplicate": (*_DEMO, *_FROZEN, "strategy=duplicate", "regime=1:3", "mix=0.5"),
    "oversample": (*_DEMO, "model=tfidf_linear", "strategy=oversample", "regime=1:3", "mix=0.3"),
    "budget_repeat": (*_DEMO, "model=tfidf_linear", "strategy=duplicate", "regime=1:10", "mix=0.5", "mix.budget=60",
                      "mix.on_shortage=repeat"),
    "none": (*_DEMO, "model=tfidf_linear", "strategy=none", "regime=1:3", "mix=0.5", "mix.budget=40"),
    "step_matched": (*_DEMO, *_FULL[:1], *_FULL[2:], "strategy=step_matched", "regime=1:10", "mix=0.3",
                     "trainer.max_steps=null", "trainer.epochs=1"),
    "label_conditioned": (*_DEMO, *_FULL, *_SCRIPTED, "mix=0.5"),
    "prompts": (*_DEMO, "model=tfidf_linear", *_SCRIPTED, "mix=0.4", "generator.form=text", "strategy.sources=mixture",
                "strategy.prompts=[patent_abstract,claims,product_description]", "strategy.label_text=coarse"),
    "paraphrase": (*_DEMO, *_FROZEN, *_SCRIPTED, "strategy=paraphrase", "mix=0.5", "mix.budget=40",
                   "mix.on_shortage=shrink"),
    "curriculum": (*_DEMO, *_FULL, "mix=curriculum", "mix.real_share=0.4", "strategy=duplicate", "regime=1:3"),
    "filtered": (*_DEMO, *_FROZEN, *_SCRIPTED, "mix=filtered", "mix.real_share=0.8", "strategy.max_attempts=60"),
    "ensemble": (*_DEMO, *_FROZEN, *_LEARNT, *_SCRIPTED, "mix=ensemble", "mix.real_share=0.5"),
    "written": (*_DEMO, "model=tfidf_linear", *_WRITTEN),
    "written_adapted": (*_DEMO, "model=tfidf_linear", *_WRITTEN, "strategy.examples=0", "generator.adapt=lora",
                        "generator.adaptation.steps=2", "generator.adaptation.batch_size=4",
                        "generator.adaptation.max_length=96"),
    "patents": (*_PATENTS, *_FROZEN, "regime=1:3"),
    "patents_full": (*_PATENTS, *_FULL, "data.top_k=10", "strategy=duplicate", "mix=0.5", "regime=1:10"),
    "patents_by_date": (*_PATENTS, "model=tfidf_linear", "data.split.method=date", "data.level=class"),
    "patents_paraphrased": (*_PATENTS, "model=tfidf_linear", "data.task=single_label", *_SCRIPTED[:-1], "regime=1:30",
                            "strategy=paraphrase", "mix=0.5"),
}  # fmt: skip
QUICK: tuple[str, ...] = ("constant", "tfidf", "tfidf_single", "frozen", "frozen_focal", "frozen_cross_entropy", "full")
QUICK += ("duplicate", "curriculum", "paraphrase")

_FIXED = {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": "", "TQDM_DISABLE": "1"}
_LIBRARIES = ["torch", "transformers.models.bert.modeling_bert", "transformers.models.llama.modeling_llama"]
_LIBRARIES += ["transformers.trainer", "transformers.integrations.bitsandbytes", "peft", "accelerate", "skops.io"]
_LIBRARIES += ["sklearn.metrics", "sklearn.linear_model", "scipy.stats", "iterstrat.ml_stratifiers", "datasketch"]
_LIBRARIES += ["matplotlib.pyplot", "pandas", "pyarrow.parquet", "hydra", "openai", "rich.live"]
_KEPT = ("metrics", "threshold", "counts", "fingerprints", "training", "parameters", "fidelity", "retrieval")
_KEPT_OF_SYNTHESIS = ("requested", "accepted", "attempts", "rejected", "families", "tokens")


def row(folder: Path) -> dict[str, Any]:
    """What is kept of a run.

    Args:
        folder: Of a finished run.

    Returns:
        The record without what differs from start to start, and digests of the learning curve and the predictions.
    """
    record = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    synthesis = record["synthesis"]
    return {
        **{name: record[name] for name in _KEPT},
        "synthesis": {name: synthesis[name] for name in _KEPT_OF_SYNTHESIS if name in synthesis},
        "keys": {"run": record["key"], "answers": synthesis.get("key")},
        "history": hashlib.sha256((folder / "history.csv").read_bytes()).hexdigest(),
        "predictions": digest_of_predictions(pd.read_parquet(folder / "predictions.parquet")),
    }


def digest_of_predictions(table: pd.DataFrame) -> str:
    """SHA-256 of sets, ids, true and predicted labels, and the bits of all scores.

    Args:
        table: As in ``predictions.parquet``.

    Returns:
        64 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for part, name, labels, predicted in zip(*(table[c] for c in ("set", "id", "labels", "predicted")), strict=True):
        digest.update(json.dumps([part, name, list(labels), list(predicted)]).encode())
    digest.update(np.stack(list(table["scores"])).astype("<f8").tobytes())  # wider, so that every bit counts
    return digest.hexdigest()


@contextlib.contextmanager
def answering() -> Iterator[dict[str, str]]:
    """The scripted generator, for as long as the context is open.

    Yields:
        Environment variables by which ``http://localhost/v1`` is that server.
    """
    with serving() as server:
        proxy = server.url.removesuffix("/v1")
        yield {"http_proxy": proxy, "HTTP_PROXY": proxy, "no_proxy": "", "NO_PROXY": ""}


def measure(code: Path, names: Sequence[str], patentsview: Path, at_once: int = 2) -> dict[str, Any]:
    """Make runs with a checkout's code.

    Args:
        code: The checkout.
        names: Of :data:`REQUESTS`.
        patentsview: Folder of the real patents.
        at_once: Processes.

    Returns:
        ``runs`` by name, of one that failed the ``error`` alone, and ``versions`` of the libraries.
    """
    # each run in a process of its own, forked from one that has imported the libraries, which takes as long as a run
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_LIBRARIES)
    table: dict[str, Any] = {"runs": {}, "versions": {}}
    with tempfile.TemporaryDirectory(prefix="same-numbers-") as place, answering() as server:
        (Path(place) / "models").mkdir()
        os.environ.update({**_FIXED, **server})
        with ProcessPoolExecutor(at_once, mp_context=context, max_tasks_per_child=1) as pool:
            running = {
                pool.submit(_run, code, Path(place) / name, overrides(name, patentsview)): name for name in names
            }
            for done in as_completed(running):
                name, (exit_code, said) = running[done], done.result()
                if exit_code:
                    print(f"{name}: failed\n{said}", file=sys.stderr, flush=True)
                    table["runs"][name] = {"error": said.strip().splitlines()[-1]}
                    continue
                record = json.loads((Path(place) / name / "run" / "result.json").read_text(encoding="utf-8"))
                print(f"{name}: {record['timing']['total']:.1f} s", file=sys.stderr, flush=True)
                table["versions"] = record["versions"]
                table["runs"][name] = row(Path(place) / name / "run")
    return table


def _run(code: Path, folder: Path, settings: Sequence[str]) -> tuple[int, str]:
    """``python -m patentlab.run`` of a checkout in this process: its exit code, and what it said."""
    (folder / "cache").mkdir(parents=True)
    (folder / "cache" / "models").symlink_to(folder.parent / "models")  # weights are converted once; all else is fresh
    os.environ.update(PATENTLAB_CACHE=str(folder / "cache"), PATENTLAB_DATA=str(folder / "data"))
    os.chdir(folder)
    sys.path.insert(0, str(code))
    sys.argv = ["patentlab.run", *settings, f"hydra.run.dir={folder}/run"]
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            runpy.run_module("patentlab.run", run_name="__main__", alter_sys=True)
        except SystemExit as end:
            return int(end.code or 0), said.getvalue()
    return 0, said.getvalue()


def overrides(name: str, patentsview: Path = PATENTSVIEW) -> list[str]:
    """The command line of a run.

    Args:
        name: Of :data:`REQUESTS`.
        patentsview: Folder of the real patents.

    Returns:
        Overrides.
    """
    path = [f"data.path={patentsview}"] if "data=patentsview" in REQUESTS[name] else []
    return [*REQUESTS[name], *path, *_ALWAYS]


def flat(content: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested tables under dotted names."""
    found: dict[str, Any] = {}
    for name, value in content.items():
        found |= flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value}
    return found


def differences(before: Mapping[str, Any], after: Mapping[str, Any], leave_out: Sequence[str] = ()) -> list[str]:
    """What differs between two tables, of the runs that the second has.

    Args:
        before: As :func:`measure` returns.
        after: Likewise.
        leave_out: Beginnings of fields that may differ: ``keys``.

    Returns:
        A line a field.
    """
    lines = []
    for name, made in after["runs"].items():
        if name not in before["runs"]:
            lines.append(f"{name}: is new")
            continue
        old, new = flat(before["runs"][name]), flat(made)
        lines += [
            f"{name}: {field}: {old.get(field, 'nothing')} → {new.get(field, 'nothing')}"
            for field in sorted(old.keys() | new.keys())
            if old.get(field, "nothing") != new.get(field, "nothing") and not field.startswith(tuple(leave_out))
        ]
    return lines


def main() -> int:
    """Write the table, and compare it.

    Returns:
        1 where it differs from another.
    """
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--code", type=Path, default=ROOT, help="a checkout; this one by default")
    parser.add_argument("--out", type=Path, help="where the table is written; stdout by default")
    parser.add_argument("--against", type=Path, help="a table to compare with")
    parser.add_argument("--leave-out", nargs="+", default=[], metavar="FIELD", help="not compared: keys")
    parser.add_argument("--patentsview", type=Path, default=PATENTSVIEW, help="folder of the real patents")
    parser.add_argument("--at-once", type=int, default=2, help="processes")
    parser.add_argument("--quick", action="store_true", help="the runs that the tests make, too")
    parser.add_argument("--only", nargs="+", choices=REQUESTS, metavar="NAME", help="these runs")
    asked = parser.parse_args()
    names = asked.only or list(QUICK if asked.quick else REQUESTS)
    if not asked.patentsview.is_dir():
        print(f"no patents at {asked.patentsview}: runs on them are left out", file=sys.stderr)
        names = [name for name in names if "data=patentsview" not in REQUESTS[name]]
    table = measure(asked.code.resolve(), names, asked.patentsview.resolve(), asked.at_once)
    text = json.dumps(table, indent=1, sort_keys=True) + "\n"
    if asked.out:
        asked.out.write_text(text, encoding="utf-8")
    elif not asked.against:
        print(text, end="")
    if not asked.against:
        return 0
    found = differences(json.loads(asked.against.read_text(encoding="utf-8")), table, asked.leave_out)
    print(*found, f"{len(names)} runs, {len(found)} differences", sep="\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
