"""A Dataset of pairs becomes arrays; what cannot is refused in words."""

from __future__ import annotations

import numpy as np
import pytest

import fallline
from fallline.datasets import arrays as reading
from fallline.errors import DataError


class Pairs:
    """As torch.utils.data.Dataset, without PyTorch."""

    def __init__(self, inputs, targets):
        self.inputs, self.targets = inputs, targets

    def __len__(self):
        return len(self.inputs)

    def __getitem__(self, place):
        return self.inputs[place], self.targets[place]


INPUTS, LABELS = np.random.default_rng(0).normal(size=(7, 3)), np.arange(7) % 2


def test_pairs_become_arrays_in_float32():
    inputs, targets = fallline.arrays(Pairs(INPUTS, LABELS.tolist()))
    assert inputs.dtype == np.float32 and np.array_equal(inputs, INPUTS.astype(np.float32))
    assert np.array_equal(targets, LABELS) and targets.dtype.kind == "i"


def test_the_data_sets_of_pytorch_become_arrays():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install 'fallline[torch]'")
    from torch.utils.data import DataLoader, TensorDataset

    whole = TensorDataset(torch.tensor(INPUTS), torch.tensor(LABELS)[:, None])
    for dataset in (whole, DataLoader(whole, batch_size=3), torch.utils.data.Subset(whole, range(7))):
        inputs, targets = fallline.arrays(dataset)
        assert np.array_equal(inputs, INPUTS.astype(np.float32)) and np.array_equal(targets, LABELS)


def test_what_is_no_pair_or_does_not_fit_is_refused(monkeypatch):
    with pytest.raises(DataError, match="example 0 of the data set is of type float64; it must be a pair"):
        fallline.arrays(INPUTS[:, 0])
    with pytest.raises(DataError, match=r"example 1 .* shapes \[\(2,\), \(\)\], the first .*resize or pad"):
        fallline.arrays([(np.zeros(3), 0), (np.zeros(2), 1)])
    with pytest.raises(DataError, match="got generator; collect the examples of a stream"):
        fallline.arrays(pair for pair in [(np.zeros(3), 0)])
    with pytest.raises(DataError, match="gives 3 values for each example"):
        fallline.arrays([(np.zeros(3), 0, 1)])
    with pytest.raises(DataError, match="holds dict, which is no array"):
        fallline.arrays([({}, 0)])
    monkeypatch.setattr(reading, "SHARE", 1e-18)
    with pytest.raises(DataError, match="does not fit in memory: 1 examples take"):
        fallline.arrays(Pairs(INPUTS, LABELS))
