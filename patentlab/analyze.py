"""``python -m patentlab.analyze sweep=FOLDER``: what a sweep found.

``sweep=multirun/NAME``          the sweep's folder, or with source=mlflow its name
``table=csv``                    the run matrix, a row a run; or parquet, or csv,parquet
``source=mlflow``                from MLflow alone; tracking.uri=… names another database or server than the default
``experiment=NAME``              MLflow's experiment, where several have a sweep of this name
``out=FOLDER``                   where to write; the sweep's folder by default
"""

from __future__ import annotations

import sys
from pathlib import Path

from patentlab.command_line import compose, read_settings, run_command
from patentlab.config import RequestError

_SETTINGS = {
    "sweep": None,
    "table": "csv",
    "source": "records",
    "experiment": None,
    "tracking.uri": None,
    "out": None,
}


def main() -> None:
    """Read the matrix, write it, and tell where it is."""
    if {"-h", "--help"} & set(sys.argv[1:]):
        print(__doc__)
        return
    settings = read_settings(sys.argv[1:], _SETTINGS)
    if settings["sweep"] is None:
        raise RequestError("sweep: must be given; write sweep=multirun/NAME")
    sweep = Path(settings["sweep"])
    formats = str(settings["table"]).split(",")
    from patentlab.analysis.matrix import FORMATS, read_matrix, read_matrix_from_mlflow, write_matrix

    if wrong := [name for name in formats if name not in FORMATS]:
        raise RequestError(f"table={','.join(wrong)}: allowed are {', '.join(FORMATS)}")
    if settings["source"] == "mlflow":
        uri = settings["tracking.uri"] or compose("tracking=mlflow").tracking.uri
        matrix = read_matrix_from_mlflow(str(uri), sweep.name, settings["experiment"])
    elif settings["source"] == "records":
        if not sweep.is_dir():
            raise RequestError(f"sweep={sweep}: no such folder")
        matrix = read_matrix(sweep)
        if matrix.empty:
            raise RequestError(f"sweep={sweep}: no runs in it")
    else:
        raise RequestError(f"source={settings['source']}: allowed are records, mlflow")
    out = Path(settings["out"] or sweep)
    out.mkdir(parents=True, exist_ok=True)
    paths = write_matrix(matrix, out, formats)
    print((paths[0] if len(paths) == 1 else out).resolve())


if __name__ == "__main__":
    sys.exit(run_command(main))
