"""``fallline status``: the state of the jobs of a run."""

from __future__ import annotations

from fallline.cli.options import FolderArgument


def command(folder: FolderArgument) -> None:
    """Show the jobs of a run: done, running, waiting, failed.

    One line per cohort, with the reason where its job failed.

    Example: fallline status runs/softmax-optimizers-quick
    """
    from rich.text import Text

    from fallline.api import jobs
    from fallline.cli.screens import plain_table, print_whole
    from fallline.report.sentences.earlier import earlier_in_words
    from fallline.store import Run

    launched = jobs(folder)
    frame = launched.status()
    table = plain_table("cohort", "name", "state", "trials", "steps", "job", "starts", "why")
    for row in frame.iter_rows(named=True):
        share = 100 * row["reached"] / row["steps"] if row["steps"] else 0
        table.add_row(
            str(row["number"]),
            Text(row["name"]),
            row["state"],
            f"{row['done_trials']} of {row['trials']}",
            f"{share:.0f} %",
            Text(row["where"]),
            str(row["attempts"]),
            Text(row["reason"]),
        )
    print_whole(table)
    print(launched.described)
    counts = dict(frame["state"].value_counts().iter_rows())
    print(", ".join(f"{count} {state}" for state, count in sorted(counts.items())))
    if earlier := earlier_in_words(Run(folder)):
        print(earlier)
