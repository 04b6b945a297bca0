"""One count of devices, measured in a process of its own: ``python -m fallline.scaling.child REQUEST OUT``.

The devices of a CPU are cut once, before JAX starts, so each count needs a process; with several hosts it is one of a
group. REQUEST is a JSON file, what was measured goes to OUT, progress is a line at a time on stdout.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from fallline.errors import FalllineError
from fallline.study.formatting import failure_summary

RAN_OUT = "out of memory"


def main(request_path: str, out_path: str) -> int:
    """Measure what the request names; 0, or 2 with the error in OUT."""
    out = Path(out_path)
    try:
        found = _answer(json.loads(Path(request_path).read_text(encoding="utf-8")))
    except FalllineError as failure:
        out.write_text(json.dumps({"error": str(failure)}), encoding="utf-8")
        return 2
    except Exception as failure:  # told by the process that asked, in its own words
        out.write_text(json.dumps({"broken": failure_summary(failure)}), encoding="utf-8")
        raise
    out.write_text(json.dumps(found), encoding="utf-8")
    return 0


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    from fallline.scaling.measure import Bench
    from fallline.training.environment import describe

    bench = Bench.of(request)
    rows = bench.measure(lambda line: print(line, flush=True))
    return {"rows": rows, "facts": bench.facts, "environment": describe(request["command"])}


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
