"""The shapes of a dataset, known before it is read: splits of zeros that take no memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from fallline.contracts import Split, Splits


def labelled_images(examples: Mapping[str, tuple[int, int, int]], shape: tuple[int, ...]) -> Callable[[str], Splits]:
    """From a size ("sample", "full") to splits of images uint8 [n, *shape] with labels int32 [n], all of them zero;
    ``examples`` are those of train, validation and test by size.
    """

    def splits(size: str) -> Splits:
        return Splits(
            *(
                Split(np.broadcast_to(np.uint8(0), (count, *shape)), np.broadcast_to(np.int32(0), (count,)))
                for count in examples[size]
            )
        )

    return splits
