"""What is asked must be answered: data, task, head and evaluation have to go together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from patentlab.config.data import UnionConfig
from patentlab.config.head import MultiTaskHeadConfig
from patentlab.config.merging import APART
from patentlab.config.registry import HEADS, SOURCES, STRATEGIES, TASKS

if TYPE_CHECKING:
    from patentlab.config.experiment import ExperimentConfig

_GIVEN = {(True, False): "tags of words", (False, True): "labels of documents", (True, True): "both labels and tags"}


def check_task(config: ExperimentConfig) -> Iterator[str]:
    """Whether the head answers what the task asks, and the data have what it asks for.

    Args:
        config: With its task decided.

    Yields:
        A line per problem.
    """
    data, task = config.data, TASKS.get(str(config.data.task)) if config.data.task in TASKS else None
    if task is None:
        return
    head = HEADS.get(config.head.name) if config.head.name in HEADS else None
    yield from _check_several(config, task.several, head is not None and head.several)
    gives = ((False, True),) if head is None else head.gives()
    wanted = task.tags_words, task.labels_documents
    if wanted not in gives and not task.several:
        heads = (name for name, head in HEADS.items() if wanted in head.gives() and not head.several)
        yield (
            f"data.task={task.name}: asks for {_GIVEN[wanted]}, and {_answerer(config)} gives {_GIVEN[gives[0]]}; "
            f"set head={' or '.join(sorted(heads))}, or data.task=null"
        )
    if task.labels_documents and data.name in SOURCES and not SOURCES.get(data.name).labels and not task.several:
        yield f"data={data.name}: words have tags there, and documents no labels; set head=token"
    if not task.tags_words:
        return
    yield from config.head.check_tags(beside_labels=task.labels_documents)
    if data.name in SOURCES and not SOURCES.get(data.name).tags:
        tagged = ", ".join(sorted(name for name, source in SOURCES.items() if source.tags))
        yield f"data={data.name}: its words have no tags; those that have are {tagged}"
    if config.mix.ordering == "ensemble":
        yield f"mix=ensemble: averages probabilities of labels, and data.task={task.name} has tags"
    if data.mask_labels:
        yield "data.mask_labels: takes words out of texts, and leaves their tags; set it to false"
    strategy = STRATEGIES.get(config.strategy_used) if config.strategy_used in STRATEGIES else None
    if strategy is not None and strategy.adds and not strategy.copies:
        copies = ", ".join(sorted(name for name, other in STRATEGIES.items() if other.adds and other.copies))
        yield f"strategy={config.strategy.name}: writes texts without tags; for tagged words: {copies}"


def _check_several(config: ExperimentConfig, asked: bool, answered: bool) -> Iterator[str]:
    """Several tasks are asked for by data, task and head alike, or by none of them."""
    parts = config.data.parts if isinstance(config.data, UnionConfig) else None
    if parts is None and (asked or answered):
        what = f"head={config.head.name}" if answered else f"data.task={config.data.task}"
        yield f"{what}: is for several data sets, and data={config.data.name} is one; set data=union"
    elif parts is not None and not (asked and answered):
        several = ", ".join(sorted(name for name, head in HEADS.items() if head.several))
        yield f"data=union: has a task for each part, and {_answerer(config)} answers one; set head={several}"
    if parts is not None and isinstance(config.head, MultiTaskHeadConfig):
        for name in config.head.weights:
            if name not in parts:
                yield f"head.weights.{name}: data=union has no such part; allowed are {', '.join(parts)}"
        if config.head.batches == "even" and config.mix.ordering == "curriculum":
            yield "head.batches=even: mix=curriculum says itself in which order documents come"


def check_evaluation(config: ExperimentConfig) -> Iterator[str]:
    """Whether an evaluation goes with data and task.

    Args:
        config: With its task decided.

    Yields:
        A line per problem.
    """
    yield from config.evaluate.check()
    name, source = config.evaluate.name, SOURCES.get(config.data.name) if config.data.name in SOURCES else None
    if name == "obfuscated":
        if source is not None and source.rewritten is None:
            yield (
                f"evaluate=obfuscated: data={config.data.name} cannot tell what to obfuscate; set evaluate=none, or "
                "data=injection"
            )
        if config.data.task != "detection":
            yield (
                f"evaluate=obfuscated: measures alarms, and data.task={config.data.task} has none; set detection, or "
                "evaluate=none"
            )
    elif name == "hostile" and config.data.task in TASKS:
        task = TASKS.get(str(config.data.task))
        if task.tags_words or not task.labels_documents:
            yield f"evaluate=hostile: asks for labels of documents, and data.task={task.name} has tags"


def check_merge(config: ExperimentConfig) -> Iterator[str]:
    """Whether head and adapter go with merged runs.

    Args:
        config: With its task decided.

    Yields:
        A line per problem.
    """
    merge, adapter = config.model.merge, config.adapter.name
    if not merge.runs or config.head.name not in HEADS:
        return
    if adapter == "qlora":
        yield "adapter=qlora: what is merged is folded into the weights, which 4 bits would round; set adapter=lora"
    if merge.method == APART:
        parts = HEADS.get(config.head.name).layers_of
        if adapter != "none":
            yield f"adapter={adapter}: adapters that stand apart are not trained on; set adapter=none"
        if len(parts) < 2:
            yield f"model.merge.method={APART}: head={config.head.name} reads a document once; set head=joint"
        elif len(merge.runs) != len(parts):
            yield f"model.merge.method={APART}: takes a run for each of {', '.join(parts.values())}"


def _answerer(config: ExperimentConfig) -> str:
    return f"model={config.model.name}" if config.is_fitted else f"head={config.head.name}"
