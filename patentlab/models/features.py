"""What frozen layers give: pooled features, computed once a document and shared by all runs."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from patentlab.storage import cache_folder, digest, locked

VERSION = 2  # raise when the same backbone and text yield other features

Features = NDArray[np.float32]
"""Shape ``(documents, width)``."""


class FeatureStore:
    """Features of one backbone with one pooling, in shards that are only ever added.

    Args:
        identity: What fixes the features.
    """

    def __init__(self, identity: Mapping[str, object]) -> None:
        self.folder: Path = cache_folder() / "features" / digest(VERSION, dict(identity))
        self._known: dict[str, Features] = {}
        self._shards: set[str] = set()

    def get(self, texts: Sequence[str], compute: Callable[[list[str]], Features]) -> Features:
        """Features of texts, in their order.

        Args:
            texts: Any texts.
            compute: Called at most once, with the texts that no run has met; other processes wait meanwhile.

        Returns:
            Shape ``(texts, width)``.
        """
        keys = [hashlib.sha256(text.encode()).hexdigest() for text in texts]
        self._read_shards()
        if any(key not in self._known for key in keys):
            with locked(self.folder):
                self._read_shards()
                missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in self._known}
                if missing:
                    self._add_shard(list(missing), compute(list(missing.values())))
        return np.stack([self._known[key] for key in keys])

    def _read_shards(self) -> None:
        for path in sorted(self.folder.glob("*.safetensors")):
            if path.name not in self._shards:
                shard = load_file(path)
                self._known.update(zip((row.tobytes().hex() for row in shard["keys"]), shard["features"], strict=True))
                self._shards.add(path.name)

    def _add_shard(self, keys: list[str], features: Features) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        raw = np.frombuffer(bytes.fromhex("".join(keys)), dtype=np.uint8).reshape(len(keys), -1)
        name = f"{digest(keys)}.safetensors"
        temporary = self.folder / f".{name}.{os.getpid()}"
        save_file({"keys": raw, "features": np.ascontiguousarray(features, dtype=np.float32)}, temporary)
        temporary.replace(self.folder / name)
        self._known.update(zip(keys, features, strict=True))
        self._shards.add(name)
