"""Measured steps as a law draws them: rows of a scale measurement with a known truth, for tests."""

import polars as pl

from fallline.scaling.points import ROWS, Points
from fallline.scaling.wanted import DATA, REDUCE, SMALL_BYTES, wanted
from fallline.study.device_counts import parse_counts

SIZES = (32, 128, 512)
SPREAD = (0.99, 1.0, 1.01)
"""What the repeats of a program take, in parts of the truth."""


def rows(law, devices="1,2,4", sizes=SIZES, sharing=lambda n: 1.0, idle=0.0):
    """A frame of rows: every wanted program at the seconds of ``law``; ``idle`` is what a split takes on top."""
    counts, found = parse_counts(devices), []
    for count in counts:
        n = count.total
        own = {"count": count.text, "hosts": count.hosts, "devices": n}
        for one in wanted(count, counts, sizes):
            split = one.what == DATA
            local = one.width // n if split else one.width
            seconds = law.compute(local, sharing(n)) + (law.communication(n) + idle if split else 0.0)
            found += [
                own | one.plain | {"local": local, "bytes": 0, "repeat": place, "steps": 10, "seconds": seconds * part}
                for place, part in enumerate(SPREAD)
            ]
        if n > 1:
            found += [
                own
                | {
                    "what": REDUCE,
                    "batch": 0,
                    "width": 0,
                    "local": 0,
                    "bytes": size,
                    "repeat": place,
                    "steps": 10,
                    "seconds": law.communication(n, size) * part,
                }
                for size in (SMALL_BYTES, int(law.bytes))
                for place, part in enumerate(SPREAD)
            ]
    return pl.DataFrame(found, schema=ROWS)


def points(law, **how):
    return Points(rows(law, **how), tuple(how.get("sizes", SIZES)), int(law.bytes))
