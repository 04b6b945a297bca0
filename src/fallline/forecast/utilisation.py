"""The utilisation of a device by batch size: a task's training step is timed at 1 to 4,096 examples, alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fallline.engine.training import train
from fallline.errors import StudyError
from fallline.forecast import calibrate
from fallline.forecast.cohorts import predict_all
from fallline.study import Study
from fallline.study.plan import plan
from fallline.training.context import TrainingContext

if TYPE_CHECKING:
    import polars as pl

BATCHES = tuple(2**power for power in range(13))
TIMED_SECONDS = 0.4
"""The approximate time for which each batch size is timed, after a warm-up."""

MOST_STEPS = 2000
SAMPLE_SECONDS = 0.02


def utilisation(
    task: Any,
    batches: Sequence[int] = BATCHES,
    optimizer: Any = "adam",
    data: str = "sample",
    folder: Path | None = None,
    on_message: Callable[[str], None] | None = None,
) -> pl.DataFrame:
    """One row per batch size, for one lane in a program of its own: ``step_seconds`` measured and predicted,
    ``examples_a_second``, ``flops_a_second`` and their ``share`` of the device's measured matmul throughput, ``busy``
    the share of time that NVML reports the GPU busy (null where there is none). Batch sizes larger than the data are
    left out.
    """
    import polars as pl

    calibration = calibrate(on_message=on_message)
    setup: TrainingContext | None = None
    rows = []
    for batch in batches:
        study = Study(
            name="utilisation",
            task=task,
            data=data,
            metric="final_train_loss",
            evaluate_every=MOST_STEPS,
            base={"optimizer": optimizer, "batch_size": batch, "steps": MOST_STEPS},
        )
        previous, setup = setup, TrainingContext(study, folder)
        if previous is not None:
            setup.share(previous)
        examples = len(setup.load(setup.tasks[0]).splits.train.inputs)
        if batch > examples:
            continue
        if on_message is not None:
            on_message(f"timing batches of {batch:,}")
        ready = setup.make(plan(setup.trials, setup.most_lanes)[0])
        (predicted,) = predict_all([ready], calibration)
        seconds, busy = _timed(ready)
        rate = predicted.flops_a_step / seconds
        rows.append(
            {
                "batch": batch,
                "step_seconds": seconds,
                "predicted_step_seconds": predicted.step_seconds,
                "examples_a_second": batch / seconds,
                "flops_a_second": rate,
                "share": rate / calibration.product_flops,
                "busy": busy,
                "device": calibration.device,
                "bound": predicted.bound,
            }
        )
    if not rows:
        raise StudyError(
            f"none of the batch sizes {', '.join(map(str, batches))} fits the data, which have "
            f"{examples:,} training examples"
        )
    return pl.DataFrame(rows, schema_overrides={"busy": pl.Float64})


def _timed(ready: Any) -> tuple[float, float | None]:
    """Seconds per step in chunks as in training, and how busy the device was."""
    work = replace(ready.work(ready.blocks()[0]), watched=(), held_out={}, stops=None)
    chunk = ready.layout.chunk
    train(ready.program, replace(work, steps=1))  # compiles
    begun = time.perf_counter()
    train(ready.program, replace(work, steps=min(3, chunk)))
    each = (time.perf_counter() - begun) / (min(3, chunk) + 1)  # an extra step measures the last loss
    chunks = max(2, min(MOST_STEPS // chunk, 1 + round(TIMED_SECONDS / each / chunk)))
    with Busy() as busy:
        records = train(ready.program, replace(work, steps=min(MOST_STEPS, chunks * chunk)))
    seconds, steps = records.seconds, records.steady_steps
    return (seconds["steady"] / steps if steps else seconds["warmup"] / min(MOST_STEPS, chunk)), busy.mean


class Busy:
    """Samples how busy NVML reports the first GPU while something runs; ``mean`` is None without NVML."""

    def __init__(self) -> None:
        self._samples: list[int] = []
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Busy:
        handle = _gpu()
        if handle is not None:
            self._thread = threading.Thread(target=self._sample, args=handle, daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    @property
    def mean(self) -> float | None:
        return sum(self._samples) / len(self._samples) / 100 if self._samples else None

    def _sample(self, nvml: Any, handle: Any) -> None:
        while not self._ended.wait(SAMPLE_SECONDS):
            self._samples.append(nvml.nvmlDeviceGetUtilizationRates(handle).gpu)


def _gpu() -> tuple[Any, Any] | None:
    """NVML and its handle of the first GPU, where programs run on a GPU and nvidia-ml-py is installed."""
    import jax

    if jax.default_backend() != "gpu":
        return None
    try:
        import pynvml  # pyright: ignore[reportMissingImports]
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
        return pynvml, pynvml.nvmlDeviceGetHandleByIndex(0)
    except pynvml.NVMLError:
        return None
