"""``python -m patentlab.synthesize n=100``: a synthetic corpus by itself.

``generator=smollm2_135m strategy=label_conditioned data=… regime=1:100 seed=0 …``   settings, as for patentlab.run
``n=100``        documents wanted
``out=FOLDER``   where to write; ``outputs/synthetic/NAME`` by default

Leaves ``corpus.jsonl``, ``corpus.parquet`` and ``README.md``, the dataset card.
"""

from __future__ import annotations

import sys
from pathlib import Path

from patentlab.config import ExperimentConfig, RequestError
from patentlab.config.experiment import CONTROL
from patentlab.config.registry import STRATEGIES
from patentlab.console.command_line import compose, run_command

_OWN = ("n", "out")


def main() -> None:
    """Generate a corpus, write it, and tell where it is."""
    if {"-h", "--help"} & set(sys.argv[1:]):
        print(__doc__)
        return
    settings = {name: value for name, _, value in (text.partition("=") for text in sys.argv[1:]) if name in _OWN}
    rest = [text for text in sys.argv[1:] if text.partition("=")[0] not in _OWN]
    if steering := [name for name in (text.partition("=")[0] for text in rest) if name in CONTROL]:
        raise RequestError(*(f"{name}: steers a sweep; this makes one corpus" for name in steering))
    # any share below 1 means that documents are added; how many is said by n
    config = compose(*rest, "mix.real_share=0.5")
    if not STRATEGIES.get(config.strategy.name).generates:
        allowed = ", ".join(name for name, strategy in STRATEGIES.items() if strategy.generates)
        raise RequestError(f"strategy={config.strategy.name}: generates nothing; allowed are {allowed}")
    count = _count(settings.get("n"))
    print(_synthesize(config, count, settings.get("out")).resolve())


def _count(text: str | None) -> int:
    if text is None or not text.isdigit() or int(text) < 1:
        raise RequestError(f"n={text or ''}: must be a number of documents, 1 or more; write n=100")
    return int(text)


def _synthesize(config: ExperimentConfig, count: int, out: str | None) -> Path:
    from patentlab.classifiers.label_consistency import Judge
    from patentlab.console.terminal import TerminalProgress, say
    from patentlab.corpus import fingerprint
    from patentlab.data.documents import read_documents
    from patentlab.data.sources import data_fingerprint
    from patentlab.fidelity.profile import fidelity_where_possible
    from patentlab.mixing.training_set import add
    from patentlab.models.encoder import embed_texts
    from patentlab.synthesis.card import write_corpus

    progress = TerminalProgress()
    documents = read_documents(config)
    labels = documents.corpus.labels
    made = add(config, documents, documents.real, count, progress, Judge)
    pool = documents.split.pool
    fidelity = fidelity_where_possible(
        made.documents,
        pool,
        documents.real,
        labels,
        config.seed_of("split"),
        lambda texts: embed_texts(texts, progress),
        Judge,
        progress,
    )
    digits = fingerprint(made.documents)[:12]
    name = f"{config.data.name}-{config.generator.name}-{config.strategy.name}-{count}-{digits}"
    folder = Path(out) if out else Path("outputs") / "synthetic" / name
    folder.mkdir(parents=True, exist_ok=True)
    write_corpus(folder, config, labels, made, fidelity, data_fingerprint(config.data))
    rejected = ", ".join(f"{number} {reason}" for reason, number in made.report["rejected"].items()) or "none"
    say(f"{len(made.documents)} documents of {made.report['attempts']} attempts; rejected: {rejected}")
    if fidelity:
        say(f"MMD² {fidelity['mmd2']:.4f} (p {fidelity['mmd2_p']:.3f}) on {fidelity['compared']:.0f} documents each")
    return folder


if __name__ == "__main__":
    sys.exit(run_command(main))
