"""Where the configuration lies, and where runs are tracked."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs


def data_folder() -> Path:
    """Folder of the MLflow database and its files: ``PATENTLAB_DATA``, else the platform's user data folder."""
    return Path(os.environ.get("PATENTLAB_DATA") or platformdirs.user_data_dir("patentlab", appauthor=False)).resolve()


def config_folder() -> Path:
    """``conf/``: inside the installed package, or beside it in a checkout.

    Returns:
        The absolute path.
    """
    package = Path(__file__).resolve().parents[1]
    inside = package / "conf"
    return inside if inside.is_dir() else package.parent / "conf"
