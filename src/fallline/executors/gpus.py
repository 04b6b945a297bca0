"""The GPUs of this machine shared out to jobs: each sees its own and no other."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping

from fallline.errors import StudyError

SHARE = 0.75
"""Of a GPU's memory what JAX takes at its start, as it does by default; jobs that share a GPU divide it."""


class Gpus:
    """Who has which GPU. Where there are more jobs than GPUs, a GPU is given to several."""

    def __init__(self, a_job: int, jobs: int):
        self.users = dict.fromkeys(visible_gpus(), 0)
        self.a_job = a_job
        if a_job > len(self.users):
            raise StudyError(f"a job is to have {a_job} GPUs, and this machine shows {len(self.users)}")
        self.to_each = -(-jobs * max(a_job, 1) // max(len(self.users), 1))

    def take(self) -> tuple[list[str], Mapping[str, str]]:
        """The least used GPUs for a job, and what tells it of them; of a machine without GPUs nothing."""
        if not self.users:
            return [], {}
        own = sorted(self.users, key=self.users.__getitem__)[: max(self.a_job, 1)]
        for gpu in own:
            self.users[gpu] += 1
        told = {"CUDA_VISIBLE_DEVICES": ",".join(own)}
        if self.to_each > 1 and "XLA_PYTHON_CLIENT_MEM_FRACTION" not in os.environ:
            told["XLA_PYTHON_CLIENT_MEM_FRACTION"] = f"{SHARE / self.to_each:.3f}"
        return own, told

    def give_back(self, own: list[str]) -> None:
        for gpu in own:
            self.users[gpu] -= 1


def visible_gpus() -> list[str]:
    """The NVIDIA GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    if given is not None:
        return [name.strip() for name in given.split(",") if name.strip()]
    try:
        told = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    return [str(place) for place in range(sum(line.startswith("GPU ") for line in told.stdout.splitlines()))]
