"""A real HTTP server with the OpenAI API whose answers, and failures, are scripted."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

_WORDS = [
    *["sensor", "housing", "processor", "memory", "interface", "signal", "frame", "wheel", "lens", "motor", "camera"],
    *["brake", "spring", "lever", "handle", "display", "circuit", "antenna", "battery", "filter", "valve", "bearing"],
    *["shaft", "cushion", "strap", "pedal", "joint", "support", "tube", "panel", "switch", "speaker"],
]
_SENTENCES = (
    "The {0} is coupled to the {1} so that the {2} can be adjusted by the user.",
    "A {0} of the device measures how the {1} moves against the {2}.",
    "In another embodiment the {0} replaces the {1}, and the {2} is left out.",
    "When the {0} exceeds a limit, the {1} switches the {2} off.",
    "The invention also relates to a method of mounting the {0} on the {1} without a {2}.",
)

Script = Callable[[int, dict[str, Any]], "str | int | float"]
"""The number of a request and its body → a text, a status to fail with, or seconds to wait before a document."""


def document(seed: int, heading: str = "Abstract") -> str:
    """A document that passes the screening, another for every seed."""
    generator = np.random.default_rng(seed)
    sentences = [
        _SENTENCES[i].format(*(_WORDS[j] for j in generator.choice(len(_WORDS), 3, replace=False)))
        for i in generator.permutation(len(_SENTENCES))
    ]
    title = " ".join(_WORDS[j] for j in generator.choice(len(_WORDS), 3, replace=False))
    return f"Title: {title.capitalize()}\n{heading}: {' '.join(sentences)}"


def well_behaved(number: int, body: dict[str, Any]) -> str:
    return document(body["seed"])


class Scripted(ThreadingHTTPServer):
    """Counts what it is asked."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, script: Script) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script = script
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.busy = self.busiest = 0
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class _Handler(BaseHTTPRequestHandler):
    server: Scripted

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server = self.server
        with server.lock:
            number = len(server.bodies)
            server.bodies.append(body)
            server.headers.append({name.lower(): value for name, value in self.headers.items()})
            server.busy += 1
            server.busiest = max(server.busiest, server.busy)
        try:
            answer = server.script(number, body)
            if isinstance(answer, float):
                time.sleep(answer)
                answer = document(body["seed"])
            if answer == 0:
                self.connection.close()
            elif isinstance(answer, int):
                self._send(answer, {"error": {"message": "scripted failure"}})
            else:
                self._send(200, _completion(answer, body, chat="messages" in body))
        except (BrokenPipeError, ConnectionResetError, ValueError):
            pass  # the client gave up
        finally:
            with server.lock:
                server.busy -= 1

    def _send(self, status: int, content: dict[str, Any]) -> None:
        raw = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, format: str, *args: object) -> None:
        pass


def _completion(text: str, body: dict[str, Any], *, chat: bool) -> dict[str, Any]:
    cut = text.endswith("<cut>")
    text = text.removesuffix("<cut>")
    choice: dict[str, Any] = {"index": 0, "finish_reason": "length" if cut else "stop"}
    choice |= {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
    return {
        "id": "x",
        "object": "chat.completion" if chat else "text_completion",
        "created": 0,
        "model": body["model"],
        "choices": [choice],
        "usage": {"prompt_tokens": 1, "completion_tokens": len(text.split()), "total_tokens": 1 + len(text.split())},
    }


@contextmanager
def serving(script: Script = well_behaved) -> Iterator[Scripted]:
    """A server on a free port of this machine, for as long as the context is open."""
    server = Scripted(script)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
