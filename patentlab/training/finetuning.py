"""A backbone with an embedding head, as a classifier: fit, predict, save, load."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import set_seed

from patentlab import weights
from patentlab.config import AdapterConfig, HeadConfig, LossConfig, ModelConfig, RequestError, TrainerConfig
from patentlab.corpus import Examples, derive_seed
from patentlab.models.adapters import attach, load_adapter, quantisation, save_adapter
from patentlab.models.backbones import Backbone, load_backbone
from patentlab.models.heads import EmbeddingHead, FeatureClassifier, PooledClassifier
from patentlab.protocols import Observer, ParameterCounts, Progress, Scores, Silent, TrainingReport
from patentlab.training.batching import Collator, Item, by_length, collate_features, tokenise, with_labels
from patentlab.training.features import Features, FeatureStore
from patentlab.training.losses import Loss
from patentlab.training.probe import fit_probe
from patentlab.training.trainer import Known, precision, train, trainable_weights


class EmbeddingClassifier:
    """Pooled hidden states and a linear head, under any adapter.

    Args:
        model: The backbone's settings.
        head: Pooling and dropout.
        adapter: Which weights are trained.
        trainer: How.
        loss: What is minimised.
        label_count: Logits of the head.
        seed: Of the head's and the adapter's initial weights.
        progress: Told of a conversion.
        curriculum: Train on added documents first, and on real ones last.

    Raises:
        RequestError: The backbone cannot be loaded or adapted.
    """

    def __init__(
        self,
        model: ModelConfig,
        head: HeadConfig,
        adapter: AdapterConfig,
        trainer: TrainerConfig,
        loss: LossConfig,
        label_count: int,
        seed: int = 0,
        progress: Progress | None = None,
        *,
        curriculum: bool = False,
    ) -> None:
        self.curriculum = curriculum
        self.settings = (model, head, adapter, trainer, loss)
        self.model_config, self.head, self.adapter, self.trainer = model, head, adapter, trainer
        self.loss = Loss(loss)
        self.label_count = label_count
        self.trained = False
        self._embedded: tuple[list[str], Features] | None = None
        backbone = self._load_backbone(progress or Silent())
        set_seed(derive_seed(seed, "weights"))  # before anything is made: the head's initial weights count
        checkpointing = bool(trainer.gradient_checkpointing)
        self._assemble(backbone, attach(backbone.model, adapter, checkpointing=checkpointing))

    def _load_backbone(self, progress: Progress) -> Backbone:
        # weights that are trained stay in fp32, also where they are multiplied in bf16
        reduced = precision(self.trainer) == "bf16" and self.adapter.name != "full"
        self.dtype = dtype = torch.bfloat16 if reduced else torch.float32
        quantised = quantisation(self.adapter, dtype)
        return load_backbone(self.model_config, self.trainer.max_length, dtype, progress, quantised)

    def _assemble(self, backbone: Backbone, adapted: nn.Module) -> None:
        self.tokenizer = backbone.tokenizer
        width = int(backbone.model.config.hidden_size)
        pooling = self.head.pooling or "mean"
        head = EmbeddingHead(width, self.label_count, self.head.dropout or 0.0, self.head.hidden)
        self.network = PooledClassifier(adapted, head, pooling)
        self.features = FeatureStore(
            weights.fingerprint(self.model_config.path or "", self.model_config.revision),
            pooling,
            self.trainer.max_length,
            str(self.dtype),
            self.model_config.attn_implementation,
            *([self.adapter.quantisation, self.adapter.double_quantisation] if self.adapter.quantisation else []),
        )

    def fit(self, train_set: Examples, validation: Examples, observer: Observer, seed: int) -> TrainingReport:
        """Train; the weights of the best validation epoch are kept.

        Args:
            train_set: What is learned from.
            validation: Decides on the epoch to keep and on when to stop.
            observer: Measures and shows.
            seed: Of dropout and batch order.

        Returns:
            How it went.

        Raises:
            RuntimeError: It was fitted before.
        """
        if self.trained:  # features of trained layers would be cached as those of the frozen backbone
            raise RuntimeError("a classifier is fitted once; build another")
        self.trained = True
        self.loss = Loss.of(self.loss.config, train_set.targets)
        sets, head = (train_set, validation), self.network.head
        frozen, probed = self.adapter.name == "frozen", "probe" in (self.head.start, self.head.fallback)
        head.start_from_frequencies(torch.as_tensor(train_set.targets.mean(axis=0, dtype=np.float64)))
        model: nn.Module = FeatureClassifier(head) if frozen else self.network
        fallback: Known | None = None
        if frozen or probed:
            features = [self._cached_features(examples.texts, observer.progress) for examples in sets]
        if frozen:
            head.standardise(torch.from_numpy(features[0]))
        if probed:
            targets = [examples.targets for examples in sets]
            probe = fit_probe(features, targets, self.loss, observer.measure, observer.monitor)
            random = trainable_weights(head)
            head.start_from(probe.weight, probe.bias)
            if self.head.fallback:
                margin = self.head.fallback_margin or 0.0
                fallback = Known(trainable_weights(model), probe.metrics, probe.scores, margin)
            if self.head.start != "probe":
                head.load_state_dict(random, strict=False)
        if frozen:
            items: list[list[Item]] = [[{"features": row} for row in array] for array in features]
        else:
            items = [self._tokenise(examples.texts) for examples in sets]
        collate = collate_features if frozen else Collator(self.tokenizer)
        train_items, validation_items = (
            with_labels(unlabelled, examples.targets, self.loss.single)
            for unlabelled, examples in zip(items, sets, strict=True)
        )
        report = train(
            model, train_items, validation_items, collate, self.trainer, self.loss, observer, seed,
            fallback=fallback, added=train_set.added if self.curriculum else None,
        )  # fmt: skip
        self.network.eval()
        if precision(self.trainer) != "fp32" and not frozen:
            # validation ran under autocast: its scores are not quite those of the network that is saved
            report = replace(report, validation_outputs=None)
        return report

    def predict(self, texts: list[str], progress: Progress) -> Scores:
        """Probabilities of shape ``(texts, labels)``, in the order of the texts."""
        self.network.eval()
        features = torch.from_numpy(self.embed(texts, progress))
        with torch.inference_mode():
            logits = self.network.head(features.to(self.network.head.shift.device)).float().cpu()
        return np.asarray(self.loss.probabilities(logits).numpy(), dtype=np.float32)

    def embed(self, texts: list[str], progress: Progress) -> Features:
        """Pooled hidden states, those that the head reads, of shape ``(texts, width)``, in the order of the texts."""
        if self.adapter.name == "frozen" or not self.trained:
            return self._cached_features(texts, progress)
        if self._embedded is None or self._embedded[0] != texts:  # asked for scores and vectors, one after the other
            self._embedded = texts, self._forward(texts, progress, "evaluation").numpy()
        return self._embedded[1]

    def _cached_features(self, texts: Sequence[str], progress: Progress) -> Features:
        def compute(missing: list[str]) -> Features:
            self.network.eval()
            return np.asarray(self._forward(missing, progress, "features").numpy())

        return self.features.get(texts, compute)

    def _forward(self, texts: Sequence[str], progress: Progress, task: str) -> Tensor:
        """Pooled features of texts, computed in batches of like length."""
        items, collate = self._tokenise(texts), Collator(self.tokenizer)
        device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
        self.network.to(device)
        output = torch.empty(len(items), self.network.head.shift.shape[0])
        with torch.inference_mode(), progress.task(task, len(items)) as advance:
            for positions in by_length(items, self.trainer.eval_batch_size or 1):
                batch = {key: value.to(device) for key, value in collate([items[p] for p in positions]).items()}
                output[positions] = self.network.embed(**batch).float().cpu()
                advance(len(positions))
        return output

    def _tokenise(self, texts: Sequence[str]) -> list[Item]:
        return tokenise(texts, self.tokenizer, self.trainer.max_length or 512)

    def count_parameters(self) -> ParameterCounts:
        """Trained parameters (adapter and head), and all."""
        # two weights of four bits are packed into one element
        counts = [
            (p.numel() * (2 if type(p).__name__ == "Params4bit" else 1), p.requires_grad)
            for p in self.network.parameters()
        ]
        return ParameterCounts(sum(n for n, trained in counts if trained), sum(n for n, _ in counts))

    def count_bytes(self) -> int:
        """Bytes of all weights and buffers, as they are held in memory."""
        tensors = [*self.network.parameters(), *self.network.buffers()]
        return sum(tensor.numel() * tensor.element_size() for tensor in tensors)

    def save(self, folder: Path) -> None:
        """Save settings, head and what the adapter changed; a frozen or LoRA base is named, not copied."""
        model, head, adapter, trainer, loss = self.settings
        base = asdict(model)
        if Path(str(model.path)).expanduser().is_dir():
            base["path"] = str(Path(str(model.path)).expanduser().resolve())
        settings = {
            "fingerprint": weights.fingerprint(model.path or "", model.revision),
            "model": base,
            "head": asdict(head),
            "adapter": asdict(adapter),
            "trainer": asdict(trainer),
            "loss": asdict(loss),
            "label_count": self.label_count,
        }
        (folder / "settings.json").write_text(json.dumps(settings, indent=1), encoding="utf-8")
        state = {name: tensor.detach().cpu().contiguous() for name, tensor in self.network.head.state_dict().items()}
        save_file(state, folder / "head.safetensors")
        if self.adapter.name != "frozen":
            save_adapter(self.network.backbone, folder / "backbone")
        if self.adapter.name == "full":
            self.tokenizer.save_pretrained(folder / "backbone")

    @classmethod
    def load(cls, folder: Path, progress: Progress | None = None) -> EmbeddingClassifier:
        """Load what :meth:`save` saved.

        Args:
            folder: The saved folder.
            progress: Told of a conversion.

        Returns:
            A classifier that predicts as the saved one did.

        Raises:
            RequestError: The base model of an adapter is not to be had any more.
        """
        settings = json.loads((folder / "settings.json").read_text(encoding="utf-8"))
        loaded = cls.__new__(cls)
        model, head = ModelConfig(**settings["model"]), HeadConfig(**settings["head"])
        adapter, trainer = AdapterConfig(**settings["adapter"]), TrainerConfig(**settings["trainer"])
        loss = LossConfig(**settings["loss"])
        if adapter.name == "full":
            model.path, model.revision = str(folder / "backbone"), None
        elif weights.fingerprint(model.path or "", model.revision) != settings["fingerprint"]:
            raise RequestError(f"{folder}: was trained on other weights than those that are now at {model.path}")
        loaded.curriculum = False
        loaded.settings = (model, head, adapter, trainer, loss)
        loaded.model_config, loaded.head, loaded.adapter, loaded.trainer = model, head, adapter, trainer
        loaded.loss = Loss(loss)
        loaded.label_count, loaded.trained, loaded._embedded = settings["label_count"], True, None
        backbone = loaded._load_backbone(progress or Silent())
        adapted: nn.Module = backbone.model
        if adapter.name in ("lora", "qlora"):
            adapted = load_adapter(backbone.model, folder / "backbone")
        loaded._assemble(backbone, adapted)
        loaded.network.head.load_state_dict(load_file(folder / "head.safetensors"))
        loaded.network.eval()
        return loaded
