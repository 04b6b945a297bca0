"""Arms that are compared with each other: their values by seed, ranks, pairs, and which are equal but for rounding."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fallline.stats.arms import Arm, Settings
from fallline.stats.best import best_shares
from fallline.stats.differences import difference, levelled
from fallline.stats.evidence import Sample
from fallline.stats.ranks import Ranks, ranks


@dataclass(frozen=True, eq=False)
class ArmGroup:
    """Arms that share the settings ``within``, best first: by the fewest lost seeds, then by the mean."""

    within: Settings
    arms: tuple[Arm, ...]
    up: bool
    nothing: float = 0.0
    """Differences up to this size are rounding."""

    @cached_property
    def seeds(self) -> list[int]:
        """Every seed that some arm has."""
        return sorted({seed for arm in self.arms for seed in arm.sample})

    @cached_property
    def values(self) -> np.ndarray:
        """[arms, seeds]: NaN without a trial of a seed, infinitely bad where that trial is ``lost``; equal where arms
        differ only by rounding."""
        own = np.array([[arm.sample.get(seed, math.nan) for seed in self.seeds] for arm in self.arms])
        return levelled(own, self.nothing)

    @cached_property
    def ranks(self) -> Ranks | None:
        """The ranks of the arms at each seed that all of them have."""
        return ranks(self.values, self.up)

    @cached_property
    def best_shares(self) -> np.ndarray | None:
        """For each arm the share of bootstrap resamples of the seeds in which it is best."""
        return best_shares(self.values, self.up)

    @cached_property
    def stands_for(self) -> list[int]:
        """For each arm the position of the first arm with the same values but for rounding, which may be itself; an arm
        that diverged at every seed stands only for itself."""
        found: dict[bytes, int] = {}
        return [
            found.setdefault((row + 0.0).tobytes(), place) if np.isfinite(row).any() else place
            for place, row in enumerate(self.values)
        ]

    def lost(self, place: int) -> bool:
        """Whether the arm at this place is lost at every seed."""
        return lost(self.arms[place]) == len(self.arms[place].sample)

    def sample(self, first: int, second: int) -> Sample:
        """The differences of the arms at two places."""
        return difference(self.arms[first], self.arms[second], self.up, self.nothing)

    @cached_property
    def places(self) -> list[tuple[int, int]]:
        """The pairs of arms to compare: those with a seed in common, of which at least one did not diverge
        everywhere."""
        alive = [any(math.isfinite(value) for value in arm.sample.values()) for arm in self.arms]
        return [
            (a, b)
            for a, b in itertools.combinations(range(len(self.arms)), 2)
            if self.arms[a].sample.keys() & self.arms[b].sample.keys() and (alive[a] or alive[b])
        ]


def lost(arm: Arm) -> int:
    """The number of seeds at which the arm's trial diverged, missed the target, or finished without a number."""
    return sum(math.isinf(value) for value in arm.sample.values())
