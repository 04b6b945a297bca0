"""Write the script that draws the figures of a page, src/fallline/report/vega.js.gz: Vega, Vega-Lite and Vega-Embed as
the installed vl-convert bundles them. Bundling takes over a second, and the script is the same for every page."""

from __future__ import annotations

import gzip
from pathlib import Path

import vl_convert

TARGET = Path(__file__).parent.parent / "src" / "fallline" / "report" / "vega.js.gz"


def bundle() -> bytes:
    """The compressed script; the same bytes whenever it is made."""
    return gzip.compress(vl_convert.javascript_bundle().encode(), compresslevel=9, mtime=0)


if __name__ == "__main__":
    TARGET.write_bytes(bundle())
    print(f"{TARGET}: {TARGET.stat().st_size:,} bytes")
