"""What is known on disk of a run, and whether it is to be executed."""

from __future__ import annotations

from patentlab.tracking.record import Record

DONE, FAILED, MISSING = "done", "failed", "missing"
# policy → the states in which a run is executed
_EXECUTED = {
    "missing": {MISSING},
    "failed": {MISSING, FAILED},
    "always": {MISSING, FAILED, DONE},
    "never": set[str](),
}


def state_of(record: Record | None, recorded: str, key: str, *, lacks_model: bool = False) -> str:
    """What a record says of a run.

    Args:
        record: In the run's folder, if any.
        recorded: The key of that run, as keys are made today.
        key: Of the run as it would be executed now.
        lacks_model: Whether its model is asked for and not there.

    Returns:
        ``done``: finished, under the same key. ``failed``: so it says, under the same key. ``missing``: anything else;
        also a finished run that lacks its model, and one that was killed (it says running) or interrupted, which is not
        the run's own failure.
    """
    if record is None or recorded != key:
        return MISSING
    if record.status == "finished":
        return MISSING if lacks_model else DONE
    return FAILED if record.status == "failed" and not record.interrupted else MISSING


def is_executed(state: str, policy: str) -> bool:
    """Whether a run in a state is executed under a policy of ``rerun``."""
    return state in _EXECUTED[policy]
