"""Language models of transformers in this process, which answer requests in batches."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from patentlab import weights
from patentlab.config import GeneratorConfig, RequestError
from patentlab.config.registry import GENERATORS
from patentlab.corpus import derive_seed
from patentlab.language_models.loading import inference_precision, load_causal
from patentlab.protocols import Advance, Progress
from patentlab.synthesis.generators import Answer, Generator, NextRequest
from patentlab.synthesis.prompts import FAMILIES, RECORD_END, TITLE, Request

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_LONGEST_PERIOD = 24  # tokens of a loop that is noticed while it is written
_LOOPED = 72  # tokens at the end of an answer that must repeat with such a period
_SEEN = 3  # tokens in which the end of a record is looked for
_PROBED = 8  # tokens that speed is estimated from


@GENERATORS.add("transformers")
class TransformersGenerator(Generator):
    """A causal language model of transformers, in this process.

    Args:
        config: The generator group.
        adapter: A folder with weights that peft adds, if any.
        progress: Told of a conversion.

    Raises:
        RequestError: The model cannot be loaded.
    """

    version = 2  # a seed a request, in rows that are filled again

    def __init__(self, config: GeneratorConfig, adapter: Path | None, progress: Progress) -> None:
        import torch

        super().__init__(config, adapter, progress)
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        loaded = load_causal(
            config,
            "generator",
            progress,
            precision=self.precision(config),
            repack=True,  # it answers, and is not trained any more
        )
        self.model, self.tokenizer = loaded.model, loaded.tokenizer
        self.chats = config.form == "chat"
        if self.chats and self.tokenizer.chat_template is None:
            raise RequestError(f"generator.form=chat: {config.path} has no chat template; use generator.form=text")
        if adapter is not None:
            from peft import PeftModel

            with weights.quiet_peft():
                self.model = PeftModel.from_pretrained(self.model, adapter).merge_and_unload()
        if config.precision != "nf4":
            self.model.to(self.device)
        self.ends = _end_tokens(self.model, self.tokenizer)
        self.guided = self.is_guided(config)

    def answer(self, requests: Sequence[Request], seed: int, advance: Advance) -> list[Answer]:
        """As of :meth:`stream`, in the order of the requests."""
        found = {request.number: answer for request, answer in self.stream(_each(requests), seed, advance)}
        return [found[request.number] for request in requests]

    def stream(self, ask: NextRequest, seed: int, advance: Advance) -> Iterator[tuple[Request, Answer]]:
        """``generator.batch_size`` answers are written at a time; the place of one that is complete is filled again.

        An answer is drawn with random numbers of its request, and does not hang on its neighbours, up to rounding: see
        :func:`patentlab.language_models.decoding.decode`.
        """
        return self._generate(ask, self.config.max_new_tokens, seed, lambda: advance(0))

    def seconds_each(self, requests: Sequence[Request]) -> float | None:
        """Measured while a few tokens of each are generated, side by side."""
        batch = requests[: self.config.batch_size]
        times = [time.perf_counter()]
        for _ in self._generate(_each(batch), _PROBED, 0, lambda: times.append(time.perf_counter())):
            pass
        first, *steps = np.diff(times)
        if not steps:  # all were complete at once
            return None
        return float(first + np.median(steps) * self.config.max_new_tokens) / len(batch)

    @classmethod
    def precision(cls, config: GeneratorConfig) -> str:
        """``auto`` is decided by the machine."""
        return inference_precision(config.precision)

    @classmethod
    def fingerprint(cls, config: GeneratorConfig) -> str:
        """Of the weights, as of :func:`patentlab.weights.fingerprint`."""
        return weights.fingerprint(config.path, config.revision)

    @classmethod
    def is_guided(cls, config: GeneratorConfig) -> bool:
        """Whether a title is followed by the heading of the body, whatever the model would have written.

        Of a model that has only learned to continue texts, few answers get that far otherwise: of 128 paraphrases of
        patents by SmolLM2, 118 stopped after the title.
        """
        return config.form == "text" and config.adapt == "none"

    @classmethod
    def adapt(
        cls, config: GeneratorConfig, pairs: Sequence[tuple[Request, str]], seed: int, progress: Progress
    ) -> Path:
        """With LoRA; see :func:`patentlab.synthesis.adaptation.adapt_generator`."""
        from patentlab.synthesis.adaptation import adapt_generator

        return adapt_generator(config, pairs, seed, progress)

    def _encode(self, request: Request) -> list[int]:
        tokens = encode(self.tokenizer, request, self.config.form)
        room = self.config.context - self.config.max_new_tokens
        if len(tokens) > room:
            raise RequestError(
                f"generator={self.config.name}: a prompt of {len(tokens)} tokens leaves no room for "
                f"generator.max_new_tokens={self.config.max_new_tokens} in a context of {self.config.context}; "
                "lower strategy.examples"
            )
        return tokens

    def _generate(
        self, ask: NextRequest, new_tokens: int, seed: int, on_step: Callable[[], None]
    ) -> Iterator[tuple[Request, Answer]]:
        from patentlab.language_models.decoding import Prompt, Sampling, decode

        config = self.config
        asked: list[Request] = []

        def prompt() -> Prompt | None:
            request = ask()
            if request is None:
                return None
            asked.append(request)
            return Prompt(self._encode(request), derive_seed(seed, f"request {request.number}"))

        found = decode(
            self.model,
            prompt,
            self.tokenizer.pad_token_id,
            config.batch_size,
            Sampling(config.temperature, config.top_p, config.no_repeat_ngram, new_tokens),
            self._is_complete,
            on_step=on_step,
            steer=lambda number, tokens: self._steer(asked[number], tokens),
        )
        for number, tokens in found:
            answer = self._read(tokens)
            yield asked[number], replace(answer, text=asked[number].start + answer.text)

    def _steer(self, request: Request, tokens: list[int]) -> Sequence[int]:
        """The heading of the body, in place of what ends the first line of a title."""
        if not (self.guided and request.start == TITLE):
            return ()
        *before, last = tokens
        if not (last in self.ends or "\n" in self.tokenizer.decode([last])):
            return ()
        title = str(self.tokenizer.decode(before))
        if not title.strip() or "\n" in title.strip():
            return ()  # no title yet, or the body
        heading = f"\n{FAMILIES[request.family].heading}:"
        return list(self.tokenizer(heading, add_special_tokens=False)["input_ids"])

    def _is_complete(self, tokens: list[int]) -> bool:
        """Whether an answer has ended, goes round in a loop, or has come to the end of its record."""
        if tokens[-1] in self.ends or loops(tokens):
            return True
        return not self.chats and RECORD_END in self.tokenizer.decode(tokens[-_SEEN:])

    def _read(self, tokens: list[int]) -> Answer:
        ended = tokens[-1] in self.ends
        text = str(self.tokenizer.decode(tokens[:-1] if ended else tokens, skip_special_tokens=True))
        if not self.chats:
            text, end, _ = text.partition(RECORD_END)
            ended = ended or bool(end)
        return Answer(text, len(tokens), complete=ended)


def encode(tokenizer: PreTrainedTokenizerBase, request: Request, form: str) -> list[int]:
    """Tokens of a prompt, with the beginning of its answer.

    Args:
        tokenizer: Of the model.
        request: What is asked.
        form: ``chat``, by the model's template, or ``text``.

    Returns:
        At least one.
    """
    if form == "text":
        return list(tokenizer(request.text + request.start)["input_ids"])
    turns = [{"role": message.role, "content": message.content} for message in request.messages]
    # a template brings its own special tokens
    prompt = _render(tokenizer, turns) + request.start
    return list(tokenizer(prompt, add_special_tokens=False)["input_ids"])


def loops(tokens: Sequence[int]) -> bool:
    """Whether an answer's end repeats itself token by token, over and over."""
    if len(tokens) < _LOOPED:
        return False
    tail = tokens[-_LOOPED:]
    return any(tail[period:] == tail[:-period] for period in range(1, _LONGEST_PERIOD + 1))


def _each(requests: Sequence[Request]) -> NextRequest:
    """These, and no more."""
    left = iter(requests)
    return lambda: next(left, None)


def _end_tokens(model: Any, tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    ends = model.generation_config.eos_token_id
    known = ends if isinstance(ends, list) else [ends]
    return frozenset(token for token in (*known, tokenizer.eos_token_id, tokenizer.pad_token_id) if token is not None)


def _render(tokenizer: PreTrainedTokenizerBase, turns: list[dict[str, str]]) -> str:
    """A conversation by the model's own template; where that has no system turn, it joins the first of the user's."""
    from jinja2 import TemplateError

    options: dict[str, Any] = {"tokenize": False, "add_generation_prompt": True, "enable_thinking": False}
    try:
        return str(tokenizer.apply_chat_template(turns, **options))
    except TemplateError:
        system, user, *rest = turns
        merged = {"role": "user", "content": f"{system['content']}\n\n{user['content']}"}
        return str(tokenizer.apply_chat_template([merged, *rest], **options))
