"""Launch, status and cancel for executors without a scheduler: the supervisor's, imported when they are called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fallline.executors.protocol import JobStatus
    from fallline.store.launches import Launch


def launch(launched: Launch) -> dict[str, Any]:
    """Start a supervisor for the jobs; see ``fallline.executors.supervisor``."""
    from fallline.executors import supervisor

    return supervisor.launch(launched)


def status(launched: Launch) -> dict[int, JobStatus]:
    """The status of each cohort's job as the supervisor noted it."""
    from fallline.executors import supervisor

    return supervisor.status(launched)


def cancel(launched: Launch) -> None:
    """Ask the supervisor to end the jobs."""
    from fallline.executors import supervisor

    supervisor.cancel(launched)
