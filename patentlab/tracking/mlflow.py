"""The MLflow mirror of a run. It may fail at any point, and never hurts the run."""

from __future__ import annotations

import json
import logging
import os
import shlex
import socket
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from patentlab.cache import is_held, locked, write_atomically
from patentlab.config import TrackingConfig
from patentlab.tracking.record import Record, lock_of

if TYPE_CHECKING:
    from mlflow import MlflowClient

T = TypeVar("T")
PARENT = "mlflow.parentRunId"  # the tag that MLflow nests runs by
RUNS_FILE = "runs.json"  # a sweep's artifact: which MLflow run each of its runs is
_LOG = logging.getLogger(__name__)
_SQLITE = "sqlite:///"
_MAX_VALUE = 6000  # characters of a parameter
_MAX_BATCH = 100  # parameters a call


class Mirror:
    """One run in MLflow, from start to finish. After the first failure it says so in a line and stays silent.

    Args:
        config: The tracking group; with ``name: none`` nothing is mirrored.
        sweep: That the run belongs to.
    """

    def __init__(self, config: TrackingConfig, sweep: SweepRun | None = None) -> None:
        self.config = config
        self.sweep = sweep
        self.run_id: str | None = None
        self._client: MlflowClient | None = None
        self._broken = config.name == "none" or not config.uri

    def start(self, record: Record, settings: Mapping[str, Any], folder: Path) -> None:
        """Open the run.

        Args:
            record: Its choices become tags.
            settings: The composed configuration, nested; becomes parameters with dotted names.
            folder: Of the run, noted as a tag.
        """
        self._attempt(lambda: self._start(record, settings, folder))

    def epoch(self, row: Mapping[str, float]) -> None:
        """Add a point to each curve.

        Args:
            row: Of the history; ``epoch`` is the step.
        """
        values = {name: value for name, value in row.items() if name != "epoch"}
        self._attempt(lambda: self._log_metrics(values, int(row["epoch"])))

    def finish(self, record: Record, artifacts: list[Path]) -> None:
        """Add final metrics and files, and close the run.

        Args:
            record: Finished or failed.
            artifacts: Files that exist.
        """
        self._broken = self._broken and self.run_id is None  # a lost point of a curve must not leave the run open
        self._attempt(lambda: self._finish(record, artifacts))

    def _attempt(self, call: Callable[[], None]) -> None:
        if self._broken:
            return
        try:
            call()
        except Exception as error:  # whatever a tracking server does must not end a run
            self._broken = True
            reason = " ".join(str(error).split())[:200]
            _LOG.warning("MLflow at %s failed, the run goes on without it: %s", self.config.uri, reason)

    def _start(self, record: Record, settings: Mapping[str, Any], folder: Path) -> None:
        self._client = connect(str(self.config.uri))
        experiment = _experiment(self._client, self.config)
        tags = {name: str(value) for name, value in record.choices.items() if value is not None}
        tags |= {"key": record.key, "mlflow.source.name": "patentlab.run", **liveness(folder, lock_of(folder))}
        if self.sweep is not None:
            tags |= {
                "sweep": self.sweep.name,
                PARENT: self.sweep.ensure(self._client, experiment, str(self.config.uri)),
            }
        client = self._client
        run = patiently(lambda: client.create_run(experiment, run_name=run_name(record.choices), tags=tags))
        self.run_id = run_id = run.info.run_id
        from mlflow.entities import Param

        parameters = [Param(name, str(value)[:_MAX_VALUE]) for name, value in flatten(settings).items()]
        for first in range(0, len(parameters), _MAX_BATCH):
            batch = parameters[first : first + _MAX_BATCH]
            patiently(lambda batch=batch: client.log_batch(run_id, params=batch))  # type: ignore[misc]

    def _log_metrics(self, values: Mapping[str, float], step: int) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        metrics = [Metric(name, value, now, step) for name, value in values.items()]
        client, run_id = self._client, self.run_id
        if client is not None and run_id is not None:
            patiently(lambda: client.log_batch(run_id, metrics=metrics))

    def _finish(self, record: Record, artifacts: list[Path]) -> None:
        client, run_id = self._client, self.run_id
        if client is None or run_id is None:
            return
        self._log_metrics(final_metrics(record), 0)
        if record.error is not None:
            error = record.error[:_MAX_VALUE]
            patiently(lambda: client.set_tag(run_id, "error", error))
        for path in artifacts:
            client.log_artifact(run_id, str(path))
        status = "KILLED" if record.interrupted else "FINISHED" if record.status == "finished" else "FAILED"
        patiently(lambda: client.set_terminated(run_id, status))

    def close(self, earlier: Record) -> None:
        """End the run of a process that died: nothing may seem to be running that is not.

        Args:
            earlier: What that process left in the folder.
        """
        run_id = earlier.tracking.get("run_id")
        client = self._client
        if client is not None and run_id and earlier.tracking.get("uri") == self.config.uri:
            self._attempt(lambda: close_run(client, run_id))


@dataclass(frozen=True)
class SweepRun:
    """The MLflow run that those of a sweep are nested in: one, however often the sweep is started.

    Attributes:
        folder: Of the sweep.
        name: Of the sweep.
    """

    folder: Path
    name: str

    def ensure(self, client: MlflowClient, experiment: str, uri: str) -> str:
        """The run's id; the first run of the sweep that gets here makes it.

        Args:
            client: Of the database or server.
            experiment: MLflow's id of the experiment that a new one is made in.
            uri: What the client is connected to.

        Returns:
            Its id.
        """
        path = self.folder / ".sweep" / "mlflow.json"
        with locked(path):
            known = self._read()
            if known.get(uri) is None or not _is_there(client, known[uri]):
                tags = {"sweep": self.name, "mlflow.source.name": "patentlab.run"}
                tags |= liveness(self.folder, self.folder / ".sweep" / "starts")
                run = patiently(lambda: client.create_run(experiment, run_name=self.name, tags=tags))
                known[uri] = run.info.run_id
                write_atomically(path, json.dumps(known))
        return known[uri]

    def finish(
        self,
        config: TrackingConfig,
        status: str,
        tags: Mapping[str, object],
        runs: Mapping[str, Record],
        artifacts: list[Path],
    ) -> None:
        """Bring the run up to date and close it, if there is one. As a mirror, it may fail.

        Args:
            config: The tracking group.
            status: ``FINISHED``, ``FAILED`` or ``KILLED``.
            tags: How many runs stand how.
            runs: Those that the sweep consists of, by their folders' names.
            artifacts: Files that exist.
        """
        mirrored = {
            name: record.tracking["run_id"] for name, record in runs.items() if record.tracking.get("uri") == config.uri
        }
        run_id = self._read().get(str(config.uri))
        if run_id is None:
            return
        try:
            client = connect(str(config.uri))
            for name, value in tags.items():
                client.set_tag(run_id, name, str(value))
            for path in artifacts:
                client.log_artifact(run_id, str(path))
            client.log_dict(run_id, mirrored, RUNS_FILE)
            patiently(lambda: client.set_terminated(run_id, status))
            close_dead_runs(client, self.folder)
        except Exception as error:
            _LOG.warning("MLflow at %s failed: %s", config.uri, " ".join(str(error).split())[:200])

    def _read(self) -> dict[str, str]:
        try:
            return dict(json.loads((self.folder / ".sweep" / "mlflow.json").read_text(encoding="utf-8")))
        except (OSError, ValueError):
            return {}


def _is_there(client: MlflowClient, run_id: str) -> bool:
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


def close_dead_runs(client: MlflowClient, sweep: Path | None = None) -> int:
    """Mark runs as killed that a process of this machine began and did not live to finish.

    Args:
        client: Of the database or server.
        sweep: Look at the runs in this folder alone.

    Returns:
        How many.
    """
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    which = f"attributes.status = 'RUNNING' and tags.host = '{socket.gethostname()}'"
    closed = 0
    for run in client.search_runs(experiments, which):
        folder, lock = run.data.tags.get("folder"), run.data.tags.get("lock")
        if folder is None or lock is None or (sweep is not None and not Path(folder).is_relative_to(sweep)):
            continue
        if not is_held(Path(lock)):
            client.set_terminated(run.info.run_id, "KILLED")
            closed += 1
    return closed


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


def run_name(choices: Mapping[str, Any]) -> str:
    """A name that tells runs apart at a glance: ``minilm-full 1:10 mix=0.2 duplicate seed=0``."""
    parts = ["-".join(str(choices[name]) for name in ("model", "adapter") if choices[name] != "none")]
    parts += [str(choices["regime"]), f"mix={choices['mix']:g}"]
    parts += [str(choices["strategy"])] if choices["strategy"] != "none" else []
    parts += [str(choices["loss"])] if choices["loss"] != "bce" else []
    return " ".join([*parts, f"seed={choices['seed']}"])


def final_metrics(record: Record) -> dict[str, float]:
    """The numbers of a record by flat names: ``test.f1_micro``, ``counts.train``, ``timing.total``."""
    groups: dict[str, Mapping[str, Any]] = {
        **record.metrics,
        "counts": record.counts,
        "training": record.training,
        "parameters": record.parameters,
        "synthesis": record.synthesis,
        "fidelity": record.fidelity,
        "retrieval": record.retrieval,
        "timing": record.timing,
        "memory": record.memory,
    }
    values = {"threshold": record.threshold} | {
        # MLflow allows no @ in the name of a metric
        f"{group.replace('@', '')}.{name}": value
        for group, content in groups.items()
        for name, value in content.items()
    }
    return {name: float(value) for name, value in values.items() if isinstance(value, int | float)}


def flatten(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings under dotted names."""
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value
    return flat


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


def _experiment(client: MlflowClient, config: TrackingConfig) -> str:
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
    """The arguments that open the MLflow pages on loopback, after ``python``."""
    return ["-m", "mlflow", "ui", "--host", "127.0.0.1", "--port", str(port), "--backend-store-uri", uri]
