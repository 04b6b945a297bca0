"""kill -9 at fifty random moments: nothing finished is lost, and what comes out is what would have come out."""

import json
import os
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import fallline
from faulty import moments, records

KILLS, BY_CLOCK, SERVERS = 50, 8, 2


class Server:
    """Runs in processes of their own that die when they are told to."""

    def __init__(self, cache):
        env = os.environ | {"FALLLINE_CACHE": str(cache), "FALLLINE_CHECKPOINT_SECONDS": "0"}
        script = Path(__file__).parents[1] / "support" / "faulty_server.py"
        self.process = subprocess.Popen(
            [sys.executable, script], text=True, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def run(self, out, resume=True, **death):
        self.process.stdin.write(json.dumps({"out": str(out), "resume": resume, **death}) + "\n")
        self.process.stdin.flush()
        told = json.loads(self.process.stdout.readline())
        assert told["code"] in (0, -9), told["said"]
        return told

    def close(self):
        self.process.stdin.close()
        self.process.wait(60)
        self.process.stdout.close()


@pytest.fixture(scope="module")
def servers(compile_cache):
    started = [Server(compile_cache) for _ in range(SERVERS)]
    yield started
    for server in started:
        server.close()


@pytest.fixture(scope="module")
def whole(servers, tmp_path_factory):
    """The run that nobody disturbs, and how many file operations it made."""
    folder = tmp_path_factory.mktemp("killed") / "whole"
    told = servers[0].run(folder, resume=False)
    return folder, int(told["said"])


def killed_again_and_again(server, home, deaths):
    """Folders of runs that were killed at these moments, gone on with after each; how many were killed."""
    folders, killed = [home / "0"], 0
    for death in deaths:
        if killed == KILLS / SERVERS:
            break
        told = server.run(folders[-1], **death)
        killed += told["killed"]
        found = fallline.verify(folders[-1]) if any(folders[-1].glob("*.json")) else None
        if found is not None:
            assert not [finding for finding in found.findings if finding.block], "no finished block is damaged"
        if not told["killed"]:
            folders.append(home / str(len(folders)))
    return folders, killed


def test_a_run_killed_at_fifty_moments_ends_with_the_records_of_one_that_was_not(servers, whole, tmp_path):
    undisturbed, operations = whole
    draw = random.Random(50)
    deaths = [{"moment": moment, "after": after} for moment, after in moments(5, KILLS + 10, operations // 2)]
    deaths += [{"seconds": draw.uniform(0.3, 1.5)} for _ in range(BY_CLOCK)]
    draw.shuffle(deaths)
    shares = [deaths[place::SERVERS] for place in range(SERVERS)]
    with ThreadPoolExecutor(SERVERS) as pool:
        ran = list(pool.map(killed_again_and_again, servers, [tmp_path / str(k) for k in range(SERVERS)], shares))
    assert sum(killed for _, killed in ran) == KILLS
    for server, (folders, _) in zip(servers, ran, strict=True):
        for folder in folders:
            assert not server.run(folder)["killed"]
            assert records(folder) == records(undisturbed)
            found = fallline.verify(folder)
            assert found and not found.findings, str(found)
