"""Training what was planned, in this process: blocks run concurrently, and are split further where memory runs out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from fallline.engine import processes
from fallline.engine.memory import OutOfMemory, ran_out
from fallline.engine.memory_use import Watch
from fallline.engine.mesh import ALONE, DeviceRow
from fallline.engine.side_by_side import run_in_rows, run_side_by_side
from fallline.store.writing import RunWriter
from fallline.study.trial import settings_in_use
from fallline.training.block import train_block
from fallline.training.cohort import CompiledCohort
from fallline.training.context import TrainingContext
from fallline.training.planning import Blocks, Part
from fallline.training.progress import ProgressCount
from fallline.training.solo_timing import seconds_alone

SplitFurther = Callable[[CompiledCohort, Blocks], list[Part]]
"""Splits the unfinished blocks of a cohort whose memory ran out into parts that need less."""


class TrainingSession:
    """The training of one process. After ``stop``, all unfinished blocks are in checkpoints when ``train`` returns."""

    def __init__(self, setup: TrainingContext, writer: RunWriter, count: ProgressCount):
        self.setup, self.writer, self.count = setup, writer, count
        self.shown = settings_in_use(setup.trials)
        self.alone: dict[str, float] = {}
        self.stopping = False
        self.watch = Watch(setup.held_before)

    def stop(self) -> None:
        """Ask every block to write a checkpoint and end at its next pause."""
        self.stopping = True

    def train(self, work: list[Part], split_further: SplitFurther) -> None:
        """Train every block; a cohort whose memory runs out is continued in the parts that ``split_further`` gives."""
        self.count.expect([ready for ready, _ in work])
        if self.setup.study.time_alone:
            self.count.say("timing one trial alone")
            self.alone = {ready.planned.name: seconds_alone(ready, self.setup.make) for ready, _ in work}
        self._compile(work)
        with self.watch:
            self._until_done(work, split_further)

    def _compile(self, work: list[Part]) -> None:
        """Compile every program before the first step: the memory of the compiler is not counted as that of
        training."""
        for number, (ready, _) in enumerate(work, start=1):
            if ready.mesh.devices == 1 and not self.stopping:
                self.count.say(f"compiling {number} of {len(work)}")
                ready.compile()

    def _until_done(self, work: list[Part], split_further: SplitFurther) -> None:
        while work:
            places = work[0][0].places
            concurrent = [item for item in work if item[0].places == places]
            rest = [item for item in work if item[0].places != places]
            try:
                self._side_by_side(concurrent)
            except _RanOut as failure:
                self.stopping = False
                left = [
                    (ready, [block for block in blocks if not self.writer.is_done(block[0])])
                    for ready, blocks in concurrent
                ]
                rest += [(ready, blocks) for ready, blocks in left if blocks and ready is not failure.ready]
                rest += split_further(failure.ready, next(blocks for ready, blocks in left if ready is failure.ready))
            work = rest

    def _side_by_side(self, work: list[Part]) -> None:
        """Train the blocks of these cohorts, as many concurrently as their layout says; the first failure stops the
        rest."""
        workers, rows = work[0][0].places
        jobs = [partial(self._block, ready, name, seeds) for ready, blocks in work for name, seeds in blocks]
        if rows == (ALONE,):
            run_side_by_side(jobs, workers, self.stop)
        else:
            run_in_rows(jobs, rows, work[0][0].mesh.trial, self.stop)

    def _block(
        self, ready: CompiledCohort, name: str, seeds: tuple[int, ...], row: DeviceRow = ALONE
    ) -> Iterator[None]:
        try:
            yield from train_block(ready.on(row), name, seeds, self.writer, self.setup.study.target, self)
        except Exception as failure:
            lost = processes.lost_peer(failure)
            if lost:
                raise lost from failure
            if ran_out(failure) and not row.spans:
                raise _RanOut(ready) from failure
            raise


class _RanOut(OutOfMemory):
    """The memory ran out in a block of this cohort."""

    def __init__(self, ready: CompiledCohort):
        super().__init__(ready.planned.name)
        self.ready = ready
