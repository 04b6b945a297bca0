"""Batches: a seed owns its stream, any stretch of it is the same whenever it is asked for."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fallline.batching import ORDERS, BatchStream
from fallline.errors import StudyError


@pytest.mark.parametrize("order", sorted(ORDERS))
@given(examples=st.integers(1, 40), size=st.integers(1, 40), seed=st.integers(0, 5), cut=st.integers(0, 30))
def test_every_epoch_takes_each_example_at_most_once_and_stretches_join(order, examples, size, seed, cut):
    if size > examples:
        return
    stream = BatchStream(examples, size, order, seed)
    whole = stream.indices(0, 30)
    assert whole.shape == (30, size) and whole.dtype == np.int32 and whole.min() >= 0 and whole.max() < examples
    np.testing.assert_array_equal(np.concatenate([stream.indices(0, cut), stream.indices(cut, 30)]), whole)
    epoch = whole[:stream.steps_per_epoch].ravel()
    assert len(set(epoch.tolist())) == len(epoch)


def test_shuffled_epochs_differ_from_each_other_and_between_seeds():
    a, b = (BatchStream(50, 10, "shuffled", seed).indices(0, 10) for seed in (0, 1))
    assert not np.array_equal(a[:5], a[5:]) and not np.array_equal(a, b)
    assert sorted(a[:5].ravel()) == list(range(50))


def test_file_order_keeps_the_order_of_the_data():
    np.testing.assert_array_equal(BatchStream(7, 3, "file", 0).indices(0, 3), [[0, 1, 2], [3, 4, 5], [0, 1, 2]])


def test_all_examples_at_every_step():
    np.testing.assert_array_equal(BatchStream(4, None, "shuffled", 3).indices(5, 7), [[0, 1, 2, 3]] * 2)


def test_a_batch_larger_than_the_data_is_refused():
    with pytest.raises(StudyError, match="at most the number of training examples, 4,000; got 5,000"):
        BatchStream(4000, 5000, "file", 0)
