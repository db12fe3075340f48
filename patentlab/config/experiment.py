"""Everything that one run is made of, and the checks that span groups."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from omegaconf import MISSING

from patentlab.config.bounds import bounded, out_of_bounds
from patentlab.config.data import DataConfig, UnionConfig
from patentlab.config.evaluate import EvaluateConfig
from patentlab.config.generator import GeneratorConfig
from patentlab.config.head import HeadConfig
from patentlab.config.mixture import MixConfig, RegimeConfig, StrategyConfig
from patentlab.config.model import FITTED, AdapterConfig, LossConfig, ModelConfig
from patentlab.config.registry import HEADS, LOSSES, METRICS, SOURCES, STRATEGIES, TASKS
from patentlab.config.seeds import SeedsConfig
from patentlab.config.task import check_evaluation, check_merge, check_task
from patentlab.config.trainer import TrackingConfig, TrainerConfig

RERUN = ("missing", "failed", "always", "never")
ON_ERROR = ("continue", "stop")
CONTROL = ("name", "rerun", "on_error", "plan", "exclude", "register")  # of a sweep: they say nothing about a run
_FITTED_TASK = "multi_label"  # of models without a head
_OF_ONE_LABEL = {"multi_label": "single_label"}  # the task instead, where documents have exactly one label
LAYER_SETTINGS = ("head.start", "head.dropout", "trainer.head_learning_rate")  # of layers that are trained, not fitted
_SWEEP_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass
class ExperimentConfig:
    """Everything that one run is made of."""

    data: DataConfig = field(default_factory=DataConfig)
    regime: RegimeConfig = field(default_factory=RegimeConfig)
    mix: MixConfig = field(default_factory=MixConfig)
    strategy: StrategyConfig = field(default_factory=StrategyConfig)
    generator: GeneratorConfig = field(default_factory=GeneratorConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    head: HeadConfig = field(default_factory=HeadConfig)
    adapter: AdapterConfig = field(default_factory=AdapterConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    evaluate: EvaluateConfig = field(default_factory=EvaluateConfig)
    tracking: TrackingConfig = field(default_factory=TrackingConfig)
    seed: int = bounded(least=0)
    seeds: SeedsConfig = field(default_factory=SeedsConfig)
    name: str | None = None
    rerun: str = bounded(words=RERUN)
    on_error: str = bounded(words=ON_ERROR)
    plan: bool = MISSING
    exclude: str | None = None
    register: str | None = None

    @property
    def settings(self) -> dict[str, Any]:
        """All settings of the run, nested; those that steer a sweep are not among them."""
        return {name: value for name, value in asdict(self).items() if name not in CONTROL}

    @property
    def strategy_used(self) -> str:
        """The strategy that takes effect: with a mix of 1 there is nothing to add."""
        return "none" if self.mix.real_share == 1 else self.strategy.name

    @property
    def generates(self) -> bool:
        """Whether a generator is asked."""
        return self.strategy_used in STRATEGIES and bool(STRATEGIES.get(self.strategy_used).generates)

    @property
    def is_fitted(self) -> bool:
        """Whether the model is no neural network: it takes no head, adapter, loss or gradient steps."""
        return self.model.kind in FITTED

    @property
    def _parts(self) -> dict[str, DataConfig]:
        """The data sets, by name where there are several."""
        return dict(self.data.parts) if isinstance(self.data, UnionConfig) else {"": self.data}

    def seed_of(self, source: str) -> int:
        """The seed of a source of randomness, one of ``SEED_SOURCES``."""
        own: int | None = getattr(self.seeds, source)
        return self.seed if own is None else own

    @property
    def idle_seeds(self) -> dict[str, str]:
        """The sources of randomness that this run does not draw on, and why."""
        strategy = STRATEGIES.get(self.strategy_used) if self.strategy_used in STRATEGIES else None
        adds = strategy is not None and strategy.adds
        taken = self.regime.divisor > 1 or self.mix.budget is not None
        shown = adds and self.strategy.sources not in (None, "mixture")  # of the nested order
        idle = {
            "split": all(part.split.method == "date" for part in self._parts.values())
            and "data.split.method=date draws nothing",
            "regime": not (taken or shown)
            and f"regime={self.regime.keep} without mix.budget takes every document of the pool",
            "generation": not (adds and strategy is not None and strategy.draws)
            and f"nothing is drawn to be added with strategy={self.strategy.name} and mix={self.mix.real_share:g}",
            "weights": self.is_fitted and f"model={self.model.name} is fitted, and starts from nothing random",
            "batches": self.is_fitted and f"model={self.model.name} is fitted to all documents at once",
        }
        return {name: why for name, why in idle.items() if isinstance(why, str)}

    @property
    def idle_settings(self) -> dict[str, str]:
        """Settings, by dotted name, that change nothing beside the others, and why."""
        task = TASKS.get(str(self.data.task)) if self.data.task in TASKS else None
        idle = {} if task is None else dict(self.head.idle(tags=task.tags_words, labels=task.labels_documents))
        idle |= {f"data.{name}": why for name, why in self.data.idle.items()}
        idle |= {f"model.merge.{name}": why for name, why in self.model.merge.idle.items()}
        if self.loss.name not in LOSSES or not LOSSES.get(self.loss.name).compares:
            return idle
        why = f"the linear layer is fitted on tuned vectors with loss={self.loss.name}, and not trained"
        return idle | dict.fromkeys(LAYER_SETTINGS, why)

    @property
    def choices(self) -> dict[str, Any]:
        """The choices that tell runs apart, as the record names them."""
        return {
            "data": self.data.name,
            "model": self.model.name,
            "head": self.head.name,
            "adapter": self.adapter.name,
            "generator": self.generator.name if self.generates else None,
            "adaptation": self.generator.adapt if self.generates else None,
            "strategy": self.strategy_used,
            "regime": self.regime.keep,
            "mix": self.mix.real_share,
            "ordering": self.mix.ordering,
            "loss": self.loss.name,
            **({"evaluate": self.evaluate.name} if self.evaluate.name != "none" else {}),
            "seed": self.seed,
            **({"seeds": str(self.seeds)} if str(self.seeds) else {}),
            **({"merge": self.model.merge.method} if self.model.merge.runs else {}),
            **({"parts": "+".join(sorted(self.data.parts))} if isinstance(self.data, UnionConfig) else {}),
        }

    def check(self) -> Iterator[str]:
        """Check what types cannot: bounds, names, and choices that exclude each other.

        Yields:
            A line per problem: the setting, what is wrong, and what is allowed.
        """
        METRICS.load()  # one that cannot be imported is told of before anything is trained
        yield from self.data.check()
        if self.data.task not in TASKS:
            yield f"data.task={self.data.task}: allowed are {', '.join(TASKS.names())}"
        yield from self.regime.check()
        yield from self.mix.check()
        yield from self._check_additions()
        yield from check_task(self)
        yield from self._check_model()
        yield from self.trainer.check()
        monitors = self._monitors
        if monitors and self.trainer.monitor not in monitors:
            yield f"trainer.monitor={self.trainer.monitor}: allowed are {', '.join(monitors)}"
        yield from check_evaluation(self)
        yield from self.tracking.check()
        yield from self.seeds.check()
        yield from out_of_bounds(self, "")
        if self.name is not None and _SWEEP_NAME.fullmatch(self.name) is None:
            yield f"name={self.name}: must be letters, digits, dots, dashes and underscores: it names a folder"

    @property
    def _monitors(self) -> tuple[str, ...]:
        """Metrics that may choose an epoch: those of the task, and of each part of a union under its name."""
        if self.data.task not in TASKS:
            return ()
        own: tuple[str, ...] = TASKS.get(self.data.task).monitors
        parts = self.data.parts if isinstance(self.data, UnionConfig) else {}
        known = ((name, part.task) for name, part in parts.items() if part.task in TASKS)
        return (*own, *(f"{name}_{metric}" for name, task in known for metric in TASKS.get(task).monitors))

    def _check_additions(self) -> Iterator[str]:
        mix, strategy = self.mix, self.strategy
        if strategy.name not in STRATEGIES:
            yield f"strategy.name={strategy.name}: allowed are {', '.join(STRATEGIES.names())}"
            return
        adds = STRATEGIES.get(strategy.name).adds
        yield from strategy.check()
        if self.generates:
            yield from strategy.check_generation()
            yield from self.generator.check()
        if mix.real_share == 0 and not adds:
            yield f"mix.real_share=0: leaves nothing to train on, since strategy={strategy.name} adds nothing"
        if mix.real_share == 1 and mix.ordering != "shuffled" and adds:
            yield (
                f"mix={mix.ordering}: orders real and added documents, and mix.real_share=1 adds none; "
                "say how many are real, mix.real_share=0.2"
            )
        if mix.ordering == "curriculum" and self.is_fitted:
            yield f"mix=curriculum: model={self.model.name} is fitted to all documents at once and knows no order"

    def _check_model(self) -> Iterator[str]:
        model, head, adapter, loss = self.model, self.head, self.adapter, self.loss
        yield from model.check()
        yield from head.check()
        yield from adapter.check()
        yield from loss.check()
        if self.is_fitted:
            for group, choice in (("head", head.name), ("adapter", adapter.name)):
                if choice != "none":
                    yield f"{group}={choice}: model={model.name} is no neural network and takes none; set {group}=none"
            if hasattr(loss, "teacher"):
                yield f"loss={loss.name}: model={model.name} is fitted to labels, and learns from no teacher"
        else:
            for group, choice in (("head", head.name), ("trainer", self.trainer.name)):
                if choice == "none":
                    yield f"{group}=none: model={model.name} is a neural network and needs one"
            yield from self._check_head()
            yield from check_merge(self)
            if adapter.is_low_rank and not adapter.targets:
                yield f"adapter.targets: model={model.name} names no modules for LoRA; give adapter.targets=[…]"
        if self.data.unlabelled is not None and (self.is_fitted or getattr(loss, "teacher", None) is None):
            yield f"data.unlabelled={self.data.unlabelled}: only a teacher answers for them; use loss=distillation"
        if loss.name in LOSSES and self.data.task in TASKS:
            takes_one, task = LOSSES.get(loss.name).index, TASKS.get(str(self.data.task))
            if takes_one and not (task.one_label or task.tags_words):
                yield f"loss={loss.name}: needs data.task=single_label; with several labels a document use loss=bce"
            if task.tags_words and not (takes_one or LOSSES.get(loss.name).tokens):
                yield f"loss={loss.name}: a word has one tag; set loss=cross_entropy or weighted_cross_entropy"

    def _check_head(self) -> Iterator[str]:
        if self.head.name not in HEADS:
            return
        head, name, adapter, loss = HEADS.get(self.head.name), self.head.name, self.adapter.name, self.loss.name
        if not head.own_layers and adapter == "frozen":
            yield f"adapter=frozen: head={name} has no weights of its own; set adapter=none, which trains nothing"
        if head.language_model and self.model.attention == "bidirectional":
            yield f"model.attention=bidirectional: head={name} writes, and needs model.attention=causal"
        if adapter == "none" and self.trainer.name != "prompted":
            yield f"trainer={self.trainer.name}: adapter=none trains nothing; set trainer=prompted"
        if adapter != "none" and self.trainer.name == "prompted":
            yield "trainer=prompted: trains nothing; set trainer=finetune, or adapter=none"
        if loss in LOSSES and LOSSES.get(loss).compares:
            if not head.linear or self.head.hidden is not None:
                yield f"loss={loss}: compares vectors, and fits a linear head on them; set head=embedding"
            if self.trainer.batch_size == 1:
                yield f"trainer.batch_size=1: loss={loss} compares the documents of a batch; must be 2 or more"
            if adapter in ("frozen", "none"):
                yield f"adapter={adapter}: leaves vectors as they are, and loss={loss} moves them; set adapter=full"
        if loss in LOSSES and head.writes != LOSSES.get(loss).tokens:
            own = f"loss={head.default_loss}" if head.writes else "a loss of labels, such as bce"
            yield f"loss={loss}: head={name} takes {own}"


def follow(config: ExperimentConfig) -> ExperimentConfig:
    """Settings that were left to others, decided: the task by the head, the monitored metric by the task.

    Args:
        config: As composed.

    Returns:
        The same with ``data.task`` and ``trainer.monitor`` given, where head and task are known.
    """
    task, trainer = config.data.task or task_of(config.head.name, config.data.name), config.trainer
    if trainer.monitor is None and task in TASKS:
        trainer = replace(trainer, monitor=TASKS.get(task).main_metric)
    data = replace(config.data, task=task)
    if isinstance(data, UnionConfig):
        parts = {name: replace(part, task=part.task or task_of_part(part.name)) for name, part in data.parts.items()}
        data = replace(data, parts=parts)
    return replace(config, data=data, trainer=trainer)


def task_of_part(source: str) -> str:
    """What is asked of a part of a union, where its ``task`` does not say: all that its documents have."""
    if source not in SOURCES or not SOURCES.get(source).tags:
        return "single_label"
    return "joint" if SOURCES.get(source).labels else "tagging"


def task_of(head: str, source: str) -> str:
    """The task that a head answers on documents of a source, where ``data.task`` does not say."""
    task = str(HEADS.get(head).default_task) if head in HEADS else _FITTED_TASK
    one_label = source in SOURCES and SOURCES.get(source).one_label
    return _OF_ONE_LABEL.get(task, task) if one_label else task


def loss_of(task: str, head: str) -> str:
    """The loss of a head or, where it has none of its own, of a task, where none was chosen (``loss=null``)."""
    own = HEADS.get(head).default_loss if head in HEADS else None
    return str(own or TASKS.get(task).default_loss)
