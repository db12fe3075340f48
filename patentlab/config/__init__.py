"""The schema of the configuration: a dataclass per group of ``conf/``, and the checks that span groups.

The values, and what each means, live in the YAML files; here are their types. Neither torch nor mlflow is imported.
"""

from __future__ import annotations

import math
import os
import re
import string
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, get_type_hints

import platformdirs
from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from patentlab.config.problems import RequestError as RequestError
from patentlab.config.problems import closest as closest

REGIME_PATTERN = re.compile(r"1:([1-9][0-9]*)")
# of transformers, those that need no settings of their own
SCHEDULES = (
    "linear",
    "cosine",
    "cosine_with_restarts",
    "polynomial",
    "constant",
    "constant_with_warmup",
    "inverse_sqrt",
)
LEVELS = ("section", "class", "subclass", "group")
TEXT_FIELDS = ("title", "abstract", "claim")
FITTED = ("tfidf_linear", "constant")  # kinds of models that are no neural network
RERUN = ("missing", "failed", "always", "never")
ON_ERROR = ("continue", "stop")
CONTROL = ("name", "rerun", "on_error", "plan", "exclude")  # of a sweep: settings that say nothing about a run
PROMPT_FAMILIES = ("patent_abstract", "claims", "technical_disclosure", "product_description")
STANDARD_FAMILY = "patent_abstract"
_SWEEP_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
GENERATED = ("label_conditioned", "paraphrase")  # strategies that ask a generator
UNMIXED = ("none", "step_matched")  # strategies that add nothing
RESAMPLED = ("duplicate", "oversample")
ORDERINGS = ("shuffled", "curriculum", "filtered", "ensemble")
LABEL_TEXTS = ("title", "code", "coarse")
LOSSES = ("bce", "weighted_bce", "focal", "asymmetric", "cross_entropy", "weighted_cross_entropy")


@dataclass
class SplitConfig:
    """How the corpus is cut into training pool, validation and test set."""

    method: str = MISSING
    validation: float = MISSING
    test: float = MISSING
    similarity: float | None = MISSING
    column: str | None = MISSING


@dataclass
class DataConfig:
    """Where the labelled documents come from, which labels are kept, and how they are split."""

    name: str = MISSING
    size: int | None = MISSING
    corpus_seed: int | None = MISSING
    path: str | None = MISSING
    subset: str | None = MISSING
    revision: str | None = MISSING
    level: str | None = MISSING
    text: str = MISSING
    labels: str | None = MISSING
    separator: str | None = MISSING
    id: str | None = MISSING
    date: str | None = MISSING
    encoding: str | None = MISSING
    delimiter: str | None = MISSING
    on_bad_row: str = MISSING
    task: str = MISSING
    min_count: int = MISSING
    top_k: int | None = MISSING
    keep_labels: list[str] | None = MISSING
    titles: str | None = MISSING
    mask_labels: bool = MISSING
    split: SplitConfig = field(default_factory=SplitConfig)


@dataclass
class RegimeConfig:
    """How much of the real training pool a run may use."""

    name: str = MISSING
    keep: str = MISSING

    @property
    def divisor(self) -> int:
        """N of the regime 1:N."""
        match = REGIME_PATTERN.fullmatch(self.keep)
        if match is None:
            raise RequestError(
                f"regime.keep={self.keep}: not a regime; write 1:N with a whole number N ≥ 1, as in 1:10"
            )
        return int(match.group(1))


@dataclass
class MixConfig:
    """How real and added documents make up a training set."""

    ordering: str = MISSING
    real_share: float = MISSING
    budget: int | None = MISSING
    max_documents: int = MISSING
    on_shortage: str = MISSING
    agreement: float | None = None

    def __post_init__(self) -> None:
        # range(0.2,0.4,0.1) yields 0.30000000000000004
        if isinstance(self.real_share, float):
            self.real_share = round(self.real_share, 6)


@dataclass
class ScreeningConfig:
    """What a generated answer needs before it counts as a document."""

    min_words: int | None = MISSING
    max_words: int | None = MISSING
    language: str | None = MISSING
    max_repetition: float = MISSING
    max_compression: float = MISSING
    max_copied: float = MISSING
    similarity: float = MISSING
    max_label_mentions: int | None = MISSING


@dataclass
class StrategyConfig:
    """Where added documents come from; None throughout for what only strategies that generate need."""

    name: str = MISSING
    prompts: list[str] | None = MISSING
    standard_only: bool | None = MISSING
    label_text: str | None = MISSING
    examples: int | None = MISSING
    sources: str | None = MISSING
    max_attempts: float | None = MISSING
    on_shortage: str | None = MISSING
    screening: ScreeningConfig | None = MISSING


@dataclass
class AdaptationConfig:
    """How a generator is fine-tuned on the regime's real documents before it generates."""

    epochs: int = MISSING
    steps: int | None = None
    learning_rate: float = MISSING
    batch_size: int = MISSING
    max_length: int = MISSING
    rank: int = MISSING
    alpha: float = MISSING
    dropout: float = MISSING
    targets: list[str] = MISSING


@dataclass
class GeneratorConfig:
    """The language model that writes synthetic documents."""

    name: str = MISSING
    kind: str = MISSING
    path: str = MISSING
    revision: str | None = MISSING
    trust_remote_code: bool = MISSING
    licence: str | None = MISSING
    context: int = MISSING
    precision: str | None = MISSING
    attention: str | None = MISSING
    form: str = MISSING
    batch_size: int = MISSING
    temperature: float = MISSING
    top_p: float = MISSING
    max_new_tokens: int = MISSING
    no_repeat_ngram: int | None = MISSING
    adapt: str = MISSING
    adaptation: AdaptationConfig | None = MISSING
    base_url: str | None = MISSING
    api_key_variable: str | None = MISSING
    concurrency: int | None = MISSING
    timeout: float | None = MISSING
    retries: int | None = MISSING
    extra: dict[str, Any] | None = MISSING


@dataclass
class RecommendedSettings:
    """What a model's file recommends for one adapter."""

    epochs: int = MISSING
    learning_rate: float = MISSING
    head_learning_rate: float = MISSING
    batch_size: int = MISSING
    patience: int | None = MISSING
    start: str = MISSING


@dataclass
class TfidfConfig:
    """Settings of the TF-IDF baseline."""

    ngram_max: int = MISSING
    min_df: int = MISSING
    sublinear_tf: bool = MISSING
    class_weight: str | None = MISSING
    inverse_regularisation: float = MISSING


@dataclass
class ModelConfig:
    """A backbone or a baseline."""

    name: str = MISSING
    kind: str = MISSING
    path: str | None = MISSING
    revision: str | None = MISSING
    trust_remote_code: bool = MISSING
    pooling: str | None = MISSING
    max_length: int | None = MISSING
    padding_side: str | None = MISSING
    attention: str | None = MISSING
    lora_targets: list[str] | None = MISSING
    recommended: dict[str, RecommendedSettings] = MISSING
    tfidf: TfidfConfig | None = MISSING


@dataclass
class HeadConfig:
    """How a backbone answers."""

    name: str = MISSING
    pooling: str | None = MISSING
    hidden: int | None = MISSING
    dropout: float | None = MISSING
    start: str | None = MISSING
    fallback: str | None = MISSING
    fallback_margin: float | None = MISSING


@dataclass
class AdapterConfig:
    """Which weights are trained."""

    name: str = MISSING
    rank: int | None = MISSING
    alpha: float | None = MISSING
    dropout: float | None = MISSING
    targets: list[str] | None = MISSING
    quantisation: str | None = MISSING
    double_quantisation: bool | None = MISSING


@dataclass
class LossConfig:
    """What training minimises."""

    name: str = MISSING
    gamma: float | None = MISSING
    gamma_negative: float | None = MISSING
    alpha: float | None = MISSING
    clip: float | None = MISSING
    power: float | None = MISSING
    max_weight: float | None = MISSING


@dataclass
class TrainerConfig:
    """How training runs; ``None`` throughout for models that are fitted, not trained by gradient steps."""

    name: str = MISSING
    epochs: int | None = MISSING
    max_steps: int | None = MISSING
    max_examples: int | None = MISSING
    validations: int | None = MISSING
    learning_rate: float | None = MISSING
    head_learning_rate: float | None = MISSING
    batch_size: int | None = MISSING
    accumulation: int | None = MISSING
    eval_batch_size: int | None = MISSING
    max_length: int | None = MISSING
    weight_decay: float | None = MISSING
    warmup_share: float | None = MISSING
    schedule: str | None = MISSING
    max_grad_norm: float | None = MISSING
    patience: int | None = MISSING
    monitor: str = MISSING
    precision: str | None = MISSING
    gradient_checkpointing: bool | None = MISSING
    save_model: str = MISSING


@dataclass
class TrackingConfig:
    """Where runs are mirrored to."""

    name: str = MISSING
    uri: str | None = MISSING
    artifacts: str | None = MISSING
    experiment: str | None = MISSING


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
    tracking: TrackingConfig = field(default_factory=TrackingConfig)
    seed: int = MISSING
    name: str | None = MISSING
    rerun: str = MISSING
    on_error: str = MISSING
    plan: bool = MISSING
    exclude: str | None = MISSING

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
        return self.strategy_used in GENERATED

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
            "seed": self.seed,
        }


def data_folder() -> Path:
    """Folder of the MLflow database and its files: ``PATENTLAB_DATA``, else the platform's user data folder."""
    return Path(os.environ.get("PATENTLAB_DATA") or platformdirs.user_data_dir("patentlab", appauthor=False)).resolve()


def config_folder() -> Path:
    """``conf/``: inside the installed package, or beside it in a checkout.

    Returns:
        The absolute path.
    """
    package = Path(__file__).resolve().parents[1]
    inside = package / "conf"
    return inside if inside.is_dir() else package.parent / "conf"


def load_option(group: str, option: str) -> Any:
    """One file of ``conf/`` as the dataclass of its group, without composing the rest.

    Args:
        group: Of ``conf/``.
        option: A file of it that needs no setting of the user's.

    Returns:
        The settings.
    """
    hints = get_type_hints(ExperimentConfig)
    content = OmegaConf.load(config_folder() / group / f"{option}.yaml")
    if not isinstance(content, DictConfig):
        raise TypeError(f"{group}={option}: not a mapping")
    content.pop("defaults", None)
    return OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(hints[group]), content))


def register() -> None:
    """Make the schema and the resolvers known to Hydra. May be called again."""
    ConfigStore.instance().store(name="schema", node=ExperimentConfig)
    if not OmegaConf.has_resolver("patentlab.data"):
        OmegaConf.register_new_resolver("patentlab.data", lambda: str(data_folder()))


def from_hydra(composed: DictConfig) -> ExperimentConfig:
    """Turn a composed configuration into dataclasses and check it.

    Args:
        composed: What Hydra composed, ``hydra`` node excluded.

    Returns:
        The checked configuration.

    Raises:
        RequestError: Something is missing, unknown or contradictory; every problem is named.
    """
    problems = _unresolved(composed)
    if problems:
        raise RequestError(*problems)
    problems = [f"{key}: must be given; write {key}=…" for key in sorted(OmegaConf.missing_keys(composed))]
    # `+foo=1` gets past a structured schema
    if problems:
        raise RequestError(*problems)
    config = OmegaConf.to_object(composed)
    if not isinstance(config, ExperimentConfig):
        raise TypeError(f"composed without the schema: {type(config).__name__}")
    problems = [*_unknown_settings(config), *find_problems(config)]
    if problems:
        raise RequestError(*problems)
    return config


def from_settings(settings: Mapping[str, Any]) -> ExperimentConfig:
    """A configuration from the settings of a run, as :attr:`ExperimentConfig.settings` gives them.

    Args:
        settings: Complete.

    Returns:
        The configuration; what steers a sweep is as in ``conf/config.yaml``.
    """
    control = {"name": None, "rerun": "missing", "on_error": "continue", "plan": False, "exclude": None}
    complete: dict[str, Any] = dict(settings) | control
    config = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(ExperimentConfig), complete))
    assert isinstance(config, ExperimentConfig)
    return config


def _unresolved(composed: DictConfig) -> list[str]:
    """A line per interpolation without an answer, such as a model without settings for the adapter."""
    recommended = OmegaConf.select(composed, "model.recommended") or {}
    adapter, trainer = OmegaConf.select(composed, "adapter.name"), OmegaConf.select(composed, "trainer.name")
    head = OmegaConf.select(composed, "head.name")
    if OmegaConf.select(composed, "model.kind") in FITTED:
        chosen = {"head": head, "adapter": adapter, "trainer": trainer}
        why = f"model={composed.model.name} is no neural network and takes none; set"
        if wrong := [f"{group}={option}: {why} {group}=none" for group, option in chosen.items() if option != "none"]:
            return wrong
    if OmegaConf.select(composed, "model.kind") == "transformer" and adapter not in recommended:
        allowed = ", ".join(str(name) for name in recommended) or "none of the adapters"
        return [f"adapter={adapter}: model={composed.model.name} takes {allowed}"]
    try:
        OmegaConf.to_container(composed, resolve=True, throw_on_missing=False)
    except OmegaConfBaseException as error:
        return [" ".join(re.sub(r"\s*(full_key|object_type|reference_type)[:=].*", "", str(error)).split())]
    return []


def _unknown_settings(section: object, prefix: str = "") -> Iterator[str]:
    """A line per setting that the schema does not have: ``+foo=1`` gets past a structured schema."""
    for name, value in vars(section).items():
        known = [field.name for field in fields(section)]  # type: ignore[arg-type]
        if name not in known:
            yield f"{prefix}{name}: no such setting; allowed are {', '.join(prefix + other for other in known)}"
        elif is_dataclass(value):
            yield from _unknown_settings(value, f"{prefix}{name}.")


def find_problems(config: ExperimentConfig) -> Iterator[str]:
    """Check what types cannot: ranges, names, and choices that exclude each other.

    Args:
        config: A complete configuration.

    Yields:
        A line per problem: the setting, what is wrong, and what is allowed.
    """
    yield from _data_problems(config.data)
    yield from _arm_problems(config)
    yield from _model_problems(config)
    yield from _trainer_problems(config.trainer)
    if config.seed < 0:
        yield f"seed={config.seed}: must be 0 or more"
    yield from _one_of("rerun", config.rerun, RERUN)
    yield from _one_of("on_error", config.on_error, ON_ERROR)
    if config.name is not None and _SWEEP_NAME.fullmatch(config.name) is None:
        yield f"name={config.name}: must be letters, digits, dots, dashes and underscores: it names a folder"


def _one_of(setting: str, value: object, allowed: tuple[str, ...]) -> Iterator[str]:
    if value not in allowed:
        yield f"{setting}={value}: allowed are {', '.join(allowed)}"


def _data_problems(data: DataConfig) -> Iterator[str]:
    yield from _one_of("data.task", data.task, ("multi_label", "single_label"))
    if data.level is not None:
        yield from _one_of("data.level", data.level, LEVELS)
    if data.size is not None and data.size < 1:
        yield f"data.size={data.size}: must be 1 or more"
    if data.min_count < 1:
        yield f"data.min_count={data.min_count}: must be 1 or more"
    if data.top_k is not None and data.top_k < 2:
        yield f"data.top_k={data.top_k}: must be 2 or more"
    for name in ("validation", "test"):
        size = getattr(data.split, name)
        if not math.isfinite(size) or size <= 0 or (size > 1 and size != int(size)) or size == 1:
            yield f"data.split.{name}={size}: must be a share between 0 and 1, or a whole number of documents above 1"
    yield from _one_of("data.split.method", data.split.method, ("stratified", "date", "given"))
    if data.split.similarity is not None and not 0 < data.split.similarity <= 1:
        yield f"data.split.similarity={data.split.similarity:g}: must be above 0 and at most 1"
    yield from _one_of("data.on_bad_row", data.on_bad_row, ("error", "skip"))
    if data.keep_labels is not None:
        if len(set(data.keep_labels)) < 2:
            yield f"data.keep_labels={','.join(data.keep_labels)}: must name two labels at least"
        if data.top_k is not None:
            yield "data.keep_labels: names the labels already; leave out data.top_k"
    if data.encoding is not None:
        try:
            "a".encode(data.encoding)
        except LookupError:
            yield f"data.encoding={data.encoding}: no such encoding; allowed are those of Python, such as utf-8, cp1252"
    if data.delimiter is not None and len(data.delimiter.replace("\\t", "\t")) != 1:
        yield f"data.delimiter={data.delimiter}: must be one character, or \\t"
    tabular = data.name not in ("demo", "patentsview")
    if tabular and not data.labels:
        yield f"data.labels: must name where data={data.name} keeps the labels"
    if data.split.method == "date" and data.date is None and data.name != "patentsview":
        yield f"data.split.method=date: data={data.name} needs data.date, the column with dates"
    if data.split.method == "given" and data.size is not None:
        yield "data.size: cannot be had with data.split.method=given, which takes the source's sets whole"
    if data.split.method == "given" and data.split.column is None and data.name != "hub":
        yield f"data.split.method=given: data={data.name} needs data.split.column, with train, validation or test"
    try:
        fields = {name for _, name, _, _ in string.Formatter().parse(data.text) if name is not None}
        data.text.format(**dict.fromkeys(fields, ""))
    except (ValueError, LookupError, AttributeError) as error:
        yield f"data.text={data.text}: {error}"
    else:
        if not tabular and (not fields or fields - set(TEXT_FIELDS)):
            yield f"data.text={data.text}: must name {{title}}, {{abstract}} or {{claim}}, and nothing else in braces"


def _arm_problems(config: ExperimentConfig) -> Iterator[str]:
    mix = config.mix
    if REGIME_PATTERN.fullmatch(config.regime.keep) is None:
        yield f"regime.keep={config.regime.keep}: not a regime; write 1:N with a whole number N ≥ 1, as in 1:10"
    if not 0 <= mix.real_share <= 1:
        yield f"mix.real_share={mix.real_share:g}: must be a number from 0 to 1"
    if mix.real_share == 0 and mix.budget is None:
        yield "mix.real_share=0: cannot be had beside real documents; give a size in all with mix.budget=…"
    if mix.budget is not None and mix.budget < 1:
        yield f"mix.budget={mix.budget}: must be 1 or more"
    if mix.max_documents < 1:
        yield f"mix.max_documents={mix.max_documents}: must be 1 or more"
    yield from _one_of("mix.ordering", mix.ordering, ORDERINGS)
    yield from _one_of("mix.on_shortage", mix.on_shortage, ("error", "repeat", "shrink"))
    if mix.real_share == 0 and config.strategy.name in UNMIXED:
        yield f"mix.real_share=0: leaves nothing to train on, since strategy={config.strategy.name} adds nothing"
    yield from _one_of("strategy.name", config.strategy.name, (*GENERATED, *RESAMPLED, *UNMIXED))
    if config.generates:
        yield from _generation_problems(config)
    if mix.ordering == "filtered" and (mix.agreement is None or not 0 < mix.agreement <= 1):
        yield f"mix.agreement={mix.agreement}: must be above 0 and at most 1"
    if mix.real_share == 0 and mix.ordering != "shuffled":
        yield f"mix={mix.ordering}: needs real documents; mix.real_share=0 leaves none"
    if mix.real_share == 1 and mix.ordering != "shuffled" and config.strategy.name not in UNMIXED:
        yield (
            f"mix={mix.ordering}: orders real and added documents, and mix.real_share=1 adds none; "
            "say how many are real, mix.real_share=0.2"
        )
    if mix.ordering == "curriculum" and config.model.kind in FITTED:
        yield f"mix=curriculum: model={config.model.name} is fitted to all documents at once and knows no order"


def _generation_problems(config: ExperimentConfig) -> Iterator[str]:
    strategy, generator = config.strategy, config.generator
    for name, value in vars(strategy).items():
        if value is None:
            yield f"strategy.{name}=null: must be given for strategy={strategy.name}"
    if strategy.label_text is not None:
        yield from _one_of("strategy.label_text", strategy.label_text, LABEL_TEXTS)
    if strategy.sources is not None:
        yield from _one_of("strategy.sources", strategy.sources, ("regime", "mixture"))
    if strategy.on_shortage is not None:
        yield from _one_of("strategy.on_shortage", strategy.on_shortage, ("error", "shrink"))
    for family in strategy.prompts or ():
        yield from _one_of("strategy.prompts", family, PROMPT_FAMILIES)
    if strategy.prompts == [] or (strategy.standard_only and STANDARD_FAMILY not in (strategy.prompts or ())):
        yield f"strategy.prompts: must name {'a family' if not strategy.prompts else STANDARD_FAMILY}"
    if strategy.examples is not None and not 0 <= strategy.examples <= 8:
        yield f"strategy.examples={strategy.examples}: must be a number from 0 to 8"
    if strategy.max_attempts is not None and not 1 <= strategy.max_attempts < math.inf:
        yield f"strategy.max_attempts={strategy.max_attempts:g}: must be 1 or more"
    if strategy.screening is not None:
        yield from _screening_problems(strategy.screening)
    yield from _one_of("generator.kind", generator.kind, ("transformers", "openai"))
    yield from _one_of("generator.form", generator.form, ("chat", "text"))
    yield from _one_of("generator.adapt", generator.adapt, ("none", "lora"))
    if generator.precision is not None:
        yield from _one_of("generator.precision", generator.precision, ("auto", "fp32", "bf16", "nf4"))
    if not 0 <= generator.temperature <= 5:
        yield f"generator.temperature={generator.temperature:g}: must be a number from 0 to 5"
    if not 0 < generator.top_p <= 1:
        yield f"generator.top_p={generator.top_p:g}: must be above 0 and at most 1"
    for name in ("batch_size", "max_new_tokens", "context", "concurrency", "no_repeat_ngram"):
        value = getattr(generator, name)
        if value is not None and value < 1:
            yield f"generator.{name}={value}: must be 1 or more"
    if generator.kind == "openai":
        for name in ("base_url", "api_key_variable", "concurrency", "timeout", "retries"):
            if getattr(generator, name) is None:
                yield f"generator.{name}: must be given for generator={generator.name}"
        if generator.adapt != "none":
            yield f"generator.adapt={generator.adapt}: a server's model cannot be fine-tuned from here"
    elif generator.adapt != "none" and generator.adaptation is None:
        yield f"generator.adaptation: must be given for generator.adapt={generator.adapt}"
    if generator.adaptation is not None and generator.adaptation.steps is not None and generator.adaptation.steps < 1:
        yield f"generator.adaptation.steps={generator.adaptation.steps}: must be 1 or more, or null"


def _screening_problems(screening: ScreeningConfig) -> Iterator[str]:
    for name in ("min_words", "max_words"):
        bound = getattr(screening, name)
        if bound is not None and bound < 1:
            yield f"strategy.screening.{name}={bound}: must be 1 or more, or null"
    low, high = screening.min_words, screening.max_words
    if low is not None and high is not None and low > high:
        yield f"strategy.screening.min_words={low}: must be no more than max_words={high}"
    for name in ("max_repetition", "max_copied", "similarity"):
        value = getattr(screening, name)
        if not 0 < value <= 1:
            yield f"strategy.screening.{name}={value:g}: must be above 0 and at most 1"
    if screening.max_compression <= 1:
        yield f"strategy.screening.max_compression={screening.max_compression:g}: must be above 1"


def _model_problems(config: ExperimentConfig) -> Iterator[str]:
    model, head, adapter = config.model, config.head, config.adapter
    yield from _one_of("model.kind", model.kind, ("transformer", *FITTED))
    if model.kind == "transformer":
        for group, choice in (("head", head.name), ("trainer", config.trainer.name)):
            if choice == "none":
                yield f"{group}=none: model={model.name} is a neural network and needs one"
        if not model.path:
            yield f"model.path: must be given for model={model.name}"
        if head.name != "none":
            yield from _one_of("head.pooling", head.pooling, ("last", "mean", "max", "cls"))
            yield from _one_of("head.start", head.start, ("probe", "frequencies"))
            if head.hidden is not None and head.hidden < 1:
                yield f"head.hidden={head.hidden}: must be 1 or more, or null"
            if head.fallback is not None:
                yield from _one_of("head.fallback", head.fallback, ("probe",))
                if head.fallback_margin is None or not 0 <= head.fallback_margin < 1:
                    yield f"head.fallback_margin={head.fallback_margin}: must be at least 0 and below 1"
            for name in ("start", "fallback"):
                if head.hidden is not None and getattr(head, name) == "probe":
                    other = "null" if name == "fallback" else "frequencies"
                    yield f"head.{name}=probe: a probe fits a linear head; set head.{name}={other} or head.hidden=null"
            if head.dropout is not None and not 0 <= head.dropout < 1:
                yield f"head.dropout={head.dropout:g}: must be at least 0 and below 1"
        if model.padding_side is not None:
            yield from _one_of("model.padding_side", model.padding_side, ("left", "right"))
    else:
        for group, choice in (("head", head.name), ("adapter", adapter.name)):
            if choice != "none":
                yield f"{group}={choice}: model={model.name} is no neural network and takes none; set {group}=none"
    if model.kind == "transformer" and model.attention is not None:
        yield from _one_of("model.attention", model.attention, ("sdpa", "eager"))
    yield from _one_of("head.name", head.name, ("embedding", "two_layer", "none"))
    yield from _one_of("adapter.name", adapter.name, ("full", "frozen", "lora", "qlora", "none"))
    yield from _loss_problems(config)
    yield from _one_of("tracking.name", config.tracking.name, ("mlflow", "server", "none"))
    if model.tfidf is not None:
        if min(model.tfidf.ngram_max, model.tfidf.min_df) < 1:
            yield "model.tfidf: ngram_max and min_df must be 1 or more"
        if model.tfidf.class_weight is not None:
            yield from _one_of("model.tfidf.class_weight", model.tfidf.class_weight, ("balanced",))
        if not 0 < model.tfidf.inverse_regularisation < math.inf:
            yield f"model.tfidf.inverse_regularisation={model.tfidf.inverse_regularisation:g}: must be above 0"
    if adapter.dropout is not None and not 0 <= adapter.dropout < 1:
        yield f"adapter.dropout={adapter.dropout:g}: must be at least 0 and below 1"
    if adapter.name in ("lora", "qlora") and model.kind == "transformer":
        if adapter.rank is None or adapter.rank < 1:
            yield f"adapter.rank={adapter.rank}: must be 1 or more"
        if adapter.alpha is None or not 0 < adapter.alpha < math.inf:
            yield f"adapter.alpha={adapter.alpha}: must be above 0"
        if adapter.name == "qlora":
            yield from _one_of("adapter.quantisation", adapter.quantisation, ("nf4", "fp4"))
        if not adapter.targets:
            yield f"adapter.targets: model={model.name} names no modules for LoRA; give adapter.targets=[…]"


def _loss_problems(config: ExperimentConfig) -> Iterator[str]:
    loss = config.loss
    yield from _one_of("loss.name", loss.name, LOSSES)
    if loss.name.endswith("cross_entropy") and config.data.task != "single_label":
        yield f"loss={loss.name}: needs data.task=single_label; with several labels a document use loss=bce"
    needed = {
        "focal": ("gamma",),
        "asymmetric": ("gamma", "gamma_negative", "clip"),
        "weighted_bce": ("power",),
        "weighted_cross_entropy": ("power",),
    }
    for name in needed.get(loss.name, ()):
        if getattr(loss, name) is None:
            yield f"loss.{name}=null: must be given for loss={loss.name}"
    for name in ("gamma", "gamma_negative", "power"):
        value = getattr(loss, name)
        if value is not None and not 0 <= value < math.inf:
            yield f"loss.{name}={value:g}: must be 0 or more"
    for name in ("alpha", "clip"):
        value = getattr(loss, name)
        if value is not None and not 0 <= value < 1:
            yield f"loss.{name}={value:g}: must be at least 0 and below 1"
    if loss.max_weight is not None and not loss.max_weight >= 1:
        yield f"loss.max_weight={loss.max_weight:g}: must be 1 or more"


def _trainer_problems(trainer: TrainerConfig) -> Iterator[str]:
    yield from _one_of("trainer.monitor", trainer.monitor, ("f1_micro", "f1_macro"))
    yield from _one_of("trainer.save_model", trainer.save_model, ("auto", "always", "never"))
    if trainer.precision is not None:
        yield from _one_of("trainer.precision", trainer.precision, ("auto", "fp32", "bf16"))
    if trainer.name != "none":
        optional: tuple[str, ...] = ("max_steps", "max_examples", "validations", "max_grad_norm", "patience")
        if trainer.max_steps is not None or trainer.max_examples is not None:
            optional += ("epochs",)
        for name, value in vars(trainer).items():
            if value is None and name not in optional:
                yield f"trainer.{name}=null: must be given"
        yield from _one_of("trainer.schedule", trainer.schedule, SCHEDULES)
    counts = ("epochs", "max_steps", "max_examples", "validations", "batch_size", "accumulation", "eval_batch_size")
    for name in (*counts, "max_length", "patience"):
        value = getattr(trainer, name)
        if value is not None and value < 1:
            yield f"trainer.{name}={value}: must be 1 or more"
    for name in ("learning_rate", "head_learning_rate", "max_grad_norm"):
        value = getattr(trainer, name)
        if value is not None and not 0 < value < math.inf:
            yield f"trainer.{name}={value:g}: must be above 0"
    step = (trainer.batch_size or 1) * (trainer.accumulation or 1)
    if trainer.max_examples is not None and 0 < trainer.max_examples < step:
        yield f"trainer.max_examples={trainer.max_examples}: a step takes {step}; lower trainer.batch_size"
    if trainer.weight_decay is not None and not 0 <= trainer.weight_decay < math.inf:
        yield f"trainer.weight_decay={trainer.weight_decay:g}: must be 0 or more"
    if trainer.warmup_share is not None and not 0 <= trainer.warmup_share < 1:
        yield f"trainer.warmup_share={trainer.warmup_share:g}: must be at least 0 and below 1"
