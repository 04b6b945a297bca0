"""The command line in one process, for tests: a small study and a way to run commands in an empty folder."""

import sys
from pathlib import Path

import pytest

from fallline.cli import main

STUDY = """
task = "line"
metric = "final_train_loss"
marks = [3]
[base]
batch_size = "all"
steps = 6
[axes]
optimizer = ["adam", "momentum"]
learning_rate = [0.1, 0.01]
"""


@pytest.fixture
def cli(tmp_path, monkeypatch, capsys):
    """Run a command in an empty folder that holds try.toml; gives exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    Path("try.toml").write_text(STUDY)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["fallline", *map(str, arguments)])
        capsys.readouterr()
        try:
            main()
            code = 0
        except SystemExit as ended:
            code = ended.code or 0
        return code, *capsys.readouterr()

    return run
