"""What was found in a run folder, and the whole of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

AGAIN = "the same command with --resume"
"""What to type to go on: the command that began the run stands in environments/."""

ASIDE = "--repair moves it aside"


@dataclass(frozen=True)
class Finding:
    """One thing about the file or folder ``path`` (relative to the run folder): what is ``wrong``, and the ``remedy``.

    A repair moves the whole ``block`` aside, or the path itself where it ``goes``; or it writes the timing of a block
    ``anew``. Of a block that is ``twice`` there nothing more is expected: its trials are recorded in another. What is
    only ``noted`` is not wrong.
    """

    path: str
    wrong: str
    remedy: str
    block: str = ""
    goes: bool = False
    anew: bool = False
    twice: bool = False
    noted: bool = False

    def __str__(self) -> str:
        return f"{'note: ' if self.noted else ''}{self.path}: {self.wrong}; {self.remedy}"


@dataclass(frozen=True)
class Verification:
    """The findings in a run folder; how many of its planned blocks are done, and how many trials they hold.

    Print it for a line each; it is true where the folder is sound.
    """

    folder: Path
    findings: tuple[Finding, ...]
    done: int
    planned: int
    trials: int

    @property
    def wrong(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if not finding.noted)

    def __bool__(self) -> bool:
        return not self.wrong

    @property
    def repairable(self) -> bool:
        """Whether ``repair`` would do something."""
        return any(finding.block or finding.goes or finding.anew for finding in self.findings)

    def __str__(self) -> str:
        lines = [str(finding) for finding in self.findings]
        counted = f"{_plural(self.done, 'block')} with {_plural(self.trials, 'trial')}"
        if self.planned > self.done:
            counted = f"{self.done:,} of {self.planned:,} planned blocks done, {_plural(self.trials, 'trial')}"
        if not self.wrong:
            return "\n".join([*lines, f"{self.folder} is sound: {counted}"])
        return "\n".join([*lines, f"{self.folder}: {counted}; {_plural(len(self.wrong), 'thing')} to repair"])


def _plural(count: int, word: str) -> str:
    return f"{count:,} {word}{'' if count == 1 else 's'}"
