"""The configuration: a dataclass per group of ``conf/``, bounds on their fields, and the checks that span groups.

The values, and what each means, live in the YAML files; here are their types. Neither torch nor mlflow is imported.
A setting's default is its neutral value, at which nothing changes: the key of a run leaves it out, so that a setting
that is added later leaves every finished run finished.
"""

from patentlab.config.composed import Composition, from_hydra, from_settings, load_option, register
from patentlab.config.data import LEVELS, TEXT_FIELDS, UNLABELLED_POOL, DataConfig, SplitConfig, UnionConfig
from patentlab.config.evaluate import EvaluateConfig, HostileConfig, ObfuscatedConfig
from patentlab.config.experiment import CONTROL, LAYER_SETTINGS, ON_ERROR, RERUN, ExperimentConfig
from patentlab.config.folders import config_folder, data_folder
from patentlab.config.generator import AdaptationConfig, GeneratorConfig
from patentlab.config.head import (
    HeadConfig,
    InstructionHeadConfig,
    JointHeadConfig,
    LabelSimilarityHeadConfig,
    MultiTaskHeadConfig,
    PromptedHeadConfig,
    TokenHeadConfig,
    Wording,
)
from patentlab.config.merging import APART, OF_ADAPTERS, MergeConfig
from patentlab.config.mixture import (
    LABEL_TEXTS,
    ORDERINGS,
    PROMPT_FAMILIES,
    REGIME_PATTERN,
    STANDARD_FAMILY,
    MixConfig,
    RegimeConfig,
    ScreeningConfig,
    StrategyConfig,
)
from patentlab.config.model import (
    FITTED,
    AdapterConfig,
    LossConfig,
    ModelConfig,
    RecommendedSettings,
    TfidfConfig,
)
from patentlab.config.problems import RequestError, closest
from patentlab.config.seeds import SEED_SOURCES, SeedsConfig, seeds_of
from patentlab.config.trainer import SCHEDULES, UNTRAINED, TrackingConfig, TrainerConfig

__all__ = [
    "APART",
    "CONTROL",
    "FITTED",
    "LABEL_TEXTS",
    "LAYER_SETTINGS",
    "LEVELS",
    "OF_ADAPTERS",
    "ON_ERROR",
    "ORDERINGS",
    "PROMPT_FAMILIES",
    "REGIME_PATTERN",
    "RERUN",
    "SCHEDULES",
    "SEED_SOURCES",
    "STANDARD_FAMILY",
    "TEXT_FIELDS",
    "UNLABELLED_POOL",
    "UNTRAINED",
    "AdaptationConfig",
    "AdapterConfig",
    "Composition",
    "DataConfig",
    "EvaluateConfig",
    "ExperimentConfig",
    "GeneratorConfig",
    "HeadConfig",
    "HostileConfig",
    "InstructionHeadConfig",
    "JointHeadConfig",
    "LabelSimilarityHeadConfig",
    "LossConfig",
    "MergeConfig",
    "MixConfig",
    "ModelConfig",
    "MultiTaskHeadConfig",
    "ObfuscatedConfig",
    "PromptedHeadConfig",
    "RecommendedSettings",
    "RegimeConfig",
    "RequestError",
    "ScreeningConfig",
    "SeedsConfig",
    "SplitConfig",
    "StrategyConfig",
    "TfidfConfig",
    "TokenHeadConfig",
    "TrackingConfig",
    "TrainerConfig",
    "UnionConfig",
    "Wording",
    "closest",
    "config_folder",
    "data_folder",
    "from_hydra",
    "from_settings",
    "load_option",
    "register",
    "seeds_of",
]
