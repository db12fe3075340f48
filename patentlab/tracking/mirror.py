"""The MLflow mirror of runs and sweeps. It may fail at any point, and never hurts what it mirrors."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from patentlab.config import TrackingConfig
from patentlab.storage import locked, write_atomically
from patentlab.tracking.identity import run_name
from patentlab.tracking.mlflow import (
    PARENT,
    RUNS_FILE,
    close_run,
    connect,
    dead_runs,
    experiment_of,
    is_there,
    liveness,
    patiently,
)
from patentlab.tracking.record import Record, final_metrics, flatten, lock_of, read_record

if TYPE_CHECKING:
    from mlflow import MlflowClient

_LOG = logging.getLogger(__name__)
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
        values = {f"by_epoch.{name}": value for name, value in row.items() if name != "epoch"}
        client, run_id = self._client, self.run_id
        if client is not None and run_id is not None:
            self._attempt(lambda: _log_metrics(client, run_id, values, int(row["epoch"])))

    def finish(self, record: Record, folder: Path) -> None:
        """Add final metrics and files, and close the run.

        Args:
            record: Finished or failed.
            folder: Of the run.
        """
        client, run_id = self._client, self.run_id
        if client is None or run_id is None:
            return
        self._broken = False  # a lost point of a curve must not leave the run open
        self._attempt(lambda: _complete(client, run_id, record, folder))

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
        experiment = experiment_of(self._client, self.config)
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

    def close(self, earlier: Record) -> None:
        """End the run of a process that died: nothing may seem to be running that is not.

        Args:
            earlier: What that process left in the folder.
        """
        run_id = earlier.tracking.get("run_id")
        client = self._client
        if client is not None and run_id and earlier.tracking.get("uri") == self.config.uri:
            self._attempt(lambda: close_run(client, run_id))


def _log_metrics(client: MlflowClient, run_id: str, values: Mapping[str, float], step: int) -> None:
    from mlflow.entities import Metric

    now = int(time.time() * 1000)
    # MLflow draws what stands before a slash as a section of its own
    metrics = [Metric("/".join(name.rsplit(".", 1)), value, now, step) for name, value in values.items()]
    patiently(lambda: client.log_batch(run_id, metrics=metrics))


def _complete(client: MlflowClient, run_id: str, record: Record, folder: Path) -> None:
    """Add final metrics and files, and close a run."""
    _log_metrics(client, run_id, final_metrics(record), 0)
    if record.error is not None:
        error = record.error[:_MAX_VALUE]
        patiently(lambda: client.set_tag(run_id, "error", error))
    for path in sorted(path for path in folder.iterdir() if path.is_file() and path.name != "run.log"):
        client.log_artifact(run_id, str(path))
    if record.saved:
        settings = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
        if settings["trainer"]["save_model"] == "always":  # models that nobody asked for stay on this disk
            client.log_artifacts(run_id, str(folder / record.saved["folder"]), record.saved["folder"])
    status = "KILLED" if record.interrupted else "FINISHED" if record.status == "finished" else "FAILED"
    patiently(lambda: client.set_terminated(run_id, status))


def close_dead_runs(client: MlflowClient, sweep: Path | None = None) -> None:
    """Close runs that a process of this machine began and did not live to close.

    Those whose record says how they ended are brought up to it: their process died before it could tell MLflow. The
    others are marked as killed.

    Args:
        client: Of the database or server.
        sweep: Look at the runs in this folder alone.
    """
    for run_id, folder in dead_runs(client, sweep):
        record = read_record(folder)
        if record is not None and record.status != "running" and record.tracking.get("run_id") == run_id:
            _complete(client, run_id, record, folder)
        else:
            close_run(client, run_id)


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
            if known.get(uri) is None or not is_there(client, known[uri]):
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
