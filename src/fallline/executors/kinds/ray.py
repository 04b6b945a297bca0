"""``ray``: one task per cohort on a Ray cluster; without an address a local cluster, reachable from this machine
only."""

from __future__ import annotations

import os
import secrets
import shlex
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fallline.engine.devices import RemoteDevices
from fallline.errors import FalllineError, StudyError
from fallline.executors import supervised
from fallline.executors.options import option
from fallline.executors.protocol import CONTINUE, Executor

if TYPE_CHECKING:
    from fallline.executors.supervisor import Ended
    from fallline.store.launches import Launch

LOST_NODE = -9
"""The exit code of a task whose node or process has died: killed."""

LOOPBACK_ONLY = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
"""Ray binds its servers to the loopback on systems where it makes no clusters of several machines, and where this
variable is 0: else it listens on every network interface (Ray 2.60, services.get_node_ip_address)."""


@dataclass(frozen=True)
class RayOptions:
    """Which cluster, and what each job takes of it."""

    address: str = option("", "address of the cluster; by default RAY_ADDRESS, else a local cluster is started.")
    jobs: int = option(0, "jobs that run at once; no limit by default.", least=1)
    cpus: int = option(1, "CPU cores of each process.", least=1)
    gpus: str = option("0", "GPUs of each job, also a fraction of one; 0 by default.")

    def __post_init__(self) -> None:
        try:
            number = float(self.gpus)
        except (TypeError, ValueError):
            number = -1.0
        if number < 0 or self.cpus < 1 or self.jobs < 0:
            raise StudyError(
                f"ray takes gpus as a number, cpus of 1 or more and jobs of 1 or more, got gpus = "
                f"{self.gpus!r}, cpus = {self.cpus}, jobs = {self.jobs}"
            )
        object.__setattr__(self, "gpus", str(self.gpus))


class Tasks:
    """Runs jobs as tasks of a cluster."""

    def __init__(self, launched: Launch):
        wanted = launched.options
        cluster: dict[str, Any] = {"address": _address(wanted)}
        if not cluster["address"]:
            _keep_local()
            cluster = {
                "address": "local",
                "include_dashboard": False,
                "num_cpus": wanted["cpus"] * (wanted["jobs"] or 1),
            }
        from fallline.executors.process_group import CARRIED

        ray = self.ray = _ray()
        ray.init(log_to_driver=False, configure_logging=False, **cluster)
        options = {"num_cpus": wanted["cpus"], "num_gpus": float(wanted["gpus"])}
        self.task = ray.remote(run_job).options(max_retries=3, **options)
        self.file = str(launched.folder / "launch.json")
        self.settings = {name: os.environ[name] for name in CARRIED if name in os.environ}

    def start(self, cohort: int) -> Any:
        return self.task.remote(self.file, cohort, self.settings)

    def ended(self, job: Any) -> Ended | None:
        from fallline.executors.supervisor import Ended

        ready, _ = self.ray.wait([job], timeout=0)
        if not ready:
            return None
        try:
            return Ended(*self.ray.get(job))
        except self.ray.exceptions.TaskCancelledError:
            return Ended(CONTINUE)
        except self.ray.exceptions.RayError as failure:
            return Ended(LOST_NODE, " ".join(str(failure).split())[:300])

    def where(self, job: Any) -> str:
        return f"task {job.hex()[:16]}"

    def stop(self, job: Any) -> None:
        self.ray.cancel(job)

    def kill(self, job: Any) -> None:
        self.ray.cancel(job, force=True)

    def close(self) -> None:
        self.ray.shutdown()


def run_job(file: str, cohort: int, settings: Mapping[str, str]) -> tuple[int, str]:
    """What a task does: run the processes of one job, on the node that Ray chose."""
    from fallline.executors.process_group import ProcessGroup
    from fallline.executors.supervisor import LOOK_SECONDS, PATIENCE_SECONDS
    from fallline.store.launches import read_launch

    launched = read_launch(Path(file))
    group = ProcessGroup.start(launched, cohort, f"ray-{launched.number}-{cohort}", settings)
    try:
        while (ended := group.ended()) is None:
            time.sleep(LOOK_SECONDS)
        return ended.code, ended.reason
    except KeyboardInterrupt:  # Ray cancels a task by this
        group.stop()
        until = time.monotonic() + PATIENCE_SECONDS
        while (ended := group.ended()) is None and time.monotonic() < until:
            time.sleep(LOOK_SECONDS)
        group.kill()
        return (ended.code, ended.reason) if ended else (CONTINUE, "")


def _address(options: Mapping[str, Any]) -> str:
    """The address of the user's cluster; "" where a local one is to be started."""
    address = options["address"] or os.environ.get("RAY_ADDRESS", "")
    return "" if address == "local" else address


def _keep_local() -> None:
    """Before Ray is imported: bind a local cluster to the loopback, and let in only who knows this run's token."""
    os.environ[LOOPBACK_ONLY] = "0"
    os.environ.setdefault("RAY_AUTH_MODE", "token")
    os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))


def _ray() -> Any:
    try:
        import ray
    except ImportError:
        raise FalllineError(
            "executor ray needs Ray, which is not installed: python -m pip install 'fallline[ray]'"
        ) from None
    return ray


def _ready(options: Mapping[str, Any]) -> None:
    """FalllineError where Ray is not installed."""
    import importlib.util

    if importlib.util.find_spec("ray") is None:
        _ray()


def _place(options: Mapping[str, Any]) -> RemoteDevices | None:
    """The devices of a job on a node of the user's cluster; None of a local cluster: those of this machine."""
    return RemoteDevices("gpu" if float(options["gpus"]) else "cpu", options["cpus"]) if _address(options) else None


def _show(launched: Launch) -> str:
    from fallline.executors.process_group import worker_command

    where = _address(launched.options) or "a local cluster, started for this run"
    lines = [shlex.join(worker_command(launched, cohort)) for cohort in launched.cohorts]
    return "\n".join([f"# {len(lines)} tasks on {where}; each may be run by hand", *lines, ""])


RAY = Executor(
    "ray",
    "one task per cohort on a Ray cluster",
    RayOptions,
    supervised.launch,
    supervised.status,
    supervised.cancel,
    _show,
    runner=Tasks,
    place=_place,
    ready=_ready,
)
