"""Caches and databases of the tests' own, tiny models, and the real data where it is there."""

from __future__ import annotations

import gc
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]

# set before anything reads them: no test touches the user's own cache or database
if "PYTEST_XDIST_WORKER" not in os.environ:  # workers share what the process that started them has made
    _STATE = tempfile.TemporaryDirectory(prefix="patentlab-tests-")
    os.environ["PATENTLAB_CACHE"] = str(Path(_STATE.name) / "cache")
    os.environ["PATENTLAB_DATA"] = str(Path(_STATE.name) / "data")
os.environ["OMP_NUM_THREADS"] = "1"  # two workers on two cores, and sums in another order differ in the last digits
for variable in ("MAKEFLAGS", "MAKEOVERRIDES", "MFLAGS", "MAKELEVEL", "ARGS", "EDITION", "PORT", "PYTHON", "WORKERS"):
    os.environ.pop(variable, None)  # `make test ARGS=…` would pass them on to the make that tests start
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["TQDM_DISABLE"] = "1"  # commands in this process set it, too late where tqdm was imported before

from tests.forked import Forked  # noqa: E402  after the environment is set
from tests.in_process import start  # noqa: E402

SHARED = Path(os.environ["PATENTLAB_CACHE"]).parent  # of all workers; gone when the tests end

Command = Callable[..., "subprocess.CompletedProcess[str]"]


# those that take longest, the longest first: CONTRIBUTING.md says why
LONGEST = (
    "test_launchers_give_the_same_numbers_and_one_parent_each",
    "test_qlora_learns_as_lora_does_in_less_memory_and_survives",
    "test_only_what_is_missing_is_executed",
    "test_the_embedded_model_writes_a_corpus_with_its_card",
    "test_everything_goes_to_an_mlflow_server",
    "test_embedded_models_train_and_predict_the_same_after_loading",
    "test_two_processes_that_start_the_same_sweep_share_it",
    "test_a_killed_sweep_ends_with_the_numbers_of_an_undisturbed_one",
    "test_the_embedded_model_behind_a_real_server",
    "test_the_eighth_run_in_a_row_takes_no_more_memory_than_the_second",
    "test_a_frozen_probe_learns_on_real_patents_and_beats_the_constant_answer",
)


@pytest.hookimpl(trylast=True)  # after those are left out that nobody asked for
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every worker begins with its part of the longest tests, so that none is left with one at the end.

    pytest-xdist gives each worker an unbroken part of the list, and lets those that are done steal from the others.
    """
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    place = {name: number for number, name in enumerate(LONGEST)}
    long = [item for item in items if item.name.partition("[")[0] in place]
    long.sort(key=lambda item: place[item.name.partition("[")[0]])
    rest = [item for item in items if item.name.partition("[")[0] not in place]
    size = -(-len(items) // workers)
    parts = [long[worker::workers] for worker in range(workers)]
    for part in parts:
        taken = max(size - len(part), 0)
        part += rest[:taken]
        del rest[:taken]
    items[:] = [item for part in parts for item in part]


_frozen = time.monotonic()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown() -> None:
    """Have garbage collections pass over what is there for good, the imported libraries: two collections are part of
    every run, and each would look at all of them."""
    global _frozen
    if time.monotonic() - _frozen > 5:
        gc.collect()
        gc.freeze()
        _frozen = time.monotonic()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the real data: PATENTLAB_TEST_DATA, else beside the project."""
    folder = Path(os.environ.get("PATENTLAB_TEST_DATA") or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        if os.environ.get("CI"):
            pytest.fail(f"the real data is missing in CI: {folder}")
        pytest.skip(f"no real data at {folder}; set PATENTLAB_TEST_DATA")
    return folder


@pytest.fixture(scope="session")
def patentsview(shared_data: Path) -> Path:
    return shared_data / "patentsview"


@pytest.fixture
def run_command(tmp_path: Path) -> Command:
    """Run ``python -m patentlab.<command> <arguments>`` in an empty folder."""

    def run(*arguments: str, command: str = "run", **environment: str) -> subprocess.CompletedProcess[str]:
        inherited = {name: value for name, value in os.environ.items() if name != "TQDM_DISABLE"}
        return subprocess.run(
            [sys.executable, "-m", f"patentlab.{command}", *arguments],
            cwd=tmp_path,
            env={**inherited, "PYTHONPATH": str(ROOT), **environment},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )

    return run


@pytest.fixture
def run_in_process(tmp_path: Path) -> Command:
    """What ``run_command`` does, without a process of its own: for all that does not test how one starts and ends."""

    def run(*arguments: str, command: str = "run", **environment: str) -> subprocess.CompletedProcess[str]:
        return start(command, arguments, tmp_path, environment)

    return run


@pytest.fixture
def run_forked(tmp_path: Path) -> Callable[..., Forked]:
    """Start what ``run_command`` runs, and do not wait for it; see :mod:`tests.forked`."""

    def run(*arguments: str, command: str = "run", **environment: str) -> Forked:
        return Forked(command, arguments, tmp_path, environment)

    return run


@pytest.fixture
def state(tmp_path: Path) -> dict[str, str]:
    """The variable for a data folder of the test's own, with an empty database of MLflow: to make one takes seconds."""
    from patentlab.storage import make_once
    from patentlab.tracking.mlflow import connect

    def make(folder: Path) -> None:
        connect(f"sqlite:///{folder}/mlflow.db")

    made = make_once(SHARED / "database", make)
    shutil.copytree(made, tmp_path / "state")
    return {"PATENTLAB_DATA": str(tmp_path / "state")}


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Folders with tiny random models and a tokenizer whose padding token is its end token."""
    made: dict[str, Path] = {}

    def make(kind: str) -> Path:
        if kind not in made:
            made[kind] = _save_tiny(kind, tmp_path_factory.mktemp(kind))
        return made[kind]

    return make


def _save_tiny(kind: str, folder: Path) -> Path:
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import AutoModel, PreTrainedTokenizerFast

    words = ["a", "the", "sensor", "wheel", "ear", "lens", "motor", "camera", "brake", "light", "sound", "seat"]
    words += ["is", "of", "and", "with", ".", ","]
    vocabulary = {word: index for index, word in enumerate(["<unk>", "<end>", *words])}
    raw = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    raw.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=raw, unk_token="<unk>", eos_token="<end>", pad_token="<end>", model_max_length=64
    )
    torch.manual_seed(0)
    AutoModel.from_config(_tiny_config(kind, len(vocabulary))).save_pretrained(folder)  # type: ignore[no-untyped-call]
    tokenizer.save_pretrained(folder)
    return folder


def _tiny_config(kind: str, words: int) -> Any:
    """The architecture with everything small; on a CPU 4-bit products need widths in multiples of 64."""
    import transformers

    tokens: dict[str, Any] = {"vocab_size": words, "pad_token_id": 1, "eos_token_id": 1, "bos_token_id": 1}
    size: dict[str, Any] = {
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
    }
    size |= {"max_position_embeddings": 64}
    grouped = {**tokens, **size, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16}
    vision = {**size, "image_size": 28, "patch_size": 14}
    match kind:
        case "llama":
            return transformers.LlamaConfig(**grouped)
        case "mistral":
            return transformers.MistralConfig(**grouped, sliding_window=8)
        case "qwen3":
            return transformers.Qwen3Config(**grouped)
        case "gemma3":
            return transformers.Gemma3Config(text_config={**grouped, "sliding_window": 8}, vision_config=vision)
        case "phi3":
            return transformers.Phi3Config(**tokens, **size)
        case "gpt2":
            return transformers.GPT2Config(**tokens, n_embd=64, n_layer=2, n_head=2, n_positions=64)
        case "bert":
            return transformers.BertConfig(**tokens, **size)
        case "roberta":
            return transformers.RobertaConfig(**{**tokens, **size, "max_position_embeddings": 66})
        case "mpnet":
            return transformers.MPNetConfig(**{**tokens, **size, "max_position_embeddings": 66})
        case "embeddinggemma":
            return transformers.Gemma3TextConfig(**grouped, sliding_window=8, use_bidirectional_attention=True)
        case "modernbert_decoder":
            return transformers.ModernBertDecoderConfig(
                **tokens, **size, cls_token_id=1, sep_token_id=1, local_attention=8
            )
        case "modernbert":
            return transformers.ModernBertConfig(**tokens, **size, cls_token_id=1, sep_token_id=1, local_attention=8)
    raise ValueError(kind)
