"""From begun to finished or failed: what is kept of a run on its way, and how long its stages take."""

from __future__ import annotations

import shutil
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from patentlab.config import ExperimentConfig, RequestError
from patentlab.tracking.identity import KEY_VERSION
from patentlab.tracking.mirror import Mirror
from patentlab.tracking.record import Record, installed_versions, machine, read_record


class Clock:
    """Seconds by stage."""

    def __init__(self) -> None:
        self.started = time.perf_counter()
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Time a stage."""
        start = time.perf_counter()
        yield
        self.seconds[stage] = round(time.perf_counter() - start, 3)

    def total(self) -> dict[str, float]:
        """The stages so far, and the time since the clock was made."""
        return {**self.seconds, "total": round(time.perf_counter() - self.started, 3)}


def _clear(folder: Path) -> None:
    """Remove what an earlier run into the same folder left, so that nothing of it is taken for this one's."""
    names = "result.json history.csv per_label.csv confusions.csv predictions.parquet traceback.txt"
    for name in [*names.split(), "per_label_f1.png", "confusions.png"]:
        (folder / name).unlink(missing_ok=True)
    shutil.rmtree(folder / "model", ignore_errors=True)


@contextmanager
def recorded(record: Record, folder: Path, mirror: Mirror, config: ExperimentConfig) -> Iterator[Callable[[], None]]:
    """Keep ``result.json`` and MLflow at the run's status: running, then finished or failed.

    Yields:
        To be called when all that the request asks for turned out to be there. A wrong request that is found out
        before leaves no trace, but in a sweep, where it is one of many.
    """
    settings = config.settings
    begun = False

    def begin() -> None:
        nonlocal begun
        if begun:
            return
        begun = True
        folder.mkdir(parents=True, exist_ok=True)  # a start that plans removes folders that are empty
        earlier = read_record(folder)
        _clear(folder)
        (folder / "config.yaml").write_text(
            yaml.safe_dump(settings, sort_keys=False, allow_unicode=True), encoding="utf-8"
        )
        record.versions, record.machine, record.key_version = installed_versions(), machine(), KEY_VERSION
        record.write(folder)
        mirror.start(record, settings, folder)
        if earlier is not None and earlier.status == "running":
            mirror.close(earlier)
        if mirror.run_id is not None:
            record.tracking = {"uri": str(config.tracking.uri), "run_id": mirror.run_id}
            record.write(folder)

    try:
        yield begin
        record.status = "finished"
    except BaseException as error:
        if isinstance(error, RequestError) and not begun and mirror.sweep is None:
            raise
        if not begun:
            begin()
        record.status = "failed"
        record.metrics, record.threshold, record.thresholds = {}, None, {}  # a failed run is a status, never a number
        told = isinstance(error, RequestError)
        record.error = str(error) if told else f"{type(error).__name__}: {error}".strip()
        (folder / "traceback.txt").write_text(traceback.format_exc(), encoding="utf-8")
        raise
    finally:
        if begun:
            record.write(folder)
            mirror.finish(record, folder)
