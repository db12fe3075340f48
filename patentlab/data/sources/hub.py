"""Datasets of the hub, and local folders of the same layout, read with the ``datasets`` library."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from patentlab.config import DataConfig, RequestError
from patentlab.config.registry import SOURCES
from patentlab.corpus import Corpus
from patentlab.data.sources import Source
from patentlab.data.sources.rows import SET_NAMES, BadRowError, Row, read_rows, template_fields
from patentlab.storage import file_digest


def read(config: DataConfig) -> Corpus:
    """Read all splits of a dataset; class labels become their names.

    Args:
        config: ``path`` (a name on the hub, a folder with data files, or one that ``save_to_disk`` wrote), ``subset``,
            ``revision``, and what :func:`patentlab.data.sources.rows.read_rows` uses.

    Returns:
        The corpus; each document knows the set that its split stands for.

    Raises:
        RequestError: The dataset cannot be had, or a column is missing.
    """
    splits = _load(config)
    wanted = (*template_fields(config.text), config.labels, config.id, config.date, config.split.column)
    for name, table in splits.items():
        missing = [column for column in wanted if column is not None and column not in table.column_names]
        if missing:
            raise RequestError(
                f"{config.path}, split {name}: no column {', '.join(missing)}; found {', '.join(table.column_names)}"
            )
    return read_rows(_rows(splits, config), config, str(config.path))


def fingerprint(config: DataConfig) -> str:
    """What the dataset is made of.

    Args:
        config: ``path``, ``subset`` and ``revision`` are used.

    Returns:
        SHA-256 over the names and bytes of a folder's files; of a hub dataset over its name, subset and commit.

    Raises:
        RequestError: The dataset cannot be had.
    """
    folder = Path(config.path or "").expanduser()
    digest = hashlib.sha256()
    if folder.is_dir():
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            digest.update(str(path.relative_to(folder)).encode() + file_digest(path))
    else:
        import datasets

        # of the commit and the data files that the revision stands for now
        builder = _attempt(
            config, lambda: datasets.load_dataset_builder(str(config.path), config.subset, revision=config.revision)
        )
        digest.update(f"{config.path}\n{config.subset}\n{builder.hash}".encode())
    return digest.hexdigest()


def _load(config: DataConfig) -> dict[str, Any]:
    import datasets

    folder = Path(config.path or "").expanduser()
    saved = (folder / "dataset_dict.json").is_file() or (folder / "state.json").is_file()
    datasets.disable_progress_bars()
    if saved:
        loaded = _attempt(config, lambda: datasets.load_from_disk(str(folder)))
    else:
        path = str(folder) if folder.is_dir() else str(config.path)
        loaded = _attempt(config, lambda: datasets.load_dataset(path, config.subset, revision=config.revision))
    return dict(loaded) if isinstance(loaded, dict) else {"train": loaded}


def _attempt(config: DataConfig, load: Callable[[], Any]) -> Any:
    path = str(config.path)
    if not Path(path).expanduser().is_dir() and (path.startswith((".", "/", "~")) or Path(path).is_file()):
        raise RequestError(f"data.path={path}: no such folder; give one with data files, or a name on the hub")
    try:
        return load()
    except Exception as error:  # whatever a hub, a cache or a file reader throws
        reason = " ".join(str(error).split())[:200]
        raise RequestError(
            f"data.path={path}: cannot be loaded ({type(error).__name__}: {reason}); it must be a dataset on a "
            "reachable hub, or a folder with data files"
        ) from error


def _rows(splits: dict[str, Any], config: DataConfig) -> Iterator[Row]:
    for name, table in splits.items():
        if config.split.method == "given" and config.split.column is None and name not in SET_NAMES:
            yield (
                name,
                BadRowError(f"the split is none of {', '.join(SET_NAMES)}; data.split.method=stratified takes all"),
            )
            continue
        names = _label_names(table.features[config.labels or ""])
        for number, row in enumerate(table):
            where = f"{name}:{number}"
            value = row[config.labels]
            if names is not None and value is not None:
                numbers = value if isinstance(value, list) else [value]
                # −1 marks what is not labelled
                row = {**row, config.labels: [names[n] for n in numbers if n is not None and n >= 0]}
            yield where, {**row, "__split__": name if config.split.method == "given" else None}


def _label_names(feature: Any) -> list[str] | None:
    """Names behind a column of class numbers, or of lists of them."""
    inner = getattr(feature, "feature", feature)
    names = getattr(inner, "names", None)
    return list(names) if names is not None else None


SOURCES.add("hub")(Source(read, fingerprint, split=True))
