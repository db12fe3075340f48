"""What heads have in common that ask a language model with words: the prompt, its batches, and what it starts with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit, softmax

from patentlab.config import PromptedHeadConfig, RequestError, Wording
from patentlab.corpus import Examples, derive_seed
from patentlab.language_models.questions import Question, Shot, compose_question
from patentlab.language_models.verbalisers import WORD, telling_words, usual_words, words_for
from patentlab.losses.answer import IGNORED
from patentlab.models.heads import Head
from patentlab.tasks import Task

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedTokenizerBase

    from patentlab.language_models.scoring import Prefix
    from patentlab.models.batching import Item
    from patentlab.models.network import Network

_SHORTEST = 16  # tokens of a document that a prompt must leave room for
_NO_CONTENT = ("N/A", "[MASK]", "")  # texts of contextual calibration, of its paper


class PromptedHead(Head):
    """Asks in words; nothing but the backbone answers, so there are no layers.

    Attributes:
        shots: Answered documents before the question.
        question: The tokens of the prompt.
        bias: What calibration takes off the scores, shape ``(labels,)``.
    """

    language_model: ClassVar[bool] = True
    own_layers: ClassVar[bool] = False
    answers_untrained: ClassVar[bool] = True
    config: PromptedHeadConfig

    def __init__(
        self, config: PromptedHeadConfig, task: Task, tokenizer: PreTrainedTokenizerBase, max_length: int
    ) -> None:
        super().__init__(config, task, tokenizer, max_length)
        self.kind = config.answer or ("label" if task.one_label else self.of_several())
        if self.kind == "label" and not task.one_label:
            raise RequestError(f"head.answer=label: data.task={task.name} has several labels; set head.answer=null")
        self.bias: NDArray[np.float32] | None = None
        self._prefix: tuple[object, Prefix | None] | None = None
        self.words = self.choose_words()
        self._ask(())

    def _ask(self, shots: Sequence[Shot]) -> None:
        """Put the prompt together."""
        self.shots, wording = tuple(shots), self.config.wording[self.kind]
        self.question: Question = self.compose(wording, self.shots)
        self._prefix = None
        if (room := self._room()) < _SHORTEST:
            limit = self.tokenizer.model_max_length
            raise RequestError(
                f"head={self.config.name}: the prompt takes {limit - room} of the {limit} tokens that the model reads "
                "with its longest answer; take fewer labels, head.shots or head.shot_length, or head.verbaliser=short"
            )

    def choose_words(self) -> tuple[str, ...]:
        """What stands for each label."""
        labels = self.task.labels
        if self.config.verbaliser != WORD:
            return tuple(words_for(labels, self.config.verbaliser))
        known = usual_words()
        usual = [known.get(name, ()) for name in labels.names]
        return tuple(telling_words(self.tokenizer, self.plain, words_for(labels, "title"), usual))

    @property
    def plain(self) -> Question:
        """The prompt without labels: how an answer begins does not hang on what is listed."""
        return self.compose_with(self.config.wording[self.kind], (), "")

    def of_several(self) -> str:
        """What is answered where a document may have several labels and nothing else was asked for."""
        return next(kind for kind in self.config.wording if kind != "label")

    def _room(self) -> int:
        """Tokens that are left for a document."""
        return int(self.tokenizer.model_max_length) - self.question.around - self.longest_answer()

    def compose(self, wording: Wording, shots: Sequence[Shot]) -> Question:
        """The tokens of the prompt; heads differ in how labels are listed.

        Args:
            wording: That of the kind of answer.
            shots: Before the question.
        """
        raise NotImplementedError

    def longest_answer(self) -> int:
        """Tokens of the longest answer."""
        return 1

    def right_answer(self, target: NDArray[Any]) -> str:
        """What is to be answered to a document.

        Args:
            target: Zeros and ones of shape ``(labels,)``.
        """
        raise NotImplementedError

    def compose_with(
        self, wording: Wording, shots: Sequence[Shot], listed: str, questions: Sequence[str] = ()
    ) -> Question:
        """The prompt, where the labels are listed as given."""
        instruction = wording.instruction.replace("{labels}", listed)
        return compose_question(self.tokenizer, instruction, wording.document, wording.cue, shots, questions)

    def layers(self, width: int) -> nn.Module:
        """None."""
        from torch import nn

        return nn.Identity()

    def prepare(self, examples: Examples, seed: int) -> Examples:
        """Draw the shots; nothing is learned from them, since their answers stand in the prompt."""
        if not self.config.shots:
            return examples
        chosen = stratified(self.strata(examples.labelled.targets), self.config.shots, derive_seed(seed, "shots"))
        self.show(examples, chosen)
        return beside(examples, chosen)

    def strata(self, targets: NDArray[Any]) -> NDArray[Any]:
        """Zeros and ones of shape ``(documents, …)``, which shots are spread over."""
        return targets

    def show(self, examples: Examples, chosen: Sequence[int]) -> None:
        """Put documents with their answers before the question.

        Args:
            examples: Of training.
            chosen: Their positions.
        """
        self._ask([self._shot(examples.texts[at], examples.targets[at], n) for n, at in enumerate(chosen)])

    def _shot(self, text: str, target: NDArray[Any], number: int) -> Shot:
        return Shot(self._cut(text, self.config.shot_length), "", self.right_answer(target))

    def _cut(self, text: str, length: int) -> str:
        ids = self.tokenizer(text, add_special_tokens=False, truncation=True, max_length=length)["input_ids"]
        return str(self.tokenizer.decode(ids, skip_special_tokens=True))

    def items(self, texts: Sequence[str]) -> list[Item]:
        """The tokens that follow the prefix; a document is cut where the prompt would be too long, its answer never."""
        return [{"input_ids": ids, "attention_mask": [1] * len(ids)} for ids in self._rows(texts)]

    def _rows(self, texts: Sequence[str]) -> list[list[int]]:
        return [[*ids, *self.question.middle] for ids in self._encoded(texts)["input_ids"]]

    def _encoded(self, texts: Sequence[str], *, offsets: bool = False) -> Any:
        """Tokens of documents, cut to the room that there is, and where they stand in ``question.space + text``."""
        return self.tokenizer(
            [self.question.space + text for text in texts], add_special_tokens=False, truncation=True,
            max_length=min(self.max_length, self._room()), return_offsets_mapping=offsets,
            split_special_tokens=True,  # a document that names special tokens has none: they would end the prompt early
        )  # fmt: skip

    def collate(self, items: Sequence[Item]) -> dict[str, Tensor]:
        """Padded on the left, so that all prompts end in the same column; ``labels`` of tokens likewise."""
        import torch

        longest = max(len(item["input_ids"]) for item in items)
        pad = int(self.tokenizer.pad_token_id or 0)
        rows = [[pad] * (longest - len(item["input_ids"])) + list(item["input_ids"]) for item in items]
        masks = [[0] * (longest - len(item["input_ids"])) + [1] * len(item["input_ids"]) for item in items]
        batch = {"input_ids": torch.tensor(rows), "attention_mask": torch.tensor(masks)}
        if "labels" not in items[0]:
            return batch
        labels = [np.asarray(item["labels"]) for item in items]
        if "answered" in items[0]:  # tokens, as many as each answer has
            width = max(len(row) for row in labels)
            labels = [np.concatenate([np.full(width - len(row), IGNORED), row]) for row in labels]
            batch["answered"] = torch.tensor([len(item["labels"]) for item in items])
        return batch | {"labels": torch.as_tensor(np.stack(labels))}

    def prefix(self, network: Network, device: Any) -> Prefix | None:
        """What all prompts begin with: computed once for as long as no weight changes, or anew where one is trained."""
        import torch

        from patentlab.language_models.scoring import read_prefix

        if torch.is_grad_enabled():
            if any(getattr(module, "gradient_checkpointing", False) for module in network.backbone.modules()):
                return None
            return read_prefix(network.backbone, self.question.prefix, device)
        reduced = torch.is_autocast_enabled(torch.device(device).type)
        state = (device, reduced, tuple((id(p), p._version) for p in network.backbone.parameters() if p.requires_grad))
        if self._prefix is None or self._prefix[0] != state:
            self._prefix = state, read_prefix(network.backbone, self.question.prefix, device)
        return self._prefix[1]

    def read(
        self, network: Network, ids: Tensor, mask: Tensor, *, questions: Sequence[Sequence[int]] = (), last: int = 1
    ) -> Tensor:
        """Logits of the tokens that follow.

        Args:
            network: The backbone.
            ids: Shape ``(documents, tokens)``, padded on the left.
            mask: Ones at tokens; the same shape.
            questions: Behind every document, side by side.
            last: Where there are none, behind how many of the last tokens of each row.

        Returns:
            Shape ``(documents, questions or last, vocabulary)``.
        """
        import torch

        from patentlab.language_models.scoring import Segments, parts, segment_logits

        prefix, config = self.prefix(network, ids.device), text_config(network)
        if prefix is None and self.question.prefix:  # activations are to be computed again, which knows no cache
            before = torch.tensor(self.question.prefix, device=ids.device).expand(len(ids), -1)
            ids, mask = torch.cat([before, ids], dim=1), torch.cat([torch.ones_like(before), mask], dim=1)
        segments = Segments(tuple(tuple(one) for one in questions))
        at = segments.last if questions else torch.arange(1 - last, 1)
        rows = [slice(None)] if torch.is_grad_enabled() else parts(len(ids), len(at) * int(config.vocab_size) * 4)
        return torch.cat(
            [segment_logits(network.backbone, config, ids[part], mask[part], segments, prefix, at=at) for part in rows]
        )

    def write(self, network: Network, ids: Tensor, mask: Tensor, most: int) -> list[list[int]]:
        """The likeliest tokens behind each prompt, up to the one that ends an answer.

        Args:
            network: The backbone.
            ids: Shape ``(documents, tokens)``, padded on the left.
            mask: Ones at tokens; the same shape.
            most: Tokens of an answer.

        Returns:
            New tokens of each.
        """
        from patentlab.language_models.decoding import Prompt, Sampling, decode

        rows = [list(self.question.prefix) + row[there.bool()].tolist() for row, there in zip(ids, mask, strict=True)]
        waiting, pad = iter([Prompt(row, 0) for row in rows]), int(self.tokenizer.pad_token_id or 0)
        done = decode(
            network.backbone, lambda: next(waiting, None), pad, len(rows), Sampling(0.0, 1.0, None, most),
            lambda answer: self.question.end in answer or self.tokenizer.eos_token_id in answer,
        )  # fmt: skip
        found: list[list[int]] = [[] for _ in rows]
        for number, tokens in done:
            found[number] = tokens
        return found

    def in_words(self, tokens: Sequence[int]) -> str:
        """What tokens say, without special ones."""
        return str(self.tokenizer.decode(list(tokens), skip_special_tokens=True))

    @property
    def exclusive(self) -> bool:
        """Whether probabilities of labels add up to 1."""
        return self.task.one_label

    def unbiased(self, logits: Tensor) -> Tensor:
        """Scores without what calibration takes off."""
        return logits if self.bias is None else logits - logits.new_tensor(self.bias)

    def calibrate(self, logits: Callable[[Sequence[str]], NDArray[Any]], texts: Sequence[str]) -> None:
        """Estimate what is taken off the scores.

        Args:
            logits: Texts → scores, shape ``(texts, labels)``.
            texts: Of training documents.
        """
        if self.config.calibration is None:
            return
        found = np.asarray(logits(_NO_CONTENT if self.config.calibration == "contextual" else texts), dtype=np.float64)
        mean = (softmax(found, axis=1) if self.exclusive else expit(found)).mean(axis=0)
        self.bias = np.asarray(np.log(mean) if self.exclusive else logit(mean), dtype=np.float32)

    def state(self) -> dict[str, Any]:
        """Words, shots and bias."""
        return {
            "words": list(self.words),
            "shots": [[shot.text, shot.question, shot.answer] for shot in self.shots],
            "bias": None if self.bias is None else [float(value) for value in self.bias],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Put them back: words were learned, however they would be chosen today."""
        self.words = tuple(state.get("words", self.words))  # earlier versions chose them again
        self._ask([Shot(*shot) for shot in state["shots"]])
        self.bias = None if state["bias"] is None else np.array(state["bias"], dtype=np.float32)


def beside(examples: Examples, chosen: Sequence[int]) -> Examples:
    """The other examples; all of them where there are none.

    Args:
        examples: Any.
        chosen: Positions of those that are left out.
    """
    left = np.ones(len(examples.texts), dtype=np.bool_)
    left[list(chosen)] = False
    return examples.part(left) if left.any() else examples


def stratified(targets: NDArray[Any], count: int, seed: int) -> list[int]:
    """Positions of documents, label after label in turns, the commonest label first.

    Args:
        targets: Zeros and ones of shape ``(documents, labels)``.
        count: How many documents, if there are so many.
        seed: Of which ones.

    Returns:
        The positions, none twice, in an order drawn at random.
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(targets))
    waiting = {
        label: [int(at) for at in order if targets[at, label]]
        for label in np.argsort(-targets.sum(axis=0), kind="stable")
    }
    chosen: list[int] = []
    while len(chosen) < min(count, len(targets)) and any(waiting.values()):
        for queue in waiting.values():
            while queue and queue[0] in chosen:
                queue.pop(0)
            if queue and len(chosen) < count:
                chosen.append(queue.pop(0))
    return [chosen[place] for place in rng.permutation(len(chosen))]


def text_config(network: Network) -> Any:
    """The configuration of the part of a backbone that reads text."""
    backbone: Any = network.backbone
    return backbone.config.get_text_config()
