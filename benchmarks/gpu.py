"""What the main path does on a GPU, beside transformers' own ``Trainer`` and ``generate``; at most eight minutes.

``python -m benchmarks.gpu [--out FILE] [--budget SECONDS] [--folder FOLDER] [--tiny]``: a table, last on stdout and in
FILE, and the same as JSON beside it; ``benchmarks/RESULTS.md`` says where it goes. ``--tiny`` takes all of it at a tiny
shape, on a CPU too, within a minute: to test the script, its numbers say nothing.

Nothing is downloaded: random weights in the shape of Llama-3-8B and of MiniLM, and random words of as many tokens as
patent abstracts have (mean 130, 20 to 400), are made in FOLDER, 17 GB for a while. A measurement that would overrun
the budget is skipped and says so. Each times the second of two epochs, so that every document counts once and nothing
is warming up. The share is that of model operations (real tokens alone, nothing recomputed) in the rate at which this
card multiplies bf16 matrices, which is measured first.

On a machine with torch, transformers, peft, accelerate, scikit-learn, pandas, pyarrow, matplotlib and rich, but without
a package index, this path needs five more packages, none of them compiled. On a machine with an index::

    python -m pip wheel --no-deps -w wheels hydra-core==1.3.8 omegaconf==2.3.1 antlr4-python3-runtime==4.9.3 \
        iterative-stratification==0.1.9 platformdirs==4.14.5
    python -m pip download --no-deps -d wheels bitsandbytes==0.50.2     # for QLoRA; 60 MB, else that row is skipped

and there, in the checkout::

    python -m pip install --no-index --no-deps --target site wheels/*.whl
    PYTHONPATH=site python -m benchmarks.gpu --out gpu.md
"""

from __future__ import annotations

import argparse
import gc
import importlib.util
import json
import os
import platform
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from patentlab.protocols import Advance, Silent

LORA: dict[str, Any] = {"r": 16, "lora_alpha": 32, "lora_dropout": 0.05}  # as in conf/adapter/lora.yaml
LORA_TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
LABELS = 34
_SPECIAL: dict[str, Any] = {"pad_token_id": 1, "eos_token_id": 1, "bos_token_id": 1}


@dataclass(frozen=True)
class Shape:
    """Sizes of everything."""

    llama: dict[str, Any]
    encoder: dict[str, Any]
    lengths: tuple[int, int, int]  # tokens a document: median, least, most
    documents: Mapping[str, int]  # of each training, by kind of model
    held_out: int  # documents of the validation set, and of the test set
    batch: Mapping[str, int]
    too_large: int  # a batch for which memory is not enough
    memory_limit: int  # bytes of the card that are used to show it; 0: the error is pretended
    prompts: int
    new_tokens: int
    product: int  # rows and columns of the matrices whose product is timed


FULL = Shape(
    llama={"vocab_size": 128_256, "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32,
           "num_key_value_heads": 8, "intermediate_size": 14_336, "max_position_embeddings": 8192},
    encoder={"vocab_size": 30_522, "hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12,
             "intermediate_size": 1536, "max_position_embeddings": 512},
    lengths=(115, 20, 400), documents={"llama": 240, "encoder": 2048}, held_out=16, batch={"llama": 8, "encoder": 16},
    too_large=2048, memory_limit=16 * 2**30, prompts=32, new_tokens=128, product=8192,
)  # fmt: skip
TINY = Shape(
    llama={"vocab_size": 2100, "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
           "num_key_value_heads": 2, "intermediate_size": 128, "max_position_embeddings": 128},
    encoder={"vocab_size": 2100, "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2,
             "intermediate_size": 128, "max_position_embeddings": 64},
    lengths=(12, 4, 40), documents={"llama": 16, "encoder": 24}, held_out=4, batch={"llama": 4, "encoder": 8},
    too_large=16, memory_limit=0, prompts=4, new_tokens=12, product=256,
)  # fmt: skip


@dataclass
class Row:
    """A line of the table; None where it does not apply or was not measured."""

    measurement: str
    examples: float | None = None  # a second
    tokens: float | None = None  # a second
    memory: int | None = None  # bytes at the highest point
    operations: float | None = None  # floating-point, a second
    share: float | None = None  # of the measured bf16 rate
    ratio: float | None = None  # tokens a second to those of the stock way
    stock_memory: int | None = None
    seconds: float = 0.0  # in all, loading and the stock way included
    note: str = ""


class Stopwatch(Silent):
    """Times the second half of the steps of a training, which is its second epoch, by the progress that it reports."""

    def __init__(self) -> None:
        self.marks: list[float] = []

    @contextmanager
    def task(self, description: str, total: int) -> Iterator[Advance]:
        """A task; that of the training is timed, anew if it is started anew."""
        done = 0
        if description == "training":
            self.marks = []

        def advance(steps: int, note: str = "") -> None:
            nonlocal done
            done += steps
            if description == "training" and steps and done in (total // 2, total):
                synchronise()
                self.marks.append(time.perf_counter())

        yield advance

    @property
    def seconds(self) -> float:
        """Of the second epoch."""
        first, last = self.marks
        return last - first


# All that this script knows of patentlab's inside: the next three functions, and the names of settings in `train`.


def experiment(overrides: Sequence[str], folder: Path, watch: Stopwatch) -> tuple[dict[str, Any], int]:
    """Run an experiment as the command does; what its record says of the training, and the bytes at its peak."""
    from patentlab.console.command_line import compose
    from patentlab.experiment import run_experiment

    folder.mkdir()
    record = run_experiment(compose(*overrides), folder, watch)
    return record.training, record.memory.get("accelerator_peak_bytes", record.memory["peak_bytes"])


def open_generator(folder: Path, shape: Shape, texts: Sequence[str]) -> tuple[Any, Callable[[], int]]:
    """A generator, and what lets it answer and counts the tokens; warmed up."""
    from patentlab.console.command_line import compose
    from patentlab.synthesis.generators.transformers import TransformersGenerator
    from patentlab.synthesis.prompts import Request

    settings = {"path": folder, "form": "text", "batch_size": shape.prompts, "max_new_tokens": shape.new_tokens}
    # the whole vocabulary: what random weights say has no nucleus, and would be looked for in vain at every step
    settings |= {"temperature": 1.0, "top_p": 1.0, "context": shape.llama["max_position_embeddings"]}
    config = compose("mix=0.5", "generator=llama3_1_8b", *(f"generator.{name}={at}" for name, at in settings.items()))
    generator = TransformersGenerator(config.generator, None, Silent())
    requests = [Request(number, (), "patent_abstract", (), text, "") for number, text in enumerate(texts)]
    generator.seconds_each(requests)
    return generator, lambda: sum(found.tokens for found in generator.answer(requests, 0, lambda steps, note="": None))


_CLAIM = """
import sys
from pathlib import Path
from patentlab.sweep.devices import claim_device
print("ready", flush=True)
print(claim_device(sys.argv[2:], Path(sys.argv[1])), flush=True)
sys.stdin.read()
"""


@dataclass
class Bench:
    """What measurements share."""

    shape: Shape
    folder: Path
    budget: float
    devices: Sequence[str] = ()  # GPUs of this machine; this process has claimed one of them
    started: float = field(default_factory=time.perf_counter)
    rate: float | None = None  # of bf16 matrix products

    @property
    def left(self) -> float:
        """Seconds."""
        return self.budget - (time.perf_counter() - self.started)

    @cached_property
    def documents(self) -> list[tuple[str, list[str]]]:
        """Texts and labels, as many as any training takes, and the held-out ones before them."""
        random = np.random.default_rng(0)
        median, least, most = self.shape.lengths
        count = 2 * self.shape.held_out + max(self.shape.documents.values())
        lengths = random.lognormal(np.log(median), 0.5, count).clip(least, most).astype(int)
        texts = [" ".join(f"w{word}" for word in random.integers(0, 2000, length)) for length in lengths]
        return [(text, sorted({f"L{n % LABELS}", f"L{n * n % LABELS}"})) for n, text in enumerate(texts)]

    def training_texts(self, kind: str) -> list[tuple[str, list[str]]]:
        """The documents that a kind of model is trained on."""
        return self.documents[2 * self.shape.held_out :][: self.shape.documents[kind]]

    def data_file(self, kind: str) -> Path:
        """The same, and the held-out ones, as JSON lines."""
        path = self.folder / f"{kind}.jsonl"
        sets = (
            ["validation"] * self.shape.held_out
            + ["test"] * self.shape.held_out
            + ["train"] * self.shape.documents[kind]
        )
        rows = [
            json.dumps({"text": text, "labels": labels, "set": held})
            for held, (text, labels) in zip(sets, self.documents, strict=False)
        ]
        path.write_text("\n".join(rows), encoding="utf-8")
        return path

    @cached_property
    def llama(self) -> Path:
        """A folder with a random causal language model in bf16, or fp32 without a GPU."""
        import torch
        from transformers import AutoModelForCausalLM, LlamaConfig

        config = LlamaConfig(**self.shape.llama, **_SPECIAL)
        with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
            model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)  # type: ignore[no-untyped-call]
        folder = self._save(model, "llama")
        del model
        release()  # else it counts in the peak of what comes next
        return folder

    @cached_property
    def encoder(self) -> Path:
        """A folder with a random encoder in fp32."""
        from transformers import AutoModel, BertConfig

        config = BertConfig(**self.shape.encoder, pad_token_id=1)
        return self._save(AutoModel.from_config(config), "encoder")  # type: ignore[no-untyped-call]

    def _save(self, model: Any, kind: str) -> Path:
        from tokenizers import Tokenizer, models, pre_tokenizers
        from transformers import PreTrainedTokenizerFast

        words = {word: number for number, word in enumerate(["<unk>", "<end>", *(f"w{n}" for n in range(2000))])}
        raw = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
        raw.pre_tokenizer = pre_tokenizers.Whitespace()
        tokenizer = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
            tokenizer_object=raw, unk_token="<unk>", eos_token="<end>", pad_token="<end>"
        )
        target = self.folder / kind
        model.save_pretrained(target)
        tokenizer.save_pretrained(target)
        return target

    def operations(self, kind: str, passes: int) -> float:
        """Floating-point operations of an epoch: ``passes`` times those of a forward pass over the real tokens.

        A forward pass takes two for each weight of a linear layer and token, and 4·width·n² a layer for the attention
        of a document of n tokens (Kaplan et al. 2020, table 1); the gradient of activations as many again, that of
        weights, where they are trained, too.
        """
        lengths = np.array([len(text.split()) for text, _ in self.training_texts(kind)], dtype=float)
        sizes = self.shape.llama if kind == "llama" else self.shape.encoder
        attention: float = 4 * sizes["num_hidden_layers"] * sizes["hidden_size"] * float((lengths**2).sum())
        return passes * (2 * linear_weights(kind, sizes) * float(lengths.sum()) + attention)


def linear_weights(kind: str, sizes: Mapping[str, int]) -> int:
    """Weights of the linear layers of a model, without embeddings and head."""
    width, inner = sizes["hidden_size"], sizes["intermediate_size"]
    heads = sizes["num_attention_heads"]
    shared = sizes.get("num_key_value_heads", heads) / heads  # keys and values of a group of heads
    layer = width * width * (2 + 2 * shared) + width * inner * (3 if kind == "llama" else 2)
    return round(sizes["num_hidden_layers"] * layer)


def synchronise() -> None:
    """Wait for what the GPU has been given."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.synchronize()


def matrix_product(bench: Bench) -> Row:
    """The rate of a large matrix product in bf16: the median of ten."""
    import torch

    device, size = "cuda" if torch.cuda.is_available() else "cpu", bench.shape.product
    left, right = (torch.randn(size, size, device=device, dtype=torch.bfloat16) for _ in range(2))
    taken = []
    for _ in range(13):
        synchronise()
        start = time.perf_counter()
        left @ right
        synchronise()
        taken.append(time.perf_counter() - start)
    bench.rate = 2 * size**3 / float(np.median(taken[3:]))
    return Row("", operations=bench.rate, note=f"{size} × {size}")


def one_run_a_gpu(bench: Bench) -> Row:
    """Processes that each claim a GPU, one more than there are: it waits, and takes the first that is free."""
    devices = list(bench.devices) or ["0"]
    command = [sys.executable, "-c", _CLAIM, str(bench.folder / "devices"), *devices]
    started = [
        # unbuffered: what lies in a buffer, select does not see
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        for _ in range(len(devices) + 1)
    ]
    try:
        pipes = {process.stdout: process for process in started if process.stdout is not None}
        for pipe in pipes:
            pipe.readline()  # ready
        claimed: dict[str, subprocess.Popen[bytes]] = {}
        waiting = dict(pipes)
        while found := select.select(list(waiting), [], [], 3.0)[0]:
            for pipe in found:
                claimed[pipe.readline().decode().strip()] = waiting.pop(pipe)
        if sorted(claimed) != sorted(devices) or len(waiting) != 1:
            raise RuntimeError(f"{len(claimed)} processes of {len(started)} hold {sorted(claimed)} of {devices}")
        freed, first = next(iter(claimed.items()))
        start = time.perf_counter()
        first.communicate(timeout=20)
        taken = next(iter(waiting)).readline().decode().strip()
        wait = time.perf_counter() - start
        if taken != freed:
            raise RuntimeError(f"{freed} was free, {taken} was taken")
    finally:
        for process in started:
            process.kill()
            process.communicate()
    pretended = "" if bench.devices else " (pretended)"
    return Row(
        "", note=f"{len(devices)} GPU{pretended}: one process each; the next waited, and had it after {wait:.1f} s"
    )


def train(bench: Bench, kind: str, adapter: str, precision: str, batch: int, limit: int | None = None) -> Row:
    """Train through the product, then in the stock way with the batch that was used."""
    if adapter == "qlora" and importlib.util.find_spec("bitsandbytes") is None:
        return Row("", note="skipped: bitsandbytes is not installed")
    start = time.perf_counter()
    folder = bench.llama if kind == "llama" else bench.encoder
    documents = bench.training_texts(kind)
    model = "llama3_1_8b" if kind == "llama" else "minilm"
    settings: dict[str, Any] = {
        "data": "jsonl", "data.path": bench.data_file(kind), "data.split.method": "given", "data.split.column": "set",
        "data.split.similarity": "null", "model": model, "model.path": folder, "adapter": adapter, "tracking": "none",
        "head.start": "frequencies", "head.fallback": "null", "trainer.epochs": 2, "trainer.validations": 1,
        "trainer.batch_size": batch, "trainer.max_length": bench.shape.lengths[2], "trainer.precision": precision,
        "trainer.save_model": "never",
    }  # fmt: skip
    watch, place = Stopwatch(), Path(tempfile.mkdtemp(dir=bench.folder)) / "run"
    with out_of_memory(limit) if limit is not None else nullcontext():
        training, memory = experiment([f"{name}={value}" for name, value in settings.items()], place, watch)
    ours = time.perf_counter() - start
    tokens = sum(len(text.split()) for text, _ in documents)
    operations = bench.operations(kind, 3 if adapter == "full" else 2) / watch.seconds
    row = Row("", len(documents) / watch.seconds, tokens / watch.seconds, memory, operations)
    used, accumulation = training["batch_size"], training["accumulation"]
    row.note = f"batches of {batch}, {precision}"
    if used != batch:
        row.note = f"{batch} asked for, {used} × {accumulation} used, {precision}" + (
            f", {limit / 2**30:.0f} GiB" if limit else ", error pretended" if limit == 0 else ""
        )
    elif limit is not None:
        raise RuntimeError(f"memory was enough for batches of {batch}")
    if bench.left < 0.7 * ours:
        row.note += "; stock way skipped: no time left"
        return row
    release()
    try:
        seconds, row.stock_memory = stock_training(bench, folder, documents, adapter, precision, used, accumulation)
        row.ratio = seconds / watch.seconds
    except Exception as error:
        row.note += f"; stock way failed: {one_line(error)}"
    return row


@contextmanager
def out_of_memory(limit: int) -> Iterator[None]:
    """Less memory than the card has, or, for 0 bytes, an error of the kind for batches above 8."""
    import torch
    from torch.nn.modules.module import register_module_forward_pre_hook

    def refuse(module: torch.nn.Module, given: Any) -> None:
        if isinstance(module, torch.nn.Embedding) and module.training and given and given[0].shape[0] > 8:
            raise torch.OutOfMemoryError("CUDA out of memory. (pretended)")

    if limit == 0:
        handle = register_module_forward_pre_hook(refuse)
        try:
            yield
        finally:
            handle.remove()
        return
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(min(limit / total, 1.0))
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


def stock_training(
    bench: Bench, folder: Path, documents: Sequence[tuple[str, list[str]]], adapter: str, precision: str, batch: int,
    accumulation: int,
) -> tuple[float, int]:  # fmt: skip
    """Seconds of the second epoch of transformers' Trainer with its sequence-classification head, and peak bytes."""
    import torch
    import transformers
    from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training

    from patentlab.tracking.record import peak_memory, reset_peak_memory

    reset_peak_memory()
    dtype = torch.bfloat16 if precision == "bf16" and adapter != "full" else torch.float32
    options: dict[str, Any] = {"dtype": dtype, "num_labels": LABELS, "problem_type": "multi_label_classification"}
    if adapter == "qlora":
        options["quantization_config"] = transformers.BitsAndBytesConfig(  # type: ignore[no-untyped-call]
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=dtype,
            llm_int8_skip_modules=["score"],
        )  # fmt: skip
    with quiet():
        model: Any = transformers.AutoModelForSequenceClassification.from_pretrained(folder, **options)
        if adapter == "qlora":
            model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)  # type: ignore[no-untyped-call]
        if adapter != "full":
            model = get_peft_model(model, LoraConfig(task_type="SEQ_CLS", target_modules=LORA_TARGETS, **LORA))
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    encoded = tokenizer([text for text, _ in documents])["input_ids"]
    items = [
        {"input_ids": ids, "labels": [float(f"L{n}" in labels) for n in range(LABELS)]}
        for ids, (_, labels) in zip(encoded, documents, strict=True)
    ]
    watch = Stopwatch()
    steps = 2 * -(-len(items) // (batch * accumulation))
    with tempfile.TemporaryDirectory(dir=bench.folder) as place, watch.task("training", steps) as advance:
        arguments = transformers.TrainingArguments(
            output_dir=place, num_train_epochs=2, per_device_train_batch_size=batch, learning_rate=1e-4,
            gradient_accumulation_steps=accumulation, bf16=precision == "bf16", use_cpu=not torch.cuda.is_available(),
            report_to="none", save_strategy="no", logging_strategy="no", disable_tqdm=True,
        )  # fmt: skip

        class Steps(transformers.TrainerCallback):
            def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
                advance(1)

        trainer = transformers.Trainer(
            model=model, args=arguments, train_dataset=items, callbacks=[Steps()],
            data_collator=transformers.DataCollatorWithPadding(tokenizer),
        )  # fmt: skip
        trainer.remove_callback(transformers.PrinterCallback)
        trainer.train()
    memory = peak_memory()
    return watch.seconds, memory.get("accelerator_peak_bytes", memory["peak_bytes"])


@contextmanager
def quiet() -> Iterator[None]:
    """Without the list of new and unused weights, and without peft's warning of a renamed attribute."""
    from transformers.utils import logging

    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            yield
    finally:
        logging.set_verbosity(verbosity)


def generate(bench: Bench) -> Row:
    """Answers to a batch of prompts, and the same model's own ``generate`` for the same batch."""
    import torch

    from patentlab.tracking.record import peak_memory, reset_peak_memory

    texts = [text for text, _ in bench.documents[: bench.shape.prompts]]
    reset_peak_memory()
    generator, answer = open_generator(bench.llama, bench.shape, texts)
    synchronise()
    start = time.perf_counter()
    tokens = answer()
    synchronise()
    seconds = time.perf_counter() - start
    memory = peak_memory()
    sizes = bench.shape.llama
    weights = linear_weights("llama", sizes) + sizes["vocab_size"] * sizes["hidden_size"]
    row = Row("", len(texts) / seconds, tokens / seconds, memory.get("accelerator_peak_bytes", memory["peak_bytes"]))
    row.operations = 2 * weights * tokens / seconds
    row.note = f"{len(texts)} prompts at once, {bench.shape.new_tokens} new tokens"
    model, tokenizer = generator.model, generator.tokenizer
    prompts = tokenizer(texts, padding=True, padding_side="left", return_tensors="pt").to(model.device)
    prompts = {name: prompts[name] for name in ("input_ids", "attention_mask")}
    how = {"do_sample": True, "temperature": 1.0, "top_p": 1.0, "top_k": 0, "pad_token_id": tokenizer.pad_token_id}
    with torch.inference_mode():
        model.generate(**prompts, **how, max_new_tokens=8)
        synchronise()
        start = time.perf_counter()
        found = model.generate(**prompts, **how, max_new_tokens=bench.shape.new_tokens)
        synchronise()
    stock = time.perf_counter() - start
    written = int((found[:, prompts["input_ids"].shape[1] :] != tokenizer.pad_token_id).sum())
    row.ratio = (tokens / seconds) / (written / stock)
    return row


def measurements(bench: Bench) -> Iterator[tuple[str, float, Callable[[], Row]]]:
    """Name, seconds that it may take on a card of today at the full shape, and what measures; the cheap ones first."""
    batch, shape = bench.shape.batch, bench.shape
    yield "bf16 matrix product", 10, lambda: matrix_product(bench)
    yield "one run a GPU", 20, lambda: one_run_a_gpu(bench)
    yield "MiniLM shape, all weights, bf16", 25, lambda: train(bench, "encoder", "full", "bf16", batch["encoder"])
    yield "the same in fp32", 25, lambda: train(bench, "encoder", "full", "fp32", batch["encoder"])
    yield "the same, out of memory", 45, lambda: train(
        bench, "encoder", "full", "bf16", shape.too_large, shape.memory_limit
    )  # fmt: skip
    yield "Llama-3-8B shape, LoRA", 150, lambda: train(bench, "llama", "lora", "bf16", batch["llama"])
    weights = 0.0 if "llama" in vars(bench) else 60.0  # are made for the first that needs them
    yield "Llama-3-8B shape, generation", 45 + weights, lambda: generate(bench)
    yield "Llama-3-8B shape, QLoRA", 90 + weights, lambda: train(bench, "llama", "qlora", "bf16", batch["llama"])


def measure(bench: Bench, out: Path | None) -> list[Row]:
    """All measurements; what is known so far is written after each."""
    rows: list[Row] = []
    full = bench.shape is FULL
    for name, seconds, measured in measurements(bench):
        start = time.perf_counter()
        needed = seconds if full else 1.0
        if needed > bench.left:
            row = Row(
                "", note=f"skipped: may take {needed:.0f} s, and {max(bench.left, 0):.0f} s of the budget are left"
            )
        else:
            print(f"{name}: {bench.left:.0f} s left", file=sys.stderr)
            try:
                row = measured()
            except Exception as error:  # the other measurements are worth having
                row = Row("", note=f"failed: {one_line(error)}")
        row.measurement, row.seconds = name, time.perf_counter() - start
        if row.operations is not None and bench.rate is not None:
            row.share = row.operations / bench.rate
        rows.append(row)
        release()
        if out is not None:
            write(out, rows, bench)
    return rows


def table(rows: Sequence[Row], bench: Bench) -> str:
    """The rows as a table in Markdown, under a line that says what they were measured on."""
    lines = [
        ", ".join(f"{name} {value}" for name, value in machine().items())
        + f"; {sum(row.seconds for row in rows):.0f} s in all"
        + ("" if bench.shape is FULL else "; a tiny shape, whose numbers say nothing"),
        "",
        "| | examples/s | tokens/s | peak memory, GB | TFLOP/s | share of the bf16 rate | ratio to stock "
        "| stock's peak, GB | seconds in all | |",
        "| --- |" + " ---: |" * 8 + " --- |",
    ]
    for row in rows:
        cells = [
            row.measurement, number(row.examples, ".1f"), number(row.tokens, ",.0f"), gigabytes(row.memory),
            number(None if row.operations is None else row.operations / 1e12, ".4g"), number(row.share, ".2%"),
            number(row.ratio, ".2f"), gigabytes(row.stock_memory), f"{row.seconds:.0f}", row.note,
        ]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def number(value: float | None, form: str) -> str:
    """A number, or nothing."""
    return "" if value is None else format(value, form)


def gigabytes(value: int | None) -> str:
    """Bytes as GB, or nothing."""
    return number(None if value is None else value / 1e9, ".2f")


def machine() -> dict[str, str]:
    """The card, its memory, and versions."""
    import torch

    card = torch.cuda.get_device_properties(0) if torch.cuda.is_available() else None
    found = {"on": f"{card.name} ({card.total_memory / 2**30:.0f} GiB)" if card else "a CPU"}
    found |= {"CUDA": str(torch.version.cuda)} if card else {}
    found["Python"] = platform.python_version()
    names = [name for name in ("torch", "transformers", "peft", "accelerate", "bitsandbytes") if _is_installed(name)]
    return found | {name: metadata.version(name) for name in names}


def write(out: Path, rows: Sequence[Row], bench: Bench) -> None:
    """The table, and the same as JSON beside it."""
    out.write_text(table(rows, bench) + "\n", encoding="utf-8")
    content = {"machine": machine(), "rate": bench.rate, "rows": [asdict(row) for row in rows]}
    out.with_suffix(".json").write_text(json.dumps(content, indent=1), encoding="utf-8")


def one_line(error: BaseException) -> str:
    """An error in one line of a table."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:200].replace("|", "/")


def release() -> None:
    """Give back memory between measurements."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _is_installed(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


def _roomy_folder(bytes_needed: float) -> Path | None:
    """Where so much can be written at the speed of memory; None for the platform's folder of temporary files."""
    shared = Path("/dev/shm")
    return shared if shared.is_dir() and shutil.disk_usage(shared).free > bytes_needed else None


@contextmanager
def cache_in(folder: Path) -> Iterator[None]:
    """The product's cache is there: what was kept from other runs would be no measurement."""
    before = os.environ.get("PATENTLAB_CACHE")
    os.environ["PATENTLAB_CACHE"] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ["PATENTLAB_CACHE"]
        else:
            os.environ["PATENTLAB_CACHE"] = before


def main(arguments: Sequence[str] | None = None) -> list[Row]:
    """Measure, and print the table.

    Args:
        arguments: Of the command line; None for those of the process.

    Returns:
        The rows.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, help="file for the table; JSON is written beside it")
    parser.add_argument("--budget", type=float, default=480.0, help="seconds in all")
    parser.add_argument("--folder", type=Path, help="where weights are made, and removed again")
    parser.add_argument("--tiny", action="store_true", help="a tiny shape, to test this script")
    given = parser.parse_args(arguments)
    shape = TINY if given.tiny else FULL
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    from patentlab.sweep.devices import claim_device, visible_devices

    devices = visible_devices()
    if shape is FULL:
        if not devices:
            parser.error("no GPU here; --tiny runs on a CPU")
        claim_device(devices)  # as a run does, before CUDA begins
    place = given.folder or (_roomy_folder(40e9) if shape is FULL else None)
    with tempfile.TemporaryDirectory(dir=place, prefix="patentlab-gpu-") as folder:
        bench = Bench(shape, Path(folder), given.budget, devices)
        with cache_in(Path(folder) / "cache"):
            rows = measure(bench, given.out)
    print(table(rows, bench))
    return rows


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt("terminated")


if __name__ == "__main__":
    from patentlab.console.command_line import run_command

    signal.signal(signal.SIGTERM, _interrupt)  # else the weights stay behind
    sys.exit(run_command(lambda: int(any(row.note.startswith("failed") for row in main()))))
