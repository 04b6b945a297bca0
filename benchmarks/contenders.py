"""PyTorch in the round: its processes, asked by lines of JSON, and the seconds of each of its forms."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from works import Form, Work, measured_steps, whole_seconds

HERE = Path(__file__).resolve().parent
WARM_STEPS = 20


class Peer:
    """A process of the peers' environment that holds the work in ``folder``; it idles between requests."""

    def __init__(self, python: str, folder: Path):
        environment = os.environ | {"TORCHINDUCTOR_CACHE_DIR": str(folder / "inductor")}
        command = [python, str(HERE / "peer_side.py"), str(folder / "work.json"), str(folder / "arrays.npz")]
        self.log = folder / "peers.log"
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                bufsize=1,
                env=environment,
            )

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *failure: object) -> None:
        if any(failure):  # it may be in the middle of a long request
            self.process.kill()
        self.process.communicate()

    def send(self, do: str, threads: int = 1, **request: Any) -> None:
        try:
            print(json.dumps({"do": do, "threads": threads, **request}), file=self.process.stdin)
        except BrokenPipeError:
            raise SystemExit(self._last_words()) from None

    def receive(self) -> dict[str, Any]:
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(self._last_words())
        return json.loads(line)

    def ask(self, do: str, **request: Any) -> dict[str, Any]:
        self.send(do, **request)
        return self.receive()

    def _last_words(self) -> str:
        return f"the peers' side stopped:\n{self.log.read_text()[-2000:]}"


class Contender:
    """One form of PyTorch: made ready at once, timed once a round; of processes side by side the slowest counts."""

    def __init__(self, work: Work, form: Form, peers: Sequence[Peer], cores: int):
        self.work, self.form, self.peers = work, form, peers
        self.threads = cores if form.every_core and not form.processes else 1
        self.seconds: list[float] = []
        self.losses: dict[str, float | None] = {}
        self.failed: str | None = None
        replies = self._ask_all("prepare", steps=min(WARM_STEPS, work.steps))
        self.prepare_seconds = max(reply["prepare_seconds"] for reply in replies) if replies else None

    def once(self) -> None:
        trials = self.work.measured_trials if self.form.kind == "trials" else 1
        replies = self._ask_all("measure", steps=measured_steps(self.work, self.form), trials=trials)
        if replies:
            self.seconds.append(
                max(whole_seconds(self.work, self.form, reply["seconds_a_step"], len(self.peers)) for reply in replies)
            )
            self.losses = replies[0]["losses"]

    def _ask_all(self, do: str, **request: Any) -> list[dict[str, Any]]:
        """The replies of all its processes, or none once one of them has failed."""
        if self.failed:
            return []
        for peer in self.peers:
            peer.send(do, threads=self.threads, form=asdict(self.form), **request)
        replies = [peer.receive() for peer in self.peers]
        self.failed = next((reply["failed"] for reply in replies if "failed" in reply), None)
        return [] if self.failed else replies
