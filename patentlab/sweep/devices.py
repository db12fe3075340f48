"""One run a GPU: each process takes one for itself."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from patentlab.storage import cache_folder, held

VARIABLE = "CUDA_VISIBLE_DEVICES"
_WAIT = 1.0  # seconds between two looks for a free device
_claims = ExitStack()  # held for as long as the process lives: CUDA does not change devices once it has begun
_claimed: list[str] = []


def visible_devices() -> list[str]:
    """The GPUs that this process may use, by what ``CUDA_VISIBLE_DEVICES`` calls them; CUDA is not started."""
    import torch

    named = os.environ.get(VARIABLE)
    if named is not None:
        return [name.strip() for name in named.split(",") if name.strip() not in ("", "-1")]
    return [str(number) for number in range(torch.cuda.device_count())]


def claim_device(devices: Sequence[str] | None = None, folder: Path | None = None) -> str | None:
    """Take a GPU that no other process of patentlab on this machine uses; wait where all are in use.

    The first call decides, before CUDA has begun; later runs of the process stay on that GPU. Ray and Slurm hand out
    devices by themselves, and each process then sees its own alone.

    Args:
        devices: To choose from; None for all that are visible.
        folder: Where the locks lie; None for the cache.

    Returns:
        The GPU, which is the only one visible from now on; None on a machine without.
    """
    if _claimed:
        return _claimed[0]
    devices = visible_devices() if devices is None else devices
    folder = folder or cache_folder() / "devices"
    while devices:
        for device in devices:
            attempt = ExitStack()
            if attempt.enter_context(held(folder / f"{os.uname().nodename}-{device}.lock", wait=False)):
                _claims.push(attempt)
                _claimed.append(device)
                os.environ[VARIABLE] = device
                return device
            attempt.close()
        time.sleep(_WAIT)
    return None
