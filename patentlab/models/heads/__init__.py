"""How a backbone answers.

A head of your own is a class that registers itself under the name that its file in ``conf/head/`` has:

    @HEADS.add("token", settings=TokenHeadConfig)
    class TokenHead(Head):
        ...

``settings`` is a dataclass that extends :class:`patentlab.config.HeadConfig` by what only this head has. Torch is
imported where it is used: that a name is known is checked before anything heavy is loaded.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from numpy.typing import NDArray

from patentlab.config import HeadConfig, LossConfig
from patentlab.config.registry import HEADS
from patentlab.corpus import Examples
from patentlab.losses import Loss, build_loss
from patentlab.tasks import Task

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedTokenizerBase

    from patentlab.models.batching import Item
    from patentlab.models.network import Network


class Head(ABC):
    """What a batch is made of, the forward pass, the loss, and how outputs are read.

    Everything but the layers and the forward pass has a default, which suits one text and one forward pass a document.

    Args:
        config: The head group.
        task: What is asked.
        tokenizer: Of the backbone.
        max_length: Tokens of a text at most.

    Attributes:
        default_task: The task that it answers, where ``data.task`` does not say.
        default_loss: What is minimised, where ``loss=null``; None for the task's own.
        language_model: Whether it needs the backbone with the head that predicts tokens, and not its hidden states.
        own_layers: Whether it has weights of its own, which a frozen backbone leaves to be trained.
        answers_untrained: Whether it answers where nothing was trained (``adapter=none``).
        writes: Whether it learns the tokens of an answer, and takes a loss of tokens.
        tags_words: Whether it gives tags to words.
        labels_documents: Whether it gives labels to documents.
        several: Whether it answers a task for each of several data sets.
        even: Whether batches hold each of these as often, whatever they have of documents.
        reads_words: Whether its layers read a vector a word, as of :meth:`word_vectors`: then those of frozen backbones
            are computed once a run.
        linear: Whether it can be a linear classifier on vectors: one that was fitted, or that a loss compares.
        pooling: How hidden states become the one vector a document that is all the layers see: then vectors of frozen
            backbones are kept in the cache, and a probe can be fitted on them. None where they see more, or other.
        layers_of: Where its layers are those of other heads: the prefix of their names → the head, by its name.
        words: What stands for each label, where it is asked about in words.
    """

    default_task: ClassVar[str] = "multi_label"
    default_loss: ClassVar[str | None] = None
    language_model: ClassVar[bool] = False
    own_layers: ClassVar[bool] = True
    answers_untrained: ClassVar[bool] = False
    writes: ClassVar[bool] = False
    tags_words: ClassVar[bool] = False
    labels_documents: ClassVar[bool] = True
    several: ClassVar[bool] = False
    even: bool = False
    reads_words: ClassVar[bool] = False
    linear: ClassVar[bool] = False
    layers_of: ClassVar[Mapping[str, str]] = {}
    pooling: str | None = None
    words: tuple[str, ...] = ()

    def __init__(self, config: HeadConfig, task: Task, tokenizer: PreTrainedTokenizerBase, max_length: int) -> None:
        self.config, self.task, self.tokenizer, self.max_length = config, task, tokenizer, max_length

    @classmethod
    def gives(cls) -> tuple[tuple[bool, bool], ...]:
        """What it can give: whether words get tags, and whether documents get labels; in pairs."""
        return ((cls.tags_words, cls.labels_documents),)

    @classmethod
    def answering(cls, task: Task) -> type[Head]:
        """The class that answers a task: itself, where there is no other for it."""
        return cls

    @abstractmethod
    def layers(self, width: int) -> nn.Module:
        """Fresh weights of the head's own; an ``nn.Identity`` where it has none.

        Args:
            width: Of the backbone's hidden states.
        """

    @abstractmethod
    def logits(self, network: Network, batch: Mapping[str, Tensor]) -> Tensor:
        """The forward pass.

        Args:
            network: The backbone, to be read by :meth:`patentlab.models.network.Network.read`, and :meth:`layers`.
            batch: As of :meth:`collate`, without labels.

        Returns:
            First axis documents.
        """

    def word_vectors(self, network: Network, batch: Mapping[str, Tensor]) -> Tensor:
        """What layers read that read a vector a word.

        Args:
            network: The backbone.
            batch: As of :meth:`collate`.

        Returns:
            Shape ``(documents, words, width)``.
        """
        raise NotImplementedError

    def standardise(self, layers: Any, items: Sequence[Item]) -> None:
        """Fix the statistics of layers that read a vector a word.

        Args:
            layers: As of :meth:`layers`.
            items: Of the training documents, with ``features``, as of :meth:`word_vectors`.
        """
        raise NotImplementedError

    def parts(self, items: Sequence[Item]) -> NDArray[Any] | None:
        """The data set that each item is of, where there are several, and batches mix them.

        Args:
            items: As of :meth:`examples`.

        Returns:
            Numbers from 0, shape ``(items,)``; None where there is one.
        """
        return None

    def items(self, texts: Sequence[str]) -> list[Item]:
        """What the network is asked of each text.

        Args:
            texts: Any number.

        Returns:
            An item per text, with ``input_ids`` and ``attention_mask``.
        """
        from patentlab.models.batching import tokenise

        return tokenise(texts, self.tokenizer, self.max_length)

    def examples(self, examples: Examples, loss: Loss, *, training: bool) -> list[Item]:
        """What the network learns from, or is validated on.

        Args:
            examples: Texts and targets.
            loss: What is minimised.
            training: Whether it is learned from: a head that scores whole answers learns from the right one alone.

        Returns:
            An item per text, with ``labels``.
        """
        from patentlab.models.batching import with_labels

        return with_labels(self.items(examples.texts), loss.encode_examples(examples))

    def collate(self, items: Sequence[Item]) -> dict[str, Tensor]:
        """A batch of items, padded.

        Args:
            items: As of :meth:`items` or :meth:`examples`.

        Returns:
            Tensors whose first axis is documents.
        """
        from patentlab.models.batching import Collator

        return Collator(self.tokenizer)(items)

    def loss(self, config: LossConfig, targets: NDArray[Any] | None) -> Loss:
        """What is minimised.

        Args:
            config: The loss group.
            targets: Of the training documents, in the form of the task; None where nothing is trained.

        Returns:
            A loss of logits and labels, summed.
        """
        loss = build_loss(config, targets)
        loss.one_label = self.task.one_label
        return loss

    def start(self, layers: Any, targets: NDArray[Any]) -> None:  # noqa: B027  # most heads need none
        """Prepare fresh layers, before anything is trained.

        Args:
            layers: As of :meth:`layers`.
            targets: Of the training documents, in the form of the task.
        """

    def prepare(self, examples: Examples, seed: int) -> Examples:
        """Take what is needed from the training documents, before anything is trained.

        Args:
            examples: Of training.
            seed: Of what is drawn.

        Returns:
            Those that are left to be learned from.
        """
        return examples

    def see(self, layers: Any, vectors: Callable[[Sequence[str]], NDArray[Any]]) -> None:  # noqa: B027
        """Take what is needed from the backbone: as it was loaded, and again once it is trained.

        Args:
            layers: As of :meth:`layers`.
            vectors: Texts → pooled vectors, shape ``(texts, width)``.
        """

    def calibrate(  # noqa: B027
        self, logits: Callable[[Sequence[str]], NDArray[Any]], texts: Sequence[str]
    ) -> None:
        """Adjust how logits are read, once all is trained.

        Args:
            logits: Texts → logits as of :meth:`logits`.
            texts: Of the training documents.
        """

    def state(self) -> dict[str, Any]:
        """What :meth:`prepare` and :meth:`calibrate` found, as JSON holds it."""
        return {}

    def restore(self, state: Mapping[str, Any]) -> None:  # noqa: B027
        """Put back what :meth:`state` gave."""

    def outputs(self, logits: Tensor, items: Sequence[Item] | None, loss: Loss) -> NDArray[Any]:
        """What the task reads.

        Args:
            logits: As of :meth:`logits`, in fp32 and on the CPU; batches may have been padded to the longest.
            items: That they are of; None for vectors of a head with :attr:`pooling`.
            loss: Says what logits mean.

        Returns:
            Outputs in the form of the task, first axis documents.
        """
        return loss.probabilities(logits).numpy()


def build_head(config: HeadConfig, task: Task, tokenizer: PreTrainedTokenizerBase, max_length: int) -> Head:
    """The head that a configuration names.

    Args:
        config: The head group.
        task: What is asked.
        tokenizer: Of the backbone.
        max_length: Tokens of a text at most.

    Returns:
        The head.

    Raises:
        RequestError: No head has the name.
    """
    kind: type[Head] = HEADS.get(config.name)
    return kind.answering(task)(config, task, tokenizer, max_length)
