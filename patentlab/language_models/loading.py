"""From a path to a loaded model of transformers and its tokenizer, for generators and backbones alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from patentlab.config import RequestError
from patentlab.protocols import Progress
from patentlab.weights import embedded_names, resolve

if TYPE_CHECKING:
    import torch
    from transformers import BitsAndBytesConfig, PreTrainedTokenizerBase


class Source(Protocol):
    """Where a model comes from, as the config groups ``model`` and ``generator`` say it."""

    @property
    def path(self) -> str | None:
        """``embedded:NAME``, a local folder or a name on the model hub."""

    @property
    def revision(self) -> str | None:
        """Branch, tag or commit on the hub."""

    @property
    def trust_remote_code(self) -> bool:
        """Whether code that lies beside the weights may run."""

    @property
    def attn_implementation(self) -> str | None:
        """``sdpa`` or ``eager``; None leaves it to transformers."""


@dataclass(frozen=True)
class Loaded:
    """A model with its tokenizer.

    Attributes:
        model: In evaluation mode, on the CPU; quantised weights on the accelerator, if there is one.
        tokenizer: Has a padding token.
        source: What both were loaded from: a folder, or a name on the hub.
    """

    model: Any
    tokenizer: PreTrainedTokenizerBase
    source: str


def load(
    auto: Any,
    source: Source,
    group: str,
    progress: Progress,
    *,
    dtype: torch.dtype,
    quantisation: BitsAndBytesConfig | None = None,
    repack: bool = False,
) -> Loaded:
    """Load a model and its tokenizer.

    Args:
        auto: The class of transformers that chooses the model's, as ``AutoModel``.
        source: A config group.
        group: Its name, for messages.
        progress: Told of a conversion.
        dtype: Of the weights.
        quantisation: As of :func:`four_bit`; None for weights as they are.
        repack: Whether 4-bit weights may be repacked at the first evaluation, as bitsandbytes does it on CPUs with bf16
            products: 1.5 times as fast, but scales are rounded, for good, and no gradient flows any more.

    Returns:
        Both.

    Raises:
        RequestError: The model is neither local nor reachable, or its folder is broken.
    """
    from transformers import AutoTokenizer
    from transformers.utils import logging

    folder = resolve(source.path or "", progress, f"{group}.path")
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    options: dict[str, Any] = {"revision": source.revision, "trust_remote_code": source.trust_remote_code}
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, **options)
        if quantisation is not None:
            options["quantization_config"] = quantisation
        model = auto.from_pretrained(folder, dtype=dtype, attn_implementation=source.attn_implementation, **options)
    except (OSError, ValueError, ImportError) as error:
        reason = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        wanted = "causal language model" if auto.__name__ == "AutoModelForCausalLM" else "transformers model"
        raise RequestError(
            f"{group}.path={source.path}: cannot be loaded ({reason.strip()[:200]}); it must be a local folder with a "
            f"{wanted}, a name on a reachable hub, or one of {embedded_names()}"
        ) from error
    for module in () if repack else model.modules():
        # else training goes on after an evaluation, without gradients and without a word
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False
    if quantisation is not None:
        for parameter in model.parameters():
            if type(parameter).__name__ != "Params4bit":
                # else the few weights that stay as they are keep the whole file in memory
                parameter.data = parameter.data.clone()
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return Loaded(model.train(False), tokenizer, folder)


def load_causal(
    source: Source,
    group: str,
    progress: Progress,
    *,
    precision: str | None,
    repack: bool = False,
) -> Loaded:
    """Load a causal language model, with the head that predicts tokens.

    Args:
        source: A config group.
        group: Its name, for messages.
        progress: Told of a conversion.
        precision: ``fp32``, ``bf16``, ``nf4`` (4-bit), or ``auto``: bf16 on a GPU that has it, else fp32. For inference
            :func:`inference_precision` knows better.
        repack: As of :func:`load`.

    Returns:
        The model and its tokenizer.

    Raises:
        RequestError: As :func:`load`.
    """
    import torch
    from transformers import AutoModelForCausalLM

    bf16 = precision == "bf16" or (precision in ("auto", "nf4") and _gpu_has_bf16())
    dtype = torch.bfloat16 if bf16 else torch.float32
    return load(
        AutoModelForCausalLM,
        source,
        group,
        progress,
        dtype=dtype,
        quantisation=four_bit(dtype) if precision == "nf4" else None,
        repack=repack,
    )


def inference_precision(asked: str | None) -> str:
    """What weights are held in where a model is asked and not trained.

    Args:
        asked: ``fp32``, ``bf16``, ``nf4``, or ``auto``: bf16 where the GPU, or where there is none the processor,
            multiplies it natively (AVX512-BF16 or AMX-BF16), else fp32.

    Returns:
        ``fp32``, ``bf16`` or ``nf4``.
    """
    import torch

    if asked in ("bf16", "nf4"):
        return asked
    native = _gpu_has_bf16() if torch.cuda.is_available() else _processor_has_bf16()
    return "bf16" if asked == "auto" and native else "fp32"


def _gpu_has_bf16() -> bool:
    import torch

    return torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)


def _processor_has_bf16() -> bool:
    """Whether bf16 is multiplied by instructions of its own; where it is not, it is slower than fp32."""
    import torch

    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    if hasattr(torch.cpu, "get_capabilities"):  # not in older releases
        found = torch.cpu.get_capabilities()
        return bool(found.get("avx512_bf16") or found.get("amx_bf16"))
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def four_bit(compute_dtype: torch.dtype, kind: str = "nf4", *, double: bool = True) -> BitsAndBytesConfig:
    """Weights in 4 bits, quantised while they are loaded (Dettmers et al. 2023).

    Args:
        compute_dtype: Of the products that quantised weights take part in.
        kind: ``nf4`` or ``fp4``.
        double: Whether the scales are quantised too.

    Returns:
        What ``from_pretrained`` takes.
    """
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(  # type: ignore[no-untyped-call]
        load_in_4bit=True,
        bnb_4bit_quant_type=kind,
        bnb_4bit_use_double_quant=double,
        bnb_4bit_compute_dtype=compute_dtype,
    )
