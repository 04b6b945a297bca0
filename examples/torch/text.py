"""Characters of four sonnets as arrays: CONTEXT of them, and the next one."""

from pathlib import Path

import numpy as np
from nets import CONTEXT

TEXT = (Path(__file__).parent / "sonnets.txt").read_text(encoding="utf-8")
CHARACTERS = sorted(set(TEXT))
codes = np.array([CHARACTERS.index(character) for character in TEXT], np.int32)
windows = np.lib.stride_tricks.sliding_window_view(codes, CONTEXT + 1)
inputs, targets = windows[:, :-1].copy(), windows[:, -1].copy()
split = int(0.85 * len(inputs))
train, validation = (inputs[:split], targets[:split]), (inputs[split:], targets[split:])
