"""The instruction head: a prompt, and the words of a label as the answer, scored or written."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from patentlab.config import InstructionHeadConfig, LossConfig, RequestError, Wording
from patentlab.config.registry import HEADS
from patentlab.corpus import Examples
from patentlab.language_models.questions import Question, Shot, answer_tokens
from patentlab.losses import Loss
from patentlab.losses.answer import AnswerLoss
from patentlab.models.heads import Head
from patentlab.models.heads.prompted import PromptedHead, text_config
from patentlab.tasks import Task

if TYPE_CHECKING:
    from torch import Tensor

    from patentlab.models.batching import Item
    from patentlab.models.network import Network

_YES_NO = ("Yes", "No")
_BETWEEN = "; "  # the labels of a list


@HEADS.add("instruction", settings=InstructionHeadConfig)
class InstructionHead(PromptedHead):
    """Learns to write the right answer, and is asked how likely each label's is."""

    default_loss: ClassVar[str | None] = "answer"
    writes: ClassVar[bool] = True
    config: InstructionHeadConfig
    longest_list = 0

    @classmethod
    def gives(cls) -> tuple[tuple[bool, bool], ...]:
        """All that can be said in words: labels, tags, or both."""
        return ((False, True), (True, False), (True, True))

    @classmethod
    def answering(cls, task: Task) -> type[Head]:
        """Tags are always written, beside labels too."""
        from patentlab.models.heads.written import LabelAndTagsInWords, TagsInWords

        if not task.tags_words:
            return cls
        return LabelAndTagsInWords if task.labels_documents else TagsInWords

    def compose(self, wording: Wording, shots: Sequence[Shot]) -> Question:
        """Labels are listed line by line."""
        asked = [wording.question.replace("{label}", word) for word in self.words] if self.kind == "yes_no" else ()
        question = self.compose_with(wording, shots, "\n".join(self.words), asked)
        self.answers = [answer_tokens(self.tokenizer, question, word) for word in self.words]
        if self.kind == "list":  # a label comes first where its words are followed by the next one or by the end
            following = [f"{word}{_BETWEEN.rstrip()}" for word in self.words]
            self.answers += [answer_tokens(self.tokenizer, question, words, ended=False) for words in following]
        self.yes_no = [answer_tokens(self.tokenizer, question, word, ended=False)[0] for word in _YES_NO]
        if self.kind == "yes_no" and self.yes_no[0] == self.yes_no[1]:
            raise RequestError("head=instruction: the tokenizer begins Yes and No alike; set head.answer=list")
        return question

    def of_several(self) -> str:
        """Each label by itself; what is to be written is a list."""
        return "list" if self.config.decoding == "generate" else super().of_several()

    def loss(self, config: LossConfig, targets: NDArray[Any] | None) -> Loss:
        """Of validation documents it is told what the scores are."""
        loss = super().loss(config, targets)
        if isinstance(loss, AnswerLoss):
            loss.apart = self.kind == "yes_no"
        return loss

    def prepare(self, examples: Examples, seed: int) -> Examples:
        """Find out how long lists are, and draw the shots."""
        if self.kind == "list":
            answers = [self._tokens_of(target, None) for target in np.unique(examples.labelled.targets, axis=0)]
            self.longest_list = max(len(answer) for answer in answers)
            self._ask(())
        return super().prepare(examples, seed)

    def _tokens_of(self, target: NDArray[Any], limit: int | None) -> list[int]:
        """The right answer with its end: of a list as many labels as there is room for, each of them whole."""
        places = list(np.flatnonzero(target))
        while True:
            words = _BETWEEN.join(self.words[place] for place in places)
            answer = answer_tokens(self.tokenizer, self.question, words)
            if limit is None or len(answer) <= limit or len(places) <= 1:
                return answer
            places.pop()

    def longest_answer(self) -> int:
        """Of a label, or of the lists of the training documents."""
        longest = max(len(answer) for answer in self.answers)
        return {"yes_no": 1, "label": longest}.get(self.kind, max(longest, self.longest_list))

    def right_answer(self, target: NDArray[Any]) -> str:
        """The labels' words."""
        return _BETWEEN.join(self.words[place] for place in np.flatnonzero(target))

    def _shot(self, text: str, target: NDArray[Any], number: int) -> Shot:
        shot = super()._shot(text, target, number)
        if self.kind != "yes_no":
            return shot
        # in turns about a label that it has, and one that it has not
        asked = np.flatnonzero(target) if number % 2 == 0 or target.all() else np.flatnonzero(target == 0)
        place = asked[number // 2 % len(asked)]
        question = self.config.wording[self.kind].question.replace("{label}", self.words[place])
        return Shot(shot.text, question, _YES_NO[0] if target[place] else _YES_NO[1])

    def examples(self, examples: Examples, loss: Loss, *, training: bool) -> list[Item]:
        """Of training documents the tokens of the right answer, of validation documents their labels."""
        if not training:
            return super().examples(examples, loss, training=False)
        rows, found = self._rows(examples.texts), []
        for row, target in zip(rows, examples.targets, strict=True):
            if self.kind == "yes_no":
                labels = np.where(target, *self.yes_no)
            else:
                answer = self._tokens_of(target, self.longest_answer())
                row, labels = [*row, *answer[:-1]], np.array(answer)
            found.append({"input_ids": row, "attention_mask": [1] * len(row), "labels": labels, "answered": True})
        return found

    def logits(self, network: Network, batch: Mapping[str, Tensor]) -> Tensor:
        """Of training documents those of the answer's tokens, ``(documents, tokens, vocabulary)``; else a label's."""
        ids, mask = batch["input_ids"], batch["attention_mask"]
        if self.kind == "yes_no":
            found = self.read(network, ids, mask, questions=self.question.questions)
            return found if "answered" in batch else found[..., self.yes_no[0]] - found[..., self.yes_no[1]]
        if "answered" in batch:
            return self.read(network, ids, mask, last=int(batch["answered"].max()))
        if self.config.decoding == "generate":
            return self._written(network, ids, mask)
        return self._scores(network, ids, mask)

    def _scores(self, network: Network, ids: Tensor, mask: Tensor) -> Tensor:
        from patentlab.language_models.scoring import continuation_scores

        prefix = self.prefix(network, ids.device)
        sums, counts = continuation_scores(network.backbone, text_config(network), ids, mask, self.answers, prefix)
        if self.kind == "list":
            sums = sums[:, : len(self.words)].logaddexp(sums[:, len(self.words) :])
        return sums if self.config.score == "sum" else sums / counts[: sums.shape[1]]

    def _written(self, network: Network, ids: Tensor, mask: Tensor) -> Tensor:
        """Ones at the labels that the likeliest answer names, zeros elsewhere: those of no label at all, too."""
        import torch

        found = torch.zeros(len(ids), len(self.words))
        written = self.write(network, ids, mask, max(self.longest_answer(), self.config.max_new_tokens))
        for number, tokens in enumerate(written):
            found[number, self.parse(self.in_words(tokens))] = 1.0
        return found

    @property
    def exclusive(self) -> bool:
        """Whether probabilities of labels add up to 1: those of the first label of a list do, too."""
        return self.kind != "yes_no"

    def parse(self, answer: str) -> list[int]:
        """The labels that an answer names.

        Args:
            answer: As it was written.

        Returns:
            Of one label the longest whose words occur; of several all that stand between semicolons, those included
            that have a semicolon themselves; none where it names none.
        """
        longest = sorted(range(len(self.words)), key=lambda place: -len(self.words[place]))
        if self.kind == "label":
            whole = (rf"(?<!\w){re.escape(self.words[place])}(?!\w)" for place in longest)
            named = (place for place, one in zip(longest, whole, strict=True) if re.search(one, answer, re.IGNORECASE))
            return list(islice(named, 1))
        rest, found = answer, set()
        for place in longest:
            item = rf"(?:^|;)\s*{re.escape(self.words[place])}\s*(?=;|$)"
            if re.search(item, rest, re.IGNORECASE):
                found.add(place)
                rest = re.sub(item, ";", rest, flags=re.IGNORECASE)
        return sorted(found)

    def state(self) -> dict[str, Any]:
        """The length of lists too."""
        return super().state() | {"longest_list": self.longest_list}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Put back what was found."""
        self.longest_list = int(state["longest_list"])
        super().restore(state)

    def outputs(self, logits: Tensor, items: Sequence[Item] | None, loss: Loss) -> NDArray[Any]:
        """Probabilities of labels: among each other, or each by itself where it was asked about by itself."""
        import torch

        if self.config.decoding == "generate" and self.kind != "yes_no":
            return logits.numpy()
        logits = self.unbiased(logits)
        return (torch.softmax(logits, dim=1) if self.exclusive else torch.sigmoid(logits)).numpy()
