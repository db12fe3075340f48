"""Generators behind a server with an OpenAI-compatible API."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from urllib.parse import urlsplit

from patentlab.config import GeneratorConfig, RequestError
from patentlab.config.registry import GENERATORS
from patentlab.corpus import derive_seed
from patentlab.protocols import Advance, Progress
from patentlab.synthesis.generators import Answer, Generator
from patentlab.synthesis.prompts import RECORD_END, Request

_NO_KEY = "none"  # the client wants one, a server of one's own does not


@GENERATORS.add("openai")
class ServerGenerator(Generator):
    """A model behind an OpenAI-compatible API.

    Requests that fail for a while (no connection, 408, 409, 429, 5xx, too slow) are sent again, ``retries`` times,
    after waits that grow; a request that fails for good is an answer with an error, and the others go on.

    Args:
        config: The generator group. The key comes from the environment variable that it names, and is kept in the
            client alone.
        adapter: None: a server's model cannot be fine-tuned from here.
        progress: Not used.

    Raises:
        RequestError: There is no key, and the server is not on this machine.
    """

    def __init__(self, config: GeneratorConfig, adapter: Path | None, progress: Progress) -> None:
        from openai import OpenAI

        super().__init__(config, adapter, progress)
        key = os.environ.get(config.api_key_variable or "")
        if not key and not _is_local(config.base_url or ""):
            raise RequestError(
                f"generator={config.name}: the environment variable {config.api_key_variable} must hold the API key of "
                f"{config.base_url}"
            )
        self._client = OpenAI(
            base_url=config.base_url,
            api_key=key or _NO_KEY,
            timeout=config.timeout,
            max_retries=config.retries or 0,
        )

    def answer(self, requests: Sequence[Request], seed: int, advance: Advance) -> list[Answer]:
        """Answers, so many at a time as ``concurrency`` allows; the server is asked for a seed and may ignore it."""
        answers: dict[int, Answer] = {}
        with ThreadPoolExecutor(self.config.concurrency or 1) as pool:
            pending = {
                pool.submit(self._ask, request, derive_seed(seed, str(request.number))): position
                for position, request in enumerate(requests)
            }
            try:
                for future in as_completed(pending):
                    answers[pending[future]] = future.result()
                    advance(1)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        return [answers[position] for position in range(len(requests))]

    @classmethod
    def fingerprint(cls, config: GeneratorConfig) -> str:
        """The server, and the name that it knows the model by: ``openai:NAME@HOST/PATH``.

        It cannot tell when the server changes what it serves; ``generator.revision`` can.
        """
        server = urlsplit(config.base_url or "")
        port = f":{server.port}" if server.port else ""
        return f"openai:{config.path}@{server.hostname}{port}{server.path}#{config.revision or ''}"

    def _ask(self, request: Request, seed: int) -> Answer:
        from openai import OpenAIError

        config = self.config
        options = {
            "model": config.path,
            "temperature": config.temperature,
            "top_p": config.top_p,
            "max_tokens": config.max_new_tokens,
            "seed": seed,
            "extra_body": config.extra,
        }
        try:
            if config.form == "chat":
                turns = [{"role": message.role, "content": message.content} for message in request.messages]
                chat = self._client.chat.completions.create(messages=turns, **options)  # type: ignore[call-overload]
                choice = chat.choices[0]
                text, usage = choice.message.content or "", chat.usage
            else:
                prompt = request.text + request.start
                completion = self._client.completions.create(  # type: ignore[call-overload]
                    prompt=prompt, stop=RECORD_END, **options
                )
                choice = completion.choices[0]
                text, usage = request.start + choice.text, completion.usage
        except OpenAIError as error:
            # some servers repeat the key that they refuse
            said = " ".join(str(error).split()).replace(self._client.api_key, "***")
            return Answer("", error=f"{type(error).__name__}: {said[:200]}")
        except (IndexError, AttributeError, TypeError, ValueError) as error:  # not what the API promises
            return Answer("", error=f"unreadable answer of the server: {error}")
        tokens = usage.completion_tokens if usage is not None else 0
        whole = text.encode(errors="replace").decode()  # JSON may hold halves of characters
        return Answer(whole, tokens, complete=choice.finish_reason != "length")


def _is_local(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return host == "localhost"
