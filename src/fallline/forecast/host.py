"""The time of the host besides what programs compute: calling them, and fetching their results."""

from __future__ import annotations

from typing import NamedTuple


class Host(NamedTuple):
    """Seconds: ``call`` per call of a compiled program, ``array`` per array among its arguments and results,
    ``fetch`` per
    result that is copied to the host; ``evaluation`` is the overhead of evaluating a split. The first call of a program
    takes ``first``, and ``first_array`` per array, longer.
    """

    call: float
    array: float
    fetch: float
    evaluation: float
    first: float
    first_array: float

    def seconds(self, arrays: int, fetched: int) -> float:
        """The seconds of a call with this many arrays as arguments and results, of which ``fetched`` are fetched."""
        return self.call + self.array * arrays + self.fetch * fetched

    def first_seconds(self, arrays: int) -> float:
        """The additional seconds of the first call of such a program."""
        return self.first + self.first_array * arrays
