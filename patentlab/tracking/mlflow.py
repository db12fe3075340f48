"""MLflow's database or server: reaching it, what is still alive in it, and its pages."""

from __future__ import annotations

import logging
import os
import shlex
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from patentlab.config import TrackingConfig
from patentlab.storage import is_held, locked

if TYPE_CHECKING:
    from mlflow import MlflowClient

T = TypeVar("T")
PARENT = "mlflow.parentRunId"  # the tag that MLflow nests runs by
RUNS_FILE = "runs.json"  # a sweep's artifact: which MLflow run each of its runs is
_SQLITE = "sqlite:///"


def is_there(client: MlflowClient, run_id: str) -> bool:
    """Whether there is such a run, and nobody deleted it."""
    from mlflow.exceptions import MlflowException

    try:
        return bool(client.get_run(run_id).info.lifecycle_stage == "active")
    except MlflowException:
        return False


def liveness(folder: Path, lock: Path) -> dict[str, str]:
    """Tags by which to find out whether a run's process is still there.

    Args:
        folder: Of the run.
        lock: What the process holds, or a folder of which it holds one.

    Returns:
        The tags.
    """
    return {"folder": str(folder), "lock": str(lock), "host": socket.gethostname()}


def close_run(client: MlflowClient, run_id: str) -> None:
    """Mark a run as killed, if it is still said to be running."""
    if client.get_run(run_id).info.status == "RUNNING":
        client.set_terminated(run_id, "KILLED")


def dead_runs(client: MlflowClient, sweep: Path | None = None) -> list[tuple[str, Path]]:
    """Runs that a process of this machine began and did not live to close.

    Args:
        client: Of the database or server.
        sweep: Look at the runs in this folder alone.

    Returns:
        Ids, and the runs' folders.
    """
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    which = f"attributes.status = 'RUNNING' and tags.host = '{socket.gethostname()}'"
    dead = []
    for run in client.search_runs(experiments, which):
        folder, lock = run.data.tags.get("folder"), run.data.tags.get("lock")
        if folder is None or lock is None or (sweep is not None and not Path(folder).is_relative_to(sweep)):
            continue
        if not is_held(Path(lock)):
            dead.append((run.info.run_id, Path(folder)))
    return dead


def patiently(call: Callable[[], T]) -> T:
    """Call, and call again while other processes keep the database locked.

    Args:
        call: May be repeated: what was locked did not happen.

    Returns:
        What it returns.
    """
    for pause in (0.2, 0.5, 1.0, 2.0, 5.0):
        try:
            return call()
        except Exception as error:
            if "database is locked" not in str(error):
                raise
            time.sleep(pause)
    return call()


def connect(uri: str) -> MlflowClient:
    """A client; a database that does not exist yet is created first, by one process alone.

    Args:
        uri: ``sqlite:///…`` with an absolute path, or whatever MLflow takes.

    Returns:
        The client.
    """
    # an unreachable server should cost seconds, not minutes; what the user set stands
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
    os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"  # stdout is for the path of what was made
    from mlflow import MlflowClient

    for name in ("alembic", "urllib3", "mlflow"):  # mlflow sets its own level when imported
        logging.getLogger(name).setLevel(logging.ERROR)

    if uri.startswith(_SQLITE):
        # several processes that open a new database at once leave it broken
        with locked(Path(uri.removeprefix(_SQLITE))):
            client = MlflowClient(uri)
            client.search_experiments(max_results=1)
            return client
    return MlflowClient(uri)


def experiment_of(client: MlflowClient, config: TrackingConfig) -> str:
    """MLflow's id of the experiment that runs go to; made, or restored, where it is missing.

    Args:
        client: Of the database or server.
        config: The tracking group.

    Returns:
        The id.
    """
    from mlflow.exceptions import MlflowException

    name = config.experiment or "patentlab"
    local = str(config.uri).startswith(_SQLITE)
    if (found := client.get_experiment_by_name(name)) is not None:
        if found.lifecycle_stage == "deleted":
            client.restore_experiment(found.experiment_id)
        return str(found.experiment_id)
    location = Path(config.artifacts).resolve().as_uri() + f"/{name}" if local and config.artifacts else None
    try:
        return client.create_experiment(name, artifact_location=location)
    except MlflowException:  # another process was faster
        found = client.get_experiment_by_name(name)
        if found is None:
            raise
        return str(found.experiment_id)


def experiment_pages(client: MlflowClient) -> list[tuple[str, str]]:
    """The pages with the runs of each experiment that has any, the latest experiment first.

    Args:
        client: Of a database or server.

    Returns:
        Names, and addresses below the server's. Without the last part MLflow opens its pages for chats.
    """
    experiments = client.search_experiments(order_by=["last_update_time DESC"])
    return [
        (experiment.name, f"#/experiments/{experiment.experiment_id}/runs?workflowType=machine_learning")
        for experiment in experiments
        if client.search_runs([experiment.experiment_id], max_results=1)
    ]


def ui_hint(uri: str) -> str:
    """What opens the MLflow pages of a tracking URI: a server's address, or a command."""
    return uri if uri.startswith("http") else shlex.join([sys.executable, *ui_command(uri)])


def ui_command(uri: str, port: int = 5000) -> list[str]:
    """The arguments that open the MLflow pages on loopback, after ``python``; one process is enough for one reader."""
    place = ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    return ["-m", "mlflow", "ui", *place, "--backend-store-uri", uri]
