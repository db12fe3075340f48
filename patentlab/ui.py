"""``python -m patentlab.ui``: the MLflow pages of the runs, on loopback.

``port=5001`` takes another port, ``tracking.uri=…`` another database.
"""

from __future__ import annotations

import os
import socket
import sys

from patentlab.config import RequestError
from patentlab.console.command_line import compose, run_command


def main() -> None:
    """Find the database, make it if no run did, and become the server."""
    arguments = sys.argv[1:]
    port = next((argument.partition("=")[2] for argument in arguments if argument.startswith("port=")), "5000")
    if not port.isdigit() or not 0 < int(port) < 65536:
        raise RequestError(f"port={port}: must be a number from 1 to 65535")
    if {"-h", "--help"} & set(arguments):
        print(__doc__)
        return
    config = compose(*(argument for argument in arguments if not argument.startswith("port=")))
    if config.tracking.uri is None:
        raise RequestError("tracking=none: there is nothing to show")
    from patentlab.tracking.mirror import close_dead_runs
    from patentlab.tracking.mlflow import connect, experiment_pages, ui_command

    if config.tracking.uri.startswith("http"):
        raise RequestError(
            f"tracking.uri={config.tracking.uri}: is a server with pages of its own; open it in a browser"
        )
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # one that was left a moment ago is free
        try:
            probe.bind(("127.0.0.1", int(port)))
        except OSError as error:
            raise RequestError(f"port={port}: cannot be had ({error.strerror}); write port=N with another") from error
    client = connect(config.tracking.uri)
    close_dead_runs(client)
    server = f"http://127.0.0.1:{port}"
    print(f"MLflow: {server}", file=sys.stderr)
    for name, page in experiment_pages(client):
        print(f"runs of {name}: {server}/{page}", file=sys.stderr)
    # processes that wait for evaluations of language models, eight of them, and take some 20 s of a core to start
    os.environ.setdefault("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false")
    os.execv(sys.executable, [sys.executable, *ui_command(config.tracking.uri, int(port))])


if __name__ == "__main__":
    sys.exit(run_command(main))
