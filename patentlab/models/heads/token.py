"""The token head: a vector a word, that of its first or last token, and one or two linear layers: a tag a word."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from patentlab.config import LossConfig, RequestError, TokenHeadConfig
from patentlab.config.registry import HEADS
from patentlab.corpus import Examples, as_array
from patentlab.losses import Loss
from patentlab.losses.answer import IGNORED
from patentlab.models.heads import Head
from patentlab.tasks import Task

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedTokenizerBase

    from patentlab.models.batching import Item
    from patentlab.models.network import Network

UNREAD = -1  # the place of a word without a token


@HEADS.add("token", settings=TokenHeadConfig)
class TokenHead(Head):
    """A logit a tag, of the vector of each word. Words are what stands between white space.

    Attributes:
        before_words: Vectors that its layers read before those of words.

    A text is tokenised whole, and words are found by the offsets of tokens: a tokenizer that was given words apart
    would glue some of them, or cut them otherwise than in running text.
    """

    default_task: ClassVar[str] = "tagging"
    tags_words: ClassVar[bool] = True
    labels_documents: ClassVar[bool] = False
    reads_words: ClassVar[bool] = True
    before_words: ClassVar[int] = 0
    config: TokenHeadConfig

    def __init__(
        self, config: TokenHeadConfig, task: Task, tokenizer: PreTrainedTokenizerBase, max_length: int
    ) -> None:
        super().__init__(config, task, tokenizer, max_length)
        if not tokenizer.is_fast:
            raise RequestError(
                f"head={config.name}: needs a fast tokenizer, which knows where its tokens stand in a text"
            )
        self.classes = 2 * len(self.types) + 1

    @property
    def types(self) -> tuple[str, ...]:
        """Of tags."""
        return self.task.labels.names

    def layers(self, width: int) -> nn.Module:
        """One linear layer, or two where ``head.hidden`` is given."""
        from patentlab.models.linear import LinearLayers

        return LinearLayers(width, self.classes, self.config.dropout or 0.0, self.config.hidden)

    def items(self, texts: Sequence[str]) -> list[Item]:
        """Tokens of each text, and ``words``: the place of each word's token among them, -1 where it has none."""
        encoded = self.tokenizer(list(texts), truncation=True, max_length=self.max_length, return_offsets_mapping=True)
        filler = self.tokenizer.eos_token_id if self.tokenizer.eos_token_id is not None else self.tokenizer.pad_token_id
        found = []
        for text, ids, offsets in zip(texts, encoded["input_ids"], encoded["offset_mapping"], strict=True):
            places = word_places(text, offsets, last=self.config.subword == "last")
            item = {"input_ids": ids or [filler], "attention_mask": [1] * max(len(ids), 1), "words": places}
            found.append(item | {"rows": len(places) + self.before_words})
        return found

    def examples(self, examples: Examples, loss: Loss, *, training: bool) -> list[Item]:
        """Items with a tag's number for each word that is read, and -100 for the others."""
        return [
            {**item, "labels": np.where(item["words"] == UNREAD, IGNORED, tags)}
            for item, tags in zip(self.items(examples.texts), examples.targets, strict=True)
        ]

    def collate(self, items: Sequence[Item]) -> dict[str, Tensor]:
        """Padded tokens, ``words`` and ``labels`` of shape ``(documents, words)``."""
        import torch

        from patentlab.models.batching import Collator

        tokens = [{name: item[name] for name in ("input_ids", "attention_mask")} for item in items]
        batch = Collator(self.tokenizer)(tokens)
        words = padded([item["words"] for item in items], UNREAD)
        if self.tokenizer.padding_side == "left":
            longest = batch["input_ids"].shape[1]
            shift = np.array([[longest - len(item["input_ids"])] for item in items])
            words = np.where(words == UNREAD, UNREAD, words + shift)
        batch["words"] = torch.from_numpy(words)
        if "labels" in items[0]:
            batch["labels"] = torch.from_numpy(padded([item["labels"] for item in items], IGNORED))
        return batch

    def start(self, layers: Any, targets: NDArray[Any]) -> None:
        """Tags are predicted at their shares: nearly all words are outside, which would have to be learned first."""
        import torch

        layers.start_from_shares(torch.from_numpy(self._one_hot(targets).mean(axis=0, dtype=np.float32)))

    def loss(self, config: LossConfig, targets: NDArray[Any] | None) -> Loss:
        """That which was asked for; it takes its weights from words, not documents."""
        return super().loss(config, None if targets is None else self._one_hot(targets))

    def _one_hot(self, targets: NDArray[Any]) -> NDArray[np.int8]:
        """Zeros and ones of shape ``(words, tags)``, of all documents."""
        numbers = np.concatenate([np.asarray(row) for row in targets])
        return np.asarray(np.eye(self.classes, dtype=np.int8)[numbers])

    def standardise(self, layers: Any, items: Sequence[Item]) -> None:
        """All words count the same."""
        import torch

        layers.standardise(torch.from_numpy(np.concatenate(read_vectors(items))))

    def word_vectors(self, network: Network, batch: Mapping[str, Tensor]) -> Tensor:
        """What the layers read: shape ``(documents, words, width)``."""
        return self.at_words(network.hidden(batch["input_ids"], batch["attention_mask"]), batch["words"])

    @staticmethod
    def at_words(hidden: Tensor, places: Tensor) -> Tensor:
        """Hidden states at the places of words: shape ``(documents, words, width)``; any, of words without a token."""
        return hidden.gather(1, places.clamp(min=0).unsqueeze(-1).expand(-1, -1, hidden.shape[-1]))

    def logits(self, network: Network, batch: Mapping[str, Tensor]) -> Tensor:
        """Shape ``(documents, words, tags)``; of words without a token they mean nothing."""
        logits: Tensor = network.head(self.word_vectors(network, batch))
        return logits

    def outputs(self, logits: Tensor, items: Sequence[Item] | None, loss: Loss) -> NDArray[Any]:
        """Probabilities of each document's words, NaN for words without a token: an array of arrays."""
        assert items is not None
        found = []
        for rows, item in zip(loss.probabilities(logits).numpy(), items, strict=True):
            places = np.asarray(item["words"])
            own = rows[: len(places)].copy()
            own[places == UNREAD] = np.nan
            found.append(own)
        return as_array(found)


def read_vectors(items: Sequence[Item], before_words: int = 0) -> list[NDArray[Any]]:
    """Vectors of the words of documents; what stands for a word that is not read is no word.

    Args:
        items: With ``features`` and ``labels``.
        before_words: Vectors to leave out, which stand before those of words.

    Returns:
        Of each document, shape ``(words, width)``.
    """
    return [item["features"][before_words:][item["labels"][before_words:] != IGNORED] for item in items]


def word_places(text: str, offsets: Sequence[tuple[int, int]], *, last: bool = False) -> NDArray[np.int64]:
    """The place of each word's token.

    Args:
        text: Words with white space between.
        offsets: Of its tokens, first character and the one behind the last; ``(0, 0)`` of special ones.
        last: Take each word's last token instead of its first.

    Returns:
        Shape ``(words,)``; -1 where no token has a character of the word, or where its last one was cut off and wanted.
    """
    found, token = [], 0
    final = max((place for place, (_, end) in enumerate(offsets) if end), default=UNREAD)
    for word in re.finditer(r"\S+", text):
        while token < len(offsets) and offsets[token][1] <= word.start():
            token += 1  # special ones end at 0
        inside = []
        following = token
        while following < len(offsets) and (offsets[following][0] < word.end()):
            if offsets[following][1] > word.start():
                inside.append(following)
            following += 1
        cut = last and bool(inside) and offsets[inside[-1]][1] < word.end() and inside[-1] == final
        found.append((inside[-1] if last else inside[0]) if inside and not cut else UNREAD)
    return np.array(found, dtype=np.int64)


def padded(rows: Sequence[Any], fill: int) -> NDArray[np.int64]:
    """Rows of numbers in one array.

    Args:
        rows: Of any lengths.
        fill: What shorter ones are filled with, on the right.

    Returns:
        Shape ``(rows, longest)``; at least one column.
    """
    found = np.full((len(rows), max(1, max(map(len, rows), default=1))), fill, dtype=np.int64)
    for number, row in enumerate(rows):
        found[number, : len(row)] = row
    return found


def collate_words(items: Sequence[Item]) -> dict[str, Tensor]:
    """A batch of vectors of words: ``features`` of shape ``(documents, words, width)``, and ``labels``."""
    import torch

    labels = torch.from_numpy(padded([item["labels"] for item in items], IGNORED))
    features = torch.zeros(*labels.shape, items[0]["features"].shape[1])
    for row, item in zip(features, items, strict=True):
        row[: len(item["features"])] = torch.from_numpy(item["features"])
    return {"features": features, "labels": labels}
