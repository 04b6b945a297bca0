"""The command line: parse, call one public function, print. Heavy imports wait until a command runs."""

from fallline.cli.entry import main

__all__ = ["main"]
