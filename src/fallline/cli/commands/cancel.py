"""``fallline cancel``: end the jobs of a run."""

from __future__ import annotations

from fallline.cli.options import FolderArgument


def command(folder: FolderArgument) -> None:
    """End the jobs of a run; --resume continues it later.

    Jobs that train write a checkpoint first.

    Example: fallline cancel runs/softmax-optimizers-quick
    """
    from fallline.api import jobs

    jobs(folder).cancel()
    print(
        f"the jobs of {folder} were asked to end; fallline status {folder} shows when they have. Continue with the "
        "same command and --resume"
    )
