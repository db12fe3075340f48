"""Backbone, adapter, head and trainer brought together: fit, predict, embed, save, load."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import set_seed

from patentlab import weights
from patentlab.classifiers.contrastive import fit_by_comparing
from patentlab.classifiers.merging import merge_of, merged_layers
from patentlab.classifiers.preparation import prepare
from patentlab.classifiers.saving import MERGE_FOLDER, read_head_state, read_settings, write_head_state, write_settings
from patentlab.classifiers.settings import TransformerSettings, encoding_of
from patentlab.config import MergeConfig, RequestError
from patentlab.corpus import Examples, as_array, derive_seed
from patentlab.models.adapters import attach, load_adapter, save_adapter
from patentlab.models.backbones import Backbone
from patentlab.models.batching import Item, ask
from patentlab.models.encoder import Encoder, EncoderConfig
from patentlab.models.features import Features
from patentlab.models.heads import build_head
from patentlab.models.merging import SavedMerge, merged_weights, save_merge
from patentlab.models.network import Network
from patentlab.protocols import Observer, ParameterCounts, Progress, Silent, TrainingReport
from patentlab.tasks import Task
from patentlab.training.arguments import precision
from patentlab.training.best_epoch import put_weights, trainable_weights
from patentlab.training.trainer import TrainingData, train

_CALIBRATED = 256  # training documents that calibration looks at


class TransformerClassifier:
    """Any backbone with any head, under any adapter; see :meth:`fresh` and :meth:`saved`.

    Args:
        settings: Of all its parts.
        task: What is asked.
        backbone: As loaded.
        adapted: The backbone's model with its adapter.
        encoding: What fixes the vectors of the backbone as it was loaded.
    """

    def __init__(
        self, settings: TransformerSettings, task: Task, backbone: Backbone, adapted: nn.Module, encoding: EncoderConfig
    ) -> None:
        self.settings, self.task, self.tokenizer = settings, task, backbone.tokenizer
        self.head = build_head(settings.head, task, backbone.tokenizer, encoding.max_length)
        self.loss = self.head.loss(settings.loss, None)
        layers = self.head.layers(int(backbone.model.config.get_text_config().hidden_size))
        self.network, self.backbone = Network(adapted, self.head, layers), backbone
        self.network.apart = backbone.apart
        self.batch_size = settings.trainer.eval_batch_size or 1
        self.encoder = Encoder(encoding, self.network, backbone.tokenizer, self.batch_size)
        self.trained = False
        self.seed = 0  # of dropout
        self.taken = False  # layers are those of merged runs
        self.kept_probe = False  # nothing but the head was fitted, whatever the adapter
        self._embedded: tuple[list[str], Features] | None = None

    @classmethod
    def fresh(cls, settings: TransformerSettings, task: Task, seed: int, progress: Progress) -> TransformerClassifier:
        """One to be trained.

        Args:
            settings: Of all its parts.
            task: What is asked.
            seed: Of the head's and the adapter's initial weights, and of dropout.
            progress: Told of a conversion.

        Returns:
            The classifier.

        Raises:
            RequestError: The backbone cannot be loaded or adapted.
        """
        encoding = encoding_of(settings, merge_of(settings, seed))
        backbone = encoding.load(progress)
        set_seed(derive_seed(seed, "weights"))  # before anything is made: the head's initial weights count
        checkpointing = bool(settings.trainer.gradient_checkpointing)
        adapted = attach(backbone.model, settings.adapter, checkpointing=checkpointing)
        fresh = cls(settings, task, backbone, adapted, encoding)
        fresh.seed = seed
        if settings.adapter.name == "none":
            fresh.network.head.requires_grad_(False)
            layers = merged_layers(settings, task)
            fresh.network.head.load_state_dict(layers, strict=bool(layers))
            fresh.taken = bool(layers)
        fresh.head.see(fresh.network.head, lambda texts: fresh.encoder.vectors(texts, progress))
        return fresh

    @classmethod
    def saved(cls, folder: Path, task: Task | None, progress: Progress) -> TransformerClassifier:
        """One that :meth:`save` saved.

        Args:
            folder: The saved folder.
            task: What was asked, for folders that do not say.
            progress: Told of a conversion.

        Returns:
            A classifier that predicts as the saved one did.

        Raises:
            RequestError: The base model of an adapter is not to be had any more.
        """
        settings, task, fingerprint = read_settings(folder, task)
        if settings.adapter.name == "full":
            whole = replace(settings.model, path=str(folder / "backbone"), revision=None, merge=MergeConfig())
            settings = replace(settings, model=whole)
        elif weights.fingerprint(settings.model.path or "", settings.model.revision) != fingerprint:
            path = settings.model.path
            raise RequestError(f"{folder}: was trained on other weights than those that are now at {path}")
        encoding = encoding_of(settings, SavedMerge(folder / MERGE_FOLDER) if settings.model.merge.runs else None)
        backbone = encoding.load(progress)
        adapted: nn.Module = backbone.model
        if settings.adapter.is_low_rank:
            adapted = load_adapter(backbone.model, folder / "backbone")
        loaded = cls(settings, task, backbone, adapted, encoding)
        loaded.network.head.load_state_dict(load_file(folder / "head.safetensors"))
        loaded.head.restore(read_head_state(folder))
        loaded.network.eval()
        loaded.trained = True
        return loaded

    def fit(self, train_set: Examples, validation: Examples, observer: Observer, seed: int) -> TrainingReport:
        """Train; the weights of the best validation epoch are kept.

        Args:
            train_set: What is learned from.
            validation: Decides on the epoch to keep and on when to stop.
            observer: Measures and shows.
            seed: Of the order of batches.

        Returns:
            How it went.

        Raises:
            RuntimeError: It was fitted before.
        """
        if self.trained:  # features of trained layers would be cached as those of the frozen backbone
            raise RuntimeError("a classifier is fitted once; build another")
        self.trained = True
        report = self._fit(train_set, validation, observer, seed)
        return replace(report, chosen={"answers": "; ".join(self.head.words)}) if self.head.words else report

    def _fit(self, train_set: Examples, validation: Examples, observer: Observer, seed: int) -> TrainingReport:
        labelled = train_set.labelled
        self.loss = self.head.loss(self.settings.loss, labelled.targets)
        if not self.taken:
            self.head.start(self.network.head, labelled.targets)
        train_set = self.head.prepare(train_set, self.seed)
        if not any(parameter.requires_grad for parameter in self.network.parameters()):
            return self._only_ask(train_set, validation, observer)
        if self.loss.compares:
            report = fit_by_comparing(self, train_set, validation, observer, seed)
            self.kept_probe = report.choice is not None and report.choice.kept == "probe"
            return report
        prepared = prepare(self, (train_set, validation), observer)
        trainer = self.settings.trainer
        report = train(
            prepared.model,
            TrainingData(
                *prepared.items,
                targets=validation.targets,
                collate=prepared.collate,
                added=train_set.added if self.settings.curriculum else None,
                parts=self.head.parts(prepared.items[0]),
                even=self.head.even,
            ),
            trainer,
            self.loss,
            lambda logits, items: self.head.outputs(logits, items, self.loss),
            observer,
            self.seed,
            order_seed=seed,
            fallback=prepared.fallback,
        )
        self.network.eval()
        if self.settings.adapter.name != "frozen":
            self.head.see(self.network.head, lambda texts: self.encoder.compute(texts, observer.progress))
        if self._calibrate(train_set, observer.progress):
            report = replace(report, validation_outputs=None)
        self.kept_probe = report.choice is not None and report.choice.kept == "probe"
        if precision(trainer) != "fp32" and not prepared.cached:
            # validation ran under autocast: its outputs are not quite those of the network that is saved
            choice = report.choice and replace(report.choice, outputs=None)
            report = replace(report, validation_outputs=None, choice=choice)
        return report

    def _only_ask(self, train_set: Examples, validation: Examples, observer: Observer) -> TrainingReport:
        """Nothing is trained: validation documents are answered once."""
        self.network.eval()
        self._calibrate(train_set, observer.progress)
        outputs = self.predict(validation.texts, observer.progress)
        metrics = observer.measure(validation.targets, outputs)
        row: dict[str, float] = {"epoch": 0, "step": 0} | {f"validation_{name}": v for name, v in metrics.items()}
        observer.on_epoch(row)
        return TrainingReport([row], validation_outputs=outputs)

    def _calibrate(self, train_set: Examples, progress: Progress) -> bool:
        """Whether the head reads logits otherwise than before."""
        before = self.head.state()
        self.head.calibrate(lambda texts: self._logits(texts, progress), train_set.texts[:_CALIBRATED])
        return self.head.state() != before

    def predict(self, texts: list[str], progress: Progress) -> NDArray[Any]:
        """Outputs in the form of the task, in the order of the texts."""
        self.network.eval()
        if self.head.pooling is None:
            return self._answer(texts, progress)
        return self._read(self.embed(texts, progress))

    def _read(self, features: Features) -> NDArray[Any]:
        with torch.inference_mode():
            device = next(self.network.head.parameters()).device
            logits = self.network.head(torch.from_numpy(features).to(device)).float().cpu()
        return self.head.outputs(logits, None, self.loss)

    def _answer(self, texts: Sequence[str], progress: Progress) -> NDArray[Any]:
        return self._asked(texts, progress, self._outputs)

    def _outputs(self, logits: torch.Tensor, items: list[Item]) -> NDArray[Any]:
        return self.head.outputs(logits, items, self.loss)

    def _logits(self, texts: Sequence[str], progress: Progress) -> NDArray[Any]:
        return self._asked(texts, progress, lambda logits, items: logits.numpy())

    def _asked(
        self,
        texts: Sequence[str],
        progress: Progress,
        read: Callable[[torch.Tensor, list[Item]], NDArray[Any]],
        batch_size: int | None = None,
    ) -> NDArray[Any]:
        items = self.head.items(texts)
        return as_array(self._called(items, self.head.logits, read, progress, batch_size))

    def word_vectors(self, items: Sequence[Item], progress: Progress) -> list[NDArray[Any]]:
        """What layers read of each item that read a vector a word, shape ``(words, width)``."""

        def read(vectors: torch.Tensor, items: list[Item]) -> list[NDArray[Any]]:
            return [rows[: item["rows"]].numpy() for rows, item in zip(vectors, items, strict=True)]

        return self._called(items, self.head.word_vectors, read, progress)

    def _called(
        self,
        items: Sequence[Item],
        call: Callable[[Network, Mapping[str, torch.Tensor]], torch.Tensor],
        read: Callable[[torch.Tensor, list[Item]], Iterable[NDArray[Any]]],
        progress: Progress,
        batch_size: int | None = None,
    ) -> list[NDArray[Any]]:
        found: list[Any] = [None] * len(items)
        for positions, made in ask(
            self.network,
            lambda batch: call(self.network, batch),
            items,
            self.head.collate,
            batch_size or self.batch_size,
            progress,
            "evaluation",
        ):
            rows = read(made, [items[position] for position in positions])
            for position, row in zip(positions, rows, strict=True):
                found[position] = row
        return found

    def answer_anew(self, texts: list[str], batch_size: int) -> NDArray[Any]:
        """Outputs as of :meth:`predict`, with no vector from the cache."""
        self.network.eval()
        if self.head.pooling is None:
            return self._asked(texts, Silent(), self._outputs, batch_size)
        encoder = Encoder(self.encoder.config, self.network, self.tokenizer, batch_size)
        return self._read(encoder.compute(texts, Silent()))

    def embed(self, texts: list[str], progress: Progress) -> Features:
        """Pooled hidden states, those that a pooling head reads, of shape ``(texts, width)``."""
        if self.settings.adapter.name in ("frozen", "none") or not self.trained:
            return self.encoder.vectors(texts, progress)
        if self._embedded is None or self._embedded[0] != texts:  # asked for scores and vectors, one after the other
            self._embedded = texts, self.encoder.compute(texts, progress)
        return self._embedded[1]

    @contextmanager
    def replaced(self, weights: Mapping[str, torch.Tensor]) -> Iterator[None]:
        """With other weights, as of :func:`trainable_weights`, for as long as the context is open."""
        own, self._embedded = trainable_weights(self.network), None
        put_weights(self.network, weights)
        try:
            yield
        finally:
            put_weights(self.network, own)
            self._embedded = None

    def count_parameters(self) -> ParameterCounts:
        """Trained parameters (adapter and head; of a probe that was kept, the head's alone), and all."""
        trained = {id(p) for p in (self.network.head if self.kept_probe else self.network).parameters()}
        # two weights of four bits are packed into one element
        counts = [
            (p.numel() * (2 if type(p).__name__ == "Params4bit" else 1), p.requires_grad and id(p) in trained)
            for p in self.network.parameters()
        ]
        return ParameterCounts(sum(n for n, counted in counts if counted), sum(n for n, _ in counts))

    def count_bytes(self) -> int:
        """Bytes of all weights and buffers, as they are held in memory."""
        tensors = [*self.network.parameters(), *self.network.buffers()]
        return sum(tensor.numel() * tensor.element_size() for tensor in tensors)

    def count_saved_bytes(self) -> int:
        """Bytes of the weights that training or a merge changes: a frozen or LoRA base is named, not copied."""
        trained = [parameter for parameter in self.network.parameters() if parameter.requires_grad]
        merged = merged_weights(self.network.backbone, self.backbone.merged) if self._keeps_merge else {}
        return sum(tensor.numel() * tensor.element_size() for tensor in [*trained, *merged.values()])

    @property
    def _keeps_merge(self) -> bool:
        """Whether what was merged is saved by itself, and not among all weights."""
        return bool(self.settings.model.merge.runs) and self.settings.adapter.name != "full"

    def save(self, folder: Path) -> None:
        """Save settings, head and what the adapter changed; a frozen or LoRA base is named, not copied."""
        write_settings(folder, self.settings, self.task)
        write_head_state(folder, self.head.state())
        state = {name: tensor.detach().cpu().contiguous() for name, tensor in self.network.head.state_dict().items()}
        save_file(state, folder / "head.safetensors")
        if self._keeps_merge:
            save_merge(self.network.backbone, self.backbone, folder / MERGE_FOLDER)
        if self.settings.adapter.name not in ("frozen", "none"):
            save_adapter(self.network.backbone, folder / "backbone")
        if self.settings.adapter.name == "full":
            self.tokenizer.save_pretrained(folder / "backbone")
