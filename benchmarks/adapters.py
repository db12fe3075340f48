"""Memory and time of each adapter on SmolLM2: one run a process, one after the other, on short demonstration texts.

python -m benchmarks.adapters [settings for every run]
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ADAPTERS = ("lora", "qlora", "full")
SETTINGS = ["data.size=300", "data.split.validation=40", "data.split.test=40", "head.fallback=null", "tracking=none"]
SETTINGS += ["trainer.max_steps=20", "trainer.batch_size=8"]


def measure(adapter: str, settings: Sequence[str]) -> dict[str, float]:
    """Run one adapter in a process of its own.

    Args:
        adapter: Of the model.
        settings: For the run.

    Returns:
        Megabytes of the model and of the process at its highest point, seconds of training and evaluation, last loss.
    """
    command = [sys.executable, "-m", "patentlab.run", f"adapter={adapter}", *SETTINGS, *settings]
    path = Path(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip())
    record = json.loads(path.read_text(encoding="utf-8"))
    return {
        "model MB": record["memory"]["model_bytes"] / 1e6,
        "peak MB": record["memory"]["peak_bytes"] / 1e6,
        "training s": record["timing"]["training"],
        "evaluation s": record["timing"]["evaluation"],
        "trained %": 100 * record["parameters"]["trained_share"],
    }


def main(settings: Sequence[str]) -> None:
    """Print a line an adapter, and each value as a ratio to that of LoRA."""
    reference: dict[str, float] = {}
    for adapter in ADAPTERS:
        values = measure(adapter, settings)
        reference = reference or values
        print(
            adapter, ", ".join(f"{name} {value:.1f} (×{value / reference[name]:.2f})" for name, value in values.items())
        )


if __name__ == "__main__":
    main(sys.argv[1:])
