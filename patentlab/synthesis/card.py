"""A corpus that stands by itself: documents, and a card that says what they are."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import yaml

from patentlab.config import ExperimentConfig
from patentlab.corpus import LabelSpace
from patentlab.synthesis.generators import generator_fingerprint
from patentlab.synthesis.prompts import FAMILIES, VERSION
from patentlab.synthesis.strategies import Added


def write_corpus(
    folder: Path,
    config: ExperimentConfig,
    labels: LabelSpace,
    made: Added,
    fidelity: dict[str, float],
    data: str,
) -> None:
    """Write ``corpus.jsonl``, ``corpus.parquet`` and ``README.md``, a dataset card as model hubs show it.

    Args:
        folder: Exists.
        config: What was asked for.
        labels: The label space.
        made: Documents and how they came about.
        fidelity: Measures of closeness to real documents.
        data: Fingerprint of the real data.
    """
    import pandas as pd

    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in made.rows or ())
    (folder / "corpus.jsonl").write_text("".join(lines), encoding="utf-8")
    pd.DataFrame(made.rows).to_parquet(folder / "corpus.parquet", index=False)
    (folder / "README.md").write_text(_card(config, labels, made, fidelity, data), encoding="utf-8")


def _card(config: ExperimentConfig, labels: LabelSpace, made: Added, fidelity: dict[str, float], data: str) -> str:
    generator, strategy, report = config.generator, config.strategy, made.report
    head = {
        "license": "other" if generator.licence is None else generator.licence.lower().replace(" ", "-"),
        "language": [strategy.screening.language] if strategy.screening and strategy.screening.language else [],
        "task_categories": ["text-classification"],
        "tags": ["synthetic", "patents"],
        "size_categories": [_size(len(made.documents))],
        "configs": [{"config_name": "default", "data_files": "corpus.parquet"}],
    }
    sampling = {
        name: getattr(generator, name) for name in ("temperature", "top_p", "no_repeat_ngram", "max_new_tokens", "form")
    }
    counts = Counter(label for document in made.documents for label in document.labels)
    commonest = [[f"{name} {labels.titles.get(name, '')}".strip(), number] for name, number in counts.most_common(20)]
    families = [[family, FAMILIES[family].asked, number] for family, number in report["families"].items()]
    parts = [
        "---\n" + yaml.safe_dump(head, sort_keys=False) + "---",
        f"# {len(made.documents)} synthetic documents: {strategy.name} by {generator.name}",
        "Made by patentlab. No document describes a real patent; labels are those that were asked for, and no person "
        "checked them.",
        "## Sources\n\n"
        + _table(
            ["what", "value"],
            [
                ["generator", f"{generator.path}, {generator_fingerprint(generator)}"],
                ["precision of its weights", report["precision"] or "not known"],
                ["licence of the generator", generator.licence or "not known"],
                ["adapted to the real documents", generator.adapt],
                ["real data", f"{config.data.name}, fingerprint {data[:16]}"],
                [
                    "real documents that prompts were made of",
                    f"{report['shown']} (regime {config.regime.keep}, "
                    f"{' '.join(filter(None, [f'seed {config.seed}', str(config.seeds)]))})",
                ],
                ["labels in the prompt as", strategy.label_text],
                ["real examples in the prompt", strategy.examples],
                ["sampling", json.dumps(sampling)],
            ],
        ),
        f"## Prompts, version {VERSION}\n\n" + _table(["family", "asks for", "documents"], families),
        "## Counts\n\n"
        + _table(
            ["what", "number"],
            [
                ["documents", report["accepted"]],
                ["attempts", report["attempts"]],
                *[[f"rejected: {reason}", number] for reason, number in report["rejected"].items()],
                ["tokens generated", report["tokens"]],
                ["seconds of generation", round(report["generation_seconds"])],
                ["share of documents that call a label of theirs by name", f"{report['label_mentions']:.3f}"],
            ],
        ),
        "Bounds of the screening: " + json.dumps(asdict(strategy.screening) if strategy.screening else {}),
        "## Labels\n\n" + _table(["label (the 20 commonest)", "documents"], commonest),
    ]
    if fidelity:
        rows = [[name, f"{value:.4g}"] for name, value in fidelity.items()]
        parts.append(
            "## Fidelity\n\nAgainst a sample of the whole real training pool, on all-MiniLM-L6-v2 vectors; `real_…` is "
            "the same measure on as many real documents.\n\n" + _table(["measure", "value"], rows)
        )
    return "\n\n".join(parts) + "\n"


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines: list[Sequence[object]] = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


def _size(count: int) -> str:
    bounds = [(1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K")]
    return next((name for bound, name in bounds if count < bound), "100K<n<1M")
