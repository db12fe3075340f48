"""Tags in words: what the instruction head answers where words are tagged, alone or beside a label."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from patentlab.config import InstructionHeadConfig, LossConfig, RequestError, Wording
from patentlab.corpus import OUTSIDE, Examples, LabelSpace, as_array, as_pairs, derive_seed
from patentlab.language_models.questions import Question, Shot, answer_tokens
from patentlab.language_models.spans import Reading, answer_of, names_for, pieces_of, read_entities
from patentlab.losses import Loss
from patentlab.losses.answer import AnswerLoss
from patentlab.models.heads import Head
from patentlab.models.heads.instruction import InstructionHead
from patentlab.models.heads.prompted import PromptedHead, beside, stratified
from patentlab.tasks import Task
from patentlab.tasks.documents import SingleLabel
from patentlab.tasks.tagging import Tagging

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedTokenizerBase

    from patentlab.models.batching import Item
    from patentlab.models.network import Network

_NO_TOKEN = -1  # behind an answer's last one
_TAG = "tag_"  # what a batch has of the second question


class TagsInWords(PromptedHead):
    """Writes each entity's type and words, in the order of the text, and finds the words in the text again."""

    default_task: ClassVar[str] = "tagging"
    default_loss: ClassVar[str | None] = "answer"
    writes: ClassVar[bool] = True
    tags_words: ClassVar[bool] = True
    labels_documents: ClassVar[bool] = False
    config: InstructionHeadConfig

    def __init__(
        self, config: InstructionHeadConfig, task: Task, tokenizer: PreTrainedTokenizerBase, max_length: int
    ) -> None:
        if not tokenizer.is_fast:
            raise RequestError(
                f"head={config.name}: tags need a fast tokenizer, which knows where its tokens stand in a text"
            )
        self.tags = (OUTSIDE, *(f"{letter}-{name}" for name in task.labels.names for letter in "BI"))
        super().__init__(config, task, tokenizer, max_length)

    def of_several(self) -> str:
        """The wording that asks for tags."""
        return "tags"

    def choose_words(self) -> tuple[str, ...]:
        """The types' names."""
        return tuple(names_for(self.task.labels.names))

    def compose(self, wording: Wording, shots: Sequence[Shot]) -> Question:
        """Types are listed line by line."""
        return self.compose_with(wording, shots, "\n".join(self.words))

    def longest_answer(self) -> int:
        """As many tokens as may be written."""
        return self.config.tag_tokens

    def strata(self, targets: NDArray[Any]) -> NDArray[np.int8]:
        """The types in each document, and whether there is none."""
        found = np.zeros((len(targets), len(self.task.labels) + 1), dtype=np.int8)
        for row, numbers in zip(found, targets, strict=True):
            places = {(number - 1) // 2 for number in numbers if number} or {-1}
            row[list(places)] = 1
        return found

    def _shot(self, text: str, target: NDArray[Any], number: int) -> Shot:
        cut = self.tokenizer(
            text, add_special_tokens=False, truncation=True, max_length=self.config.shot_length,
            return_offsets_mapping=True,
        )  # fmt: skip
        shown = text[: max((end for _, end in cut["offset_mapping"]), default=0)]
        words = _words(text, len(shown))
        return Shot(shown, "", answer_of(self._pieces(words, target)))

    def _pieces(self, words: Sequence[str], target: NDArray[Any]) -> list[str]:
        """What is right to write: nothing of entities of which words are not shown."""
        tags = [self.tags[number] for number in target]
        cut = len(words)
        if len(tags) > cut and tags[cut].startswith("I-"):  # the entity began before
            while cut and tags[cut].startswith("I-"):
                cut -= 1
        return pieces_of(words, tags[:cut], dict(zip(self.task.labels.names, self.words, strict=True)))

    def _answer(self, words: Sequence[str], target: NDArray[Any]) -> list[int]:
        """The right answer's tokens with its end: as many entities as there is room for, each of them whole."""
        pieces = self._pieces(words, target)
        while True:
            answer = answer_tokens(self.tokenizer, self.question, answer_of(pieces))
            if len(answer) <= self.config.tag_tokens or not pieces:
                return answer
            pieces.pop()

    def items(self, texts: Sequence[str]) -> list[Item]:
        """Tokens behind the prefix; ``words`` that they show whole, and how many words each text has."""
        encoded = self._encoded(texts, offsets=True)
        found = []
        for text, ids, offsets in zip(texts, encoded["input_ids"], encoded["offset_mapping"], strict=True):
            end = max((last for _, last in offsets), default=0) - len(self.question.space)
            row = [*ids, *self.question.middle]
            item = {"input_ids": row, "attention_mask": [1] * len(row), "words": _words(text, end)}
            found.append(item | {"count": len(text.split())})
        return found

    def examples(self, examples: Examples, loss: Loss | None, *, training: bool) -> list[Item]:
        """Of training documents the tokens of the right answer; validation documents are answered."""
        found: list[Item] = []
        for item, target in zip(self.items(examples.texts), examples.targets, strict=True):
            if not training:
                found.append(item | {"labels": np.zeros(1, dtype=np.float32)})
                continue
            answer = self._answer(item["words"], target)
            row = [*item["input_ids"], *answer[:-1]]
            answered = {"input_ids": row, "attention_mask": [1] * len(row), "labels": np.array(answer)}
            found.append({**item, **answered, "answered": True})
        return found

    def loss(self, config: LossConfig, targets: NDArray[Any] | None) -> Loss:
        """Of tokens; what is written of validation documents has none."""
        return _written(super().loss(config, None))

    def logits(self, network: Network, batch: Mapping[str, Tensor]) -> Tensor:
        """Of training documents those of the answer's tokens, ``(documents, tokens, vocabulary)``.

        Of others the tokens that are written, ``(documents, head.tag_tokens)``, -1 behind the last.
        """
        import torch

        ids, mask = batch["input_ids"], batch["attention_mask"]
        if "answered" in batch:
            return self.read(network, ids, mask, last=int(batch["answered"].max()))
        found = torch.full((len(ids), self.config.tag_tokens), float(_NO_TOKEN), device=ids.device)
        for row, tokens in zip(found, self.write(network, ids, mask, self.config.tag_tokens), strict=True):
            row[: len(tokens)] = torch.tensor(tokens, dtype=row.dtype, device=row.device)
        return found

    def read_answer(self, answer: str, words: Sequence[str]) -> Reading:
        """Tags of what was written.

        Args:
            answer: As it was written.
            words: Of the document, those that were shown.
        """
        return read_entities(answer, words, dict(zip(self.words, self.task.labels.names, strict=True)))

    def outputs(self, logits: Tensor, items: Sequence[Item] | None, loss: Loss) -> NDArray[Any]:
        """Ones at the tags that were written, NaN for words that were not shown: an array of arrays.

        Where pieces of an answer could not be read, 1 / (1 + their number) instead of ones.
        """
        assert items is not None
        number, found = {tag: place for place, tag in enumerate(self.tags)}, []
        for row, item in zip(logits.long().tolist(), items, strict=True):
            reading = self.read_answer(self.in_words([token for token in row if token >= 0]), item["words"])
            own = np.full((item["count"], len(self.tags)), np.nan, dtype=np.float32)
            own[: len(reading.tags)] = 0
            own[range(len(reading.tags)), [number[tag] for tag in reading.tags]] = reading.certainty
            found.append(own)
        return as_array(found)


class LabelAndTagsInWords(Head):
    """Two questions a document: for its label, scored or written, and for its tags, written.

    A step learns from both answers of each of its documents; all of their tokens count the same.
    """

    default_task: ClassVar[str] = "joint"
    default_loss: ClassVar[str | None] = "answer"
    language_model: ClassVar[bool] = True
    own_layers: ClassVar[bool] = False
    answers_untrained: ClassVar[bool] = True
    writes: ClassVar[bool] = True
    tags_words: ClassVar[bool] = True
    config: InstructionHeadConfig

    def __init__(
        self, config: InstructionHeadConfig, task: Task, tokenizer: PreTrainedTokenizerBase, max_length: int
    ) -> None:
        super().__init__(config, task, tokenizer, max_length)
        self.of_label = InstructionHead(config, SingleLabel(task.labels), tokenizer, max_length)
        types = Tagging(LabelSpace(task.labels.types))
        self.of_tags = TagsInWords(replace(config, answer=None), types, tokenizer, max_length)
        self.words = self.of_label.words

    def layers(self, width: int) -> nn.Module:
        """None."""
        return self.of_label.layers(width)

    def _parts(self, examples: Examples) -> tuple[Examples, Examples]:
        """Those of either question."""
        numbers, tags = examples.targets[:, 0].astype(int), as_array(list(examples.targets[:, 1]))
        one_hot = np.eye(len(self.task.labels), dtype=np.int8)[numbers]
        return replace(examples, targets=one_hot), replace(examples, targets=tags)

    def prepare(self, examples: Examples, seed: int) -> Examples:
        """Draw the shots, the same documents for both questions, stratified over labels."""
        if not self.config.shots:
            return examples
        of_label, of_tags = self._parts(examples)
        chosen = stratified(of_label.targets, self.config.shots, derive_seed(seed, "shots"))
        self.of_label.show(of_label, chosen)
        self.of_tags.show(of_tags, chosen)
        return beside(examples, chosen)

    def items(self, texts: Sequence[str]) -> list[Item]:
        """Items of the question for the label, with those of the other as ``tags``."""
        return [
            {**one, "tags": other}
            for one, other in zip(self.of_label.items(texts), self.of_tags.items(texts), strict=True)
        ]

    def examples(self, examples: Examples, loss: Loss, *, training: bool) -> list[Item]:
        """Likewise, with the right answers where they are learned from."""
        of_label, of_tags = self._parts(examples)
        return [
            {**one, "tags": other}
            for one, other in zip(
                self.of_label.examples(of_label, loss, training=training),
                self.of_tags.examples(of_tags, loss, training=training),
                strict=True,
            )
        ]

    def collate(self, items: Sequence[Item]) -> dict[str, Tensor]:
        """Both batches side by side; ``labels`` are the tokens of both answers."""
        import torch

        batch = self.of_label.collate(items)
        other = self.of_tags.collate([item["tags"] for item in items])
        if "answered" in batch:
            batch["labels"] = torch.cat([batch["labels"], other["labels"]], dim=1)
        other.pop("labels", None)
        return batch | {f"{_TAG}{name}": tensor for name, tensor in other.items()}

    def loss(self, config: LossConfig, targets: NDArray[Any] | None) -> Loss:
        """Of tokens; what is written of validation documents has none."""
        return _written(super().loss(config, None))

    def logits(self, network: Network, batch: Mapping[str, Tensor]) -> Tensor:
        """Those of both questions, side by side."""
        import torch

        other = {name.removeprefix(_TAG): tensor for name, tensor in batch.items() if name.startswith(_TAG)}
        both = [self.of_label.logits(network, batch), self.of_tags.logits(network, other)]
        return torch.cat([both[0].to(both[1].device, both[1].dtype), both[1]], dim=1)

    def outputs(self, logits: Tensor, items: Sequence[Item] | None, loss: Loss) -> NDArray[Any]:
        """Probabilities of labels, and what was written of tags: an array of two columns."""
        assert items is not None
        count = len(self.task.labels)
        labels = self.of_label.outputs(logits[:, :count], None, loss)
        tags = self.of_tags.outputs(logits[:, count:], [item["tags"] for item in items], loss)
        return as_pairs(list(labels), list(tags))

    def state(self) -> dict[str, Any]:
        """Of both questions."""
        return {"label": self.of_label.state(), "tags": self.of_tags.state()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Put back what :meth:`state` gave."""
        self.of_label.restore(state["label"])
        self.of_tags.restore(state["tags"])
        self.words = self.of_label.words


def _words(text: str, end: int) -> list[str]:
    """The words of a text that are whole before a character of it."""
    return [word.group() for word in re.finditer(r"\S+", text) if word.end() <= end]


def _written(loss: Loss) -> Loss:
    if isinstance(loss, AnswerLoss):
        loss.written = True
    return loss
