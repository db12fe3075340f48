"""A backbone with an embedding head, as a classifier: fit, predict, save, load."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import set_seed

from patentlab.config import AdapterConfig, HeadConfig, LossConfig, ModelConfig, RequestError, TrainerConfig
from patentlab.corpus import Examples, derive_seed
from patentlab.models.adapters import attach, load_adapter, save_adapter
from patentlab.models.backbones import Backbone, backbone_fingerprint, load_backbone
from patentlab.models.heads import EmbeddingHead, FeatureClassifier, PooledClassifier
from patentlab.protocols import Observer, ParameterCounts, Progress, Scores, Silent, TrainingReport
from patentlab.training.batching import Collator, Item, by_length, collate_features, tokenise, with_labels
from patentlab.training.features import Features, FeatureStore
from patentlab.training.losses import probabilities
from patentlab.training.trainer import precision, train


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
    ) -> None:
        self.settings = (model, head, adapter, trainer, loss)
        self.model_config, self.adapter, self.trainer, self.loss = model, adapter, trainer, loss.name
        self.label_count = label_count
        backbone = self._load_backbone(progress or Silent())
        set_seed(derive_seed(seed, "weights"))  # before anything is made: the head's initial weights count
        self._assemble(backbone, attach(backbone.model, adapter), head)

    def _load_backbone(self, progress: Progress) -> Backbone:
        # weights that are trained stay in fp32, also where they are multiplied in bf16
        reduced = precision(self.trainer) == "bf16" and self.adapter.name != "full"
        dtype = torch.bfloat16 if reduced else torch.float32
        return load_backbone(self.model_config, self.trainer.max_length, dtype, progress)

    def _assemble(self, backbone: Backbone, adapted: nn.Module, head: HeadConfig) -> None:
        self.tokenizer = backbone.tokenizer
        width = int(backbone.model.config.hidden_size)
        pooling = head.pooling or "mean"
        self.network = PooledClassifier(adapted, EmbeddingHead(width, self.label_count, head.dropout or 0.0), pooling)
        self.features = FeatureStore(
            backbone_fingerprint(self.model_config),
            pooling,
            self.trainer.max_length,
            str(backbone.model.dtype),
            self.model_config.attention,
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
        """
        single = self.loss == "cross_entropy"
        self.network.head.start_from_frequencies(torch.as_tensor(train_set.targets.mean(axis=0, dtype=np.float64)))
        sets = (train_set, validation)
        if self.adapter.name == "frozen":
            features = [self._cached_features(examples.texts, observer.progress) for examples in sets]
            self.network.head.standardise(torch.from_numpy(features[0]))
            items: list[list[Item]] = [[{"features": row} for row in array] for array in features]
            model, collate = FeatureClassifier(self.network.head), collate_features
        else:
            # not standardised: with trained layers below it, the head then runs ahead of them (docs/measurements.md)
            items = [self._tokenise(examples.texts) for examples in sets]
            model, collate = self.network, Collator(self.tokenizer)  # type: ignore[assignment]
        train_items, validation_items = (
            with_labels(unlabelled, examples.targets, single) for unlabelled, examples in zip(items, sets, strict=True)
        )
        report = train(model, train_items, validation_items, collate, self.trainer, self.loss, observer, seed)
        self.network.eval()
        return report

    def predict(self, texts: list[str], progress: Progress) -> Scores:
        """Probabilities of shape ``(texts, labels)``, in the order of the texts."""
        self.network.eval()
        if self.adapter.name == "frozen":
            features = torch.from_numpy(self._cached_features(texts, progress))
            with torch.inference_mode():
                logits = self.network.head(features.to(self.network.head.shift.device)).cpu()
        else:
            logits = self._forward(texts, self.network.head.linear.out_features, progress, "evaluation", heads=True)
        return np.asarray(probabilities(logits, self.loss).numpy(), dtype=np.float32)

    def _cached_features(self, texts: Sequence[str], progress: Progress) -> Features:
        def compute(missing: list[str]) -> Features:
            self.network.eval()
            width = self.network.head.shift.shape[0]
            return np.asarray(self._forward(missing, width, progress, "features", heads=False).numpy())

        return self.features.get(texts, compute)

    def _forward(self, texts: Sequence[str], width: int, progress: Progress, task: str, *, heads: bool) -> Tensor:
        """Logits or pooled features of texts, computed in batches of like length."""
        items, collate = self._tokenise(texts), Collator(self.tokenizer)
        device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
        self.network.to(device)
        output = torch.empty(len(items), width)
        with torch.inference_mode(), progress.task(task, len(items)) as advance:
            for positions in by_length(items, self.trainer.eval_batch_size or 1):
                batch = {key: value.to(device) for key, value in collate([items[p] for p in positions]).items()}
                result = self.network(**batch)["logits"] if heads else self.network.embed(**batch)
                output[positions] = result.float().cpu()
                advance(len(positions))
        return output

    def _tokenise(self, texts: Sequence[str]) -> list[Item]:
        return tokenise(texts, self.tokenizer, self.trainer.max_length or 512)

    def count_parameters(self) -> ParameterCounts:
        """Trained parameters (adapter and head), and all."""
        counts = [(p.numel(), p.requires_grad) for p in self.network.parameters()]
        return ParameterCounts(sum(n for n, trained in counts if trained), sum(n for n, _ in counts))

    def save(self, folder: Path) -> None:
        """Save settings, head and what the adapter changed; a frozen or LoRA base is named, not copied."""
        model, head, adapter, trainer, loss = self.settings
        base = asdict(model)
        if Path(str(model.path)).expanduser().is_dir():
            base["path"] = str(Path(str(model.path)).expanduser().resolve())
        settings = {
            "fingerprint": backbone_fingerprint(model),
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
        elif backbone_fingerprint(model) != settings["fingerprint"]:
            raise RequestError(f"{folder}: was trained on other weights than those that are now at {model.path}")
        loaded.settings = (model, head, adapter, trainer, loss)
        loaded.model_config, loaded.adapter, loaded.trainer, loaded.loss = model, adapter, trainer, loss.name
        loaded.label_count = settings["label_count"]
        backbone = loaded._load_backbone(progress or Silent())
        adapted: nn.Module = backbone.model
        if adapter.name == "lora":
            adapted = load_adapter(backbone.model, folder / "backbone")
        loaded._assemble(backbone, adapted, head)
        loaded.network.head.load_state_dict(load_file(folder / "head.safetensors"))
        loaded.network.eval()
        return loaded
