"""Training what was planned, in this process: the blocks of cohorts side by side, cut smaller where memory runs out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from fallline.engine import processes
from fallline.engine.memory import OutOfMemory, ran_out
from fallline.engine.memory_use import Watch
from fallline.engine.mesh import ALONE, DeviceRow
from fallline.engine.side_by_side import run_in_rows, run_side_by_side
from fallline.store.writing import RunWriter
from fallline.study.trial import hyperparameters_in_use
from fallline.training.block import train_block
from fallline.training.cohort import CompiledCohort
from fallline.training.context import TrainingContext
from fallline.training.planning import Blocks, Part
from fallline.training.progress import ProgressCount
from fallline.training.solo_timing import seconds_alone

Smaller = Callable[[CompiledCohort, Blocks], list[Part]]
"""What is left of a cohort whose memory ran out, in parts that need less."""


class TrainingSession:
    """The training of one process. What it is asked to stop is at rest in checkpoints when ``train`` is over."""

    def __init__(self, setup: TrainingContext, writer: RunWriter, count: ProgressCount):
        self.setup, self.writer, self.count = setup, writer, count
        self.shown = hyperparameters_in_use(setup.trials)
        self.alone: dict[str, float] = {}
        self.stopping = False
        self.watch = Watch(setup.held_before)

    def stop(self) -> None:
        """Ask every block to end at its next pause, its checkpoint written."""
        self.stopping = True

    def train(self, work: list[Part], smaller: Smaller) -> None:
        """Train every block; a cohort whose memory runs out goes on in the parts that ``smaller`` gives."""
        self.count.expect([ready for ready, _ in work])
        if self.setup.study.time_alone:
            self.count.say("timing one trial alone")
            self.alone = {ready.planned.name: seconds_alone(ready, self.setup.make) for ready, _ in work}
        self._compile(work)
        with self.watch:
            self._until_done(work, smaller)

    def _compile(self, work: list[Part]) -> None:
        """Every program before the first step. The compiler may hold more than training does, and is not training."""
        for place, (ready, _) in enumerate(work):
            if ready.mesh.devices == 1 and not self.stopping:
                self.count.say(f"compiling {place + 1} of {len(work)}")
                ready.compile()

    def _until_done(self, work: list[Part], smaller: Smaller) -> None:
        while work:
            places = work[0][0].places
            together = [item for item in work if item[0].places == places]
            rest = [item for item in work if item[0].places != places]
            try:
                self._side_by_side(together)
            except _RanOut as failure:
                self.stopping = False
                left = [
                    (ready, [block for block in blocks if not self.writer.is_done(block[0])])
                    for ready, blocks in together
                ]
                rest += [(ready, blocks) for ready, blocks in left if blocks and ready is not failure.ready]
                rest += smaller(failure.ready, next(blocks for ready, blocks in left if ready is failure.ready))
            work = rest

    def _side_by_side(self, work: list[Part]) -> None:
        """The blocks of these cohorts, as many at a time as their layout says; the first failure stops the rest."""
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
