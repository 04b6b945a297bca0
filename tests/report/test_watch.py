"""fallline watch: a page on this machine that follows a run through its folder."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
import urllib.error
import urllib.request

import pytest

from command_line import cli  # noqa: F401
from fallline.api.watching import watched_state, watching
from fallline.errors import StoreError
from fallline.store.paths import RunPaths


@pytest.fixture
def served(cli, tmp_path):  # noqa: F811
    """A finished run and the address of its page."""
    assert cli("run", "try.toml", "--out", "run", "--no-report", "--set", "axes.steps=[20, 40]")[0] == 0
    server = watching(tmp_path / "run")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield tmp_path / "run", f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()
    thread.join()


def get(address, **headers):
    with urllib.request.urlopen(urllib.request.Request(address, headers=headers)) as answer:
        return answer.read().decode()


def test_the_state_holds_counts_the_best_settings_and_their_curves(served):
    _, address = served
    state = json.loads(get(address + "state.json"))
    assert (state["state"], state["trials"], state["blocks"]) == ("finished", 8, state["planned"])
    means = [setting["mean"] for setting in state["settings"]]
    assert len(means) >= 4 and means == sorted(means) and state["metric"] == "final training loss"
    assert {len(setting["curve"]) for setting in state["settings"]} == {21, 41}
    assert "fallline watch" in get(address) and "<title>" in get(address + "report")


def test_a_run_that_is_not_finished_says_so_and_a_folder_that_is_no_run_yet_waits(served, tmp_path):
    folder, address = served
    paths = RunPaths(folder)
    paths.trials(paths.done_blocks()[0]).unlink()
    state = json.loads(get(address + "state.json"))
    assert state["state"] == "stopped" and state["blocks"] < state["planned"] and state["trials"] < 8
    (tmp_path / "early").mkdir()
    assert watched_state(tmp_path / "early")["state"] == "waiting"
    with pytest.raises(StoreError, match="there is no folder"):
        watching(tmp_path / "none")


def test_nothing_else_is_served_and_no_other_name_of_this_machine_is_answered(served):
    _, address = served
    for path, headers, code in (
        ("study.toml", {}, 404),
        ("../run/plan.json", {}, 404),
        ("", {"Host": "evil.org"}, 403),
    ):
        with pytest.raises(urllib.error.HTTPError) as refused:
            get(address + path, **headers)
        assert refused.value.code == code
        refused.value.close()


@pytest.mark.skipif(shutil.which("chromium") is None, reason="no browser is here")
def test_in_a_browser_curves_grow_with_the_blocks_and_the_end_is_the_report(served, tmp_path):
    folder, address = served
    paths = RunPaths(folder)
    last = paths.trials(paths.done_blocks()[-1])
    assert len(paths.done_blocks()) > 1

    def seen():
        command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'browser'}"]
        return subprocess.run(
            [*command, "--virtual-time-budget=4000", "--dump-dom", address], capture_output=True, text=True, timeout=120
        ).stdout

    last.rename(tmp_path / "held.parquet")
    early = seen()
    assert "stopped: " in early and 0 < early.count("<polyline") <= 4
    (tmp_path / "held.parquet").rename(last)
    assert "fallline report of try" in seen()
