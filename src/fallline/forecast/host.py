"""What the host costs beside what programs compute: calling them, fetching what they give."""

from __future__ import annotations

from typing import NamedTuple


class Host(NamedTuple):
    """Seconds: ``call`` is any call of a compiled program, ``array`` one that it is given or gives, ``fetch`` a result
    that is brought to the host; ``evaluation`` is what an evaluation of a split costs besides. A program's first call
    costs ``first`` and ``first_array`` more.
    """

    call: float
    array: float
    fetch: float
    evaluation: float
    first: float
    first_array: float

    def seconds(self, arrays: int, fetched: int) -> float:
        """A call with so many arrays given and given back, of which so many are fetched."""
        return self.call + self.array * arrays + self.fetch * fetched

    def first_seconds(self, arrays: int) -> float:
        """What the first call of such a program costs beyond the others."""
        return self.first + self.first_array * arrays
