"""The command that becomes MLflow's server; the server itself is not started."""

import os
import socket

import pytest

from tests.conftest import Command


def test_it_becomes_one_server_process_on_loopback_without_workers_of_mlflows_own(
    run_in_process: Command, state: dict[str, str], monkeypatch: pytest.MonkeyPatch
):
    became: list[tuple[str, list[str], str | None]] = []
    monkeypatch.delenv("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", raising=False)
    monkeypatch.setattr(
        os, "execv", lambda *what: became.append((*what, os.environ.get("MLFLOW_SERVER_ENABLE_JOB_EXECUTION")))
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert run_in_process("model=constant", **state).returncode == 0
    done = run_in_process(f"port={port}", command="ui", **state)
    assert done.stdout == ""
    assert f"MLflow: http://127.0.0.1:{port}\nruns of demo: http://127.0.0.1:{port}/" in done.stderr
    ((program, arguments, jobs),) = became
    assert arguments[:4] == [program, "-m", "mlflow", "ui"]
    given = dict(zip(arguments[4::2], arguments[5::2], strict=True))
    assert (given["--host"], given["--port"], given["--workers"]) == ("127.0.0.1", str(port), "1")
    assert given["--backend-store-uri"] == f"sqlite:///{state['PATENTLAB_DATA']}/mlflow.db"
    assert jobs == "false"


def test_a_port_that_is_taken_is_told_of_before_anything_is_shown(run_in_process: Command, state: dict[str, str]):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = run_in_process(f"port={port}", command="ui", **state)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"patentlab: port={port}: cannot be had (Address already in use); write port=N with another\n"


@pytest.mark.parametrize(
    ("request_", "told"),
    [
        ("port=0", "port=0: must be a number from 1 to 65535"),
        ("port=many", "port=many: must be a number from 1 to 65535"),
        ("tracking=none", "tracking=none: there is nothing to show"),
        ("tracking.uri=http://127.0.0.1:9", "is a server with pages of its own"),
    ],
)
def test_a_wrong_request_is_one_line(run_in_process: Command, request_: str, told: str):
    done = run_in_process(request_, command="ui")
    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr and done.stderr.count("\n") == 1
