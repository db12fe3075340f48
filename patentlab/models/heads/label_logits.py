"""The label-logits head: one forward pass, and the pretrained logits of the tokens that stand for the labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from patentlab.config import LossConfig, PromptedHeadConfig, RequestError, Wording
from patentlab.config.registry import HEADS
from patentlab.language_models.questions import Question, Shot, answer_tokens
from patentlab.language_models.verbalisers import LETTERS, WORD, single_tokens, words_for
from patentlab.losses import Loss
from patentlab.losses.binary import BinaryLoss
from patentlab.models.heads.prompted import PromptedHead

if TYPE_CHECKING:
    from torch import Tensor

    from patentlab.models.batching import Item
    from patentlab.models.network import Network

_CALLED = {LETTERS: "letter", "title": "title", "short": "title", "code": "code"}  # in the prompt; a word otherwise


@HEADS.add("label_logits", settings=PromptedHeadConfig)
class LabelLogitsHead(PromptedHead):
    """A logit a label: that of its token, where the answer begins.

    With several labels a document, or a loss that takes each label by itself, the logit of a label is its token's
    log-odds against all tokens that stand for no label, so that labels do not take probability from each other.
    """

    apart = False  # whether labels are taken each by itself

    def choose_words(self) -> tuple[str, ...]:
        """Those of every head that asks in words, or letters."""
        if self.config.verbaliser == LETTERS:
            return tuple(single_tokens(self.tokenizer, self.plain, len(self.task.labels)))
        return super().choose_words()

    def compose(self, wording: Wording, shots: Sequence[Shot]) -> Question:
        """Labels are listed with their letters or words, or as what they are answered by."""
        labels, verbaliser = self.task.labels, self.config.verbaliser
        called = _CALLED.get(verbaliser, "word")
        wording = replace(wording, cue=wording.cue.replace("{called}", called))
        lines: Sequence[str] = self.words
        if verbaliser in (LETTERS, WORD):
            titles = words_for(labels, "title")
            lines = [f"{word}. {title}" for word, title in zip(self.words, titles, strict=True)]
        question = self.compose_with(wording, shots, "\n".join(lines))
        tokens = [answer_tokens(self.tokenizer, question, word, ended=False)[0] for word in self.words]
        self._check_distinct(tokens)
        self.tokens = np.array(tokens)
        return question

    def _check_distinct(self, tokens: Sequence[int]) -> None:
        for number, token in enumerate(tokens):
            if token in tokens[:number]:
                one, other = self.words[tokens.index(token)], self.words[number]
                raise RequestError(
                    f"head.verbaliser={self.config.verbaliser}: {one!r} and {other!r} begin with the same token, which "
                    "would stand for both labels; set head.verbaliser=word or letters, or take head=instruction"
                )

    def right_answer(self, target: NDArray[Any]) -> str:
        """Letters or words, with commas between."""
        return ", ".join(self.words[place] for place in np.flatnonzero(target))

    def loss(self, config: LossConfig, targets: NDArray[Any] | None) -> Loss:
        """That which was asked for; it says what logits are to be."""
        loss = super().loss(config, targets)
        self.apart = not self.task.one_label or isinstance(loss, BinaryLoss)
        return loss

    @property
    def exclusive(self) -> bool:
        """Whether probabilities of labels add up to 1."""
        return not self.apart

    def logits(self, network: Network, batch: Mapping[str, Tensor]) -> Tensor:
        """Shape ``(documents, labels)``."""
        import torch

        ids = batch["input_ids"]
        found = self.read(network, ids, batch["attention_mask"])[:, -1].float()
        tokens = torch.as_tensor(self.tokens, device=ids.device)
        own = found[:, tokens]
        if not self.apart:
            return own
        others = torch.ones(found.shape[1], dtype=torch.bool, device=ids.device)
        others[tokens] = False
        return own - found.masked_fill(~others, float("-inf")).logsumexp(dim=1, keepdim=True)

    def outputs(self, logits: Tensor, items: Sequence[Item] | None, loss: Loss) -> NDArray[Any]:
        """What the loss makes of logits, less the bias."""
        return super().outputs(self.unbiased(logits), items, loss)
