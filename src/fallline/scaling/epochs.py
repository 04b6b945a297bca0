"""What an epoch takes on each count of devices, batch by batch: the study's own steps, seconds as measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from fallline.scaling.points import Points

MOST_EPOCHS = 1000


@dataclass(frozen=True)
class EpochTime:
    """A way to draw batches that the study has: ``batch`` as it is written, and of each epoch from 0 the examples in a
    batch and the steps, as (size, steps) pairs in order; one pair where all epochs are alike. The budget is ``whole``
    epochs, the last may be a part of one.
    """

    batch: str
    epochs: tuple[tuple[int, float], ...]
    whole: float

    @property
    def alike(self) -> float:
        """How often each epoch of ``epochs`` comes."""
        return self.whole / len(self.epochs) if len(self.epochs) == 1 else 1.0


def epoch_times(points: Points, paces: Sequence[EpochTime]) -> pl.DataFrame:
    """One row a (batch, scaling, count, epoch): steps, seconds of the epoch, and the difference from one device.

    Strong: the batch is shared by all devices. Weak: it is of each device, so there are as many times fewer steps.
    ``measured`` says that the batch lies between measured ones.
    """
    rows = []
    for pace in paces:
        for scaling in ("strong", "weak"):
            for count in points.counts:
                n = points.devices(count)
                times = n if scaling == "weak" else 1
                for epoch, (size, steps) in enumerate(pace.epochs):
                    seconds, measured = points.step_seconds(count, size * times)
                    base, _ = points.step_seconds("1", size)
                    low, high = (points.step_seconds(count, size * times, what)[0] for what in ("low", "high"))
                    rows.append(
                        {
                            "batch": pace.batch,
                            "scaling": scaling,
                            "count": count,
                            "devices": n,
                            "epoch": epoch,
                            "batch_size": size * times,
                            "steps": steps / times,
                            "seconds": seconds * steps / times,
                            "low": low * steps / times,
                            "high": high * steps / times,
                            "difference": seconds * steps / times - base * steps,
                            "measured": measured,
                        }
                    )
    return pl.DataFrame(rows, infer_schema_length=None)


def budget_times(times: pl.DataFrame, paces: Sequence[EpochTime]) -> pl.DataFrame:
    """One row a (batch, scaling, count): steps and seconds of the whole budget, seconds of its mean epoch, speed-up
    with its range (the least of one over the most of the other, and the reverse)."""
    whole = pl.DataFrame([{"batch": pace.batch, "epochs": pace.whole, "alike": pace.alike} for pace in paces])
    found = (
        times.join(whole, on="batch", how="left", maintain_order="left")
        .group_by("batch", "scaling", "count", "devices", "epochs", maintain_order=True)
        .agg(
            *((pl.col(name) * pl.col("alike")).sum() for name in ("steps", "seconds", "low", "high")),
            pl.col("measured").all(),
        )
    )
    one = found.filter(count="1").select("batch", "scaling", "epochs", one="seconds", one_low="low", one_high="high")
    return (
        found.join(one, on=["batch", "scaling", "epochs"], how="left", maintain_order="left")
        .with_columns(
            an_epoch=pl.col("seconds") / pl.col("epochs"),
            speed_up=pl.col("one") / pl.col("seconds"),
            speed_up_low=pl.col("one_low") / pl.col("high"),
            speed_up_high=pl.col("one_high") / pl.col("low"),
            efficiency=pl.col("one") / pl.col("seconds") / pl.col("devices"),
        )
        .drop("one", "one_low", "one_high")
    )
