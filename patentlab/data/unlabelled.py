"""Documents without labels, of which a teacher says something: the rest of the pool, or a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from patentlab.config import UNLABELLED_POOL, DataConfig, RequestError, SplitConfig
from patentlab.corpus import Document, LabelSpace
from patentlab.data.audit import close_to, same_text, similar_text
from patentlab.data.masking import mask_text
from patentlab.data.splits import Split


def read_unlabelled(
    config: DataConfig, split: Split, real: Sequence[Document], labels: LabelSpace
) -> tuple[tuple[str, ...], dict[str, int]]:
    """Read what ``data.unlabelled`` names.

    Args:
        config: ``unlabelled``, ``split``, ``mask_labels`` and ``on_bad_row`` are used.
        split: Nothing is taken that repeats its validation or test documents, exactly, nearly or in much the same
            words.
        real: Documents of the pool that are learned from with their labels.
        labels: Their names are masked where ``mask_labels`` says so.

    Returns:
        Texts, and counts: ``unlabelled``, and ``unlabelled_removed``, those that repeat a held-out document. No counts
        where nothing is named.

    Raises:
        RequestError: The file is missing or wrong, or nothing is left of it.
    """
    if config.unlabelled is None:
        return (), {}
    if config.unlabelled == UNLABELLED_POOL:  # the split holds it apart already
        labelled = {document.id for document in real}
        texts = [document.text for document in split.pool if document.id not in labelled]
        if not texts:
            raise RequestError("data.unlabelled=pool: nothing is left of it, since the regime takes all; lower regime")
        return tuple(texts), {"unlabelled": len(texts), "unlabelled_removed": 0}
    texts = _texts(Path(config.unlabelled).expanduser(), config.on_bad_row)
    if config.mask_labels:
        texts = [mask_text(text, labels) for text in texts]
    held = [document.text for document in (*split.validation, *split.test)]
    kept = apart_from(texts, held, config.split)
    if not kept:
        raise RequestError(
            f"data.unlabelled={config.unlabelled}: each of its {len(texts)} documents repeats one of validation or test"
        )
    return tuple(kept), {"unlabelled": len(kept), "unlabelled_removed": len(texts) - len(kept)}


def apart_from(texts: Sequence[str], held: Sequence[str], config: SplitConfig) -> list[str]:
    """Texts that repeat none of those held out.

    Args:
        texts: Any.
        held: Held-out ones.
        config: ``similarity`` and ``cosine`` say what is alike.

    Returns:
        Those that are left, in their order.
    """
    both = [*held, *texts]
    groups = same_text(both) if config.similarity is None else similar_text(both, config.similarity)
    repeats = np.isin(groups[len(held) :], groups[: len(held)])
    if config.cosine is not None:
        repeats |= close_to(texts, held, config.cosine)
    return [text for text, is_repeat in zip(texts, repeats, strict=True) if not is_repeat]


def _texts(path: Path, on_bad_row: str) -> list[str]:
    from patentlab.data.sources.rows import BadRowError, BadRows, text_of
    from patentlab.data.sources.tables import file_rows

    bad, found = BadRows(on_bad_row), list[str]()
    for where, row in file_rows(path, "data.unlabelled", ("text",)):
        try:
            if isinstance(row, BadRowError):
                raise row
            if not (text := text_of(row, "text").strip()):
                raise BadRowError("no text: text is empty")
            found.append(text)
        except BadRowError as problem:
            bad.add(where, problem)
    bad.check(len(found))
    if not found:
        raise RequestError(f"data.unlabelled={path}: no documents in it")
    return found
