"""Batches: a seed owns its stream, any stretch of it is the same whenever it is asked for."""

import hashlib
import itertools
import math
import re
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fallline import Study
from fallline.batching import (
    ORDERS,
    BatchPolicy,
    BatchStream,
    check_batch_size,
    check_last,
    check_order,
    check_overlap,
    check_subset,
    check_subset_from,
    epochs_of,
    steps_of,
    width_for,
    widths,
)
from fallline.batching.formula import MAX_CHARACTERS, Formula, parse
from fallline.errors import HyperparameterError, StudyError, UnknownName

LABELS = np.random.default_rng(5).choice([1, 2, 7], p=[0.7, 0.2, 0.1], size=200)
every_order = pytest.mark.parametrize("order", sorted(ORDERS))


def stream(examples, size, order="shuffled", seed=0, **fields):
    return BatchStream(BatchPolicy(size, order, **fields), examples, seed, LABELS[:examples])


# A stream written a second time: one batch after another, from the walk of an epoch.


def draws(seed, *words):
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, *words])))


def walked(order, used, seed, epoch):
    """The places of an epoch's examples among those in use, as the stream must draw them."""
    own = draws(seed, int.from_bytes(b"batc", "big"), epoch)
    return {
        "shuffled": lambda: own.permutation(used),
        "file": lambda: np.arange(used),
        "with_replacement": lambda: own.integers(0, used, used),
    }[order]()


def one_by_one(policy, examples, seed):
    """(epoch, batch) of each step, for ever."""
    chosen = list(range(examples))
    if policy.subset is not None and policy.subset_from == "first":
        chosen = chosen[: policy.subset]
    elif policy.subset is not None:
        chosen = sorted(draws(seed, int.from_bytes(b"subs", "big")).permutation(examples)[: policy.subset].tolist())
    for epoch in itertools.count():
        walk = [chosen[place] for place in walked(policy.order, len(chosen), seed, epoch)]
        if policy.size is None:
            yield epoch, chosen
            continue
        size = policy.size if isinstance(policy.size, int) else eval(policy.size, {"epoch": epoch})
        stride, start, seen = size - round(policy.overlap * size) or 1, 0, 0
        while start + size <= len(walk):
            yield epoch, walk[start : start + size]
            start, seen = start + stride, start + size
        if policy.last == "kept" and seen < len(walk):
            yield epoch, walk[start:]


SIZES = [1, 2, 3, 5, 7, 8, None, "1 + epoch - 5*(epoch//5)", "8 - epoch + 7*(epoch//7)", "2 + 3*(epoch - 2*(epoch//2))"]


@st.composite
def streams(draw):
    subset = draw(st.sampled_from([None, 8, 9, 17]))
    policy = BatchPolicy(
        draw(st.sampled_from(SIZES)),
        draw(st.sampled_from(["shuffled", "file", "with_replacement"])),
        draw(st.sampled_from([0.0, 0.25, 0.5, 0.9])),
        subset,
        draw(st.sampled_from(["first", "random"])),
        draw(st.sampled_from(["dropped", "kept"])),
    )
    return BatchStream(policy, draw(st.integers(subset or 8, 30)), draw(st.integers(0, 3)))


@settings(deadline=None, max_examples=150)
@given(streams(), st.integers(0, 40), st.integers(0, 40), st.integers(0, 5))
def test_a_stream_is_the_one_written_batch_by_batch(stream, start, count, wider):
    steps = list(itertools.islice(one_by_one(stream.policy, stream.examples, stream.seed), start + count + 40))
    stretch, whole = steps[start : start + count], [epoch for epoch, _ in steps]
    width = max((len(batch) for _, batch in steps), default=1) + wider
    found = stream.indices(start, start + count, width)
    assert found.shape == (count, width) and found.dtype == np.int32
    for (_, batch), row in zip(stretch, found.tolist(), strict=True):
        assert row == list(itertools.islice(itertools.cycle(batch), width))
    sizes = stream.sizes(start, start + count)
    assert sizes.dtype == np.int32 and sizes.tolist() == [len(batch) for _, batch in stretch]
    counts = {}
    for _, batch in steps[:count]:
        counts[len(batch)] = counts.get(len(batch), 0) + 1
    found = stream.size_counts(count)
    assert found == counts and list(found) == sorted(found)
    last = max(whole) - 1  # the last epoch may be cut short here
    for step in range(start, start + count):
        if whole[step] <= last:
            assert stream.epoch(step) == whole[step]
            part = (step - whole.index(whole[step])) / whole.count(whole[step])
            assert stream.position(np.array([step]))[0] == pytest.approx(whole[step] + part, rel=1e-12)
    for epoch in range(1, last + 1):
        assert stream.steps_in(epoch) == whole.index(epoch)
        assert stream.position(whole.index(epoch)) == epoch


@every_order
@settings(deadline=None)
@given(
    examples=st.integers(1, 40),
    size=st.integers(1, 40),
    seed=st.integers(0, 5),
    cut=st.integers(0, 30),
    overlap=st.sampled_from([0.0, 0.5]),
    last=st.sampled_from(["dropped", "kept"]),
)
def test_stretches_of_any_order_join(order, examples, size, seed, cut, overlap, last):
    size = min(size, examples)
    own = stream(examples, size, order, seed, overlap=overlap, last=last)
    whole = own.indices(0, 30, size)
    assert whole.shape == (30, size) and whole.min() >= 0 and whole.max() < examples
    np.testing.assert_array_equal(np.concatenate([own.indices(0, cut, size), own.indices(cut, 30, size)]), whole)


def test_the_draws_of_constant_batches_are_those_of_earlier_records():
    assert stream(10, 4, seed=3).indices(0, 4, 4).tolist() == [[8, 1, 0, 5], [2, 6, 9, 3], [0, 7, 3, 6], [2, 4, 5, 1]]
    far = BatchStream(BatchPolicy(100), 60_000, 11).indices(1000, 3000, 100)
    digest = hashlib.sha256(far.astype("<i4").tobytes()).hexdigest()
    assert digest == "f555bac3f37b7208c46c6e951e76c114f8ecf5005ea82010f3e55dcad31d4ac5"


def test_shuffled_epochs_differ_from_each_other_and_between_seeds():
    a, b = (stream(50, 10, seed=seed).indices(0, 10, 10) for seed in (0, 1))
    assert not np.array_equal(a[:5], a[5:]) and not np.array_equal(a, b)
    assert sorted(a[:5].ravel()) == list(range(50))


def test_file_order_keeps_the_order_of_the_data_on_a_random_subset_too():
    np.testing.assert_array_equal(stream(7, 3, "file").indices(0, 3, 3), [[0, 1, 2], [3, 4, 5], [0, 1, 2]])
    own = stream(100, 20, "file", seed=4, subset=20)
    batch = own.indices(0, 1, 20)[0]
    assert own.examples_used == 20 and (np.diff(batch) > 0).all() and batch.max() > 20
    np.testing.assert_array_equal(own.indices(3, 4, 20)[0], batch)


def test_subsets_are_the_same_every_epoch_differ_between_seeds_and_grow_into_each_other():
    def used(size, seed, **fields):
        return set(stream(100, size, seed=seed, subset=size, **fields).indices(5, 6, size)[0].tolist())

    assert used(10, 1) < used(30, 1) and used(10, 1) != used(10, 2) and len(used(10, 1)) == 10
    assert used(10, 1, subset_from="first") == set(range(10))
    assert used(10, 1) == set(stream(100, 5, seed=1, subset=10, order="with_replacement").indices(0, 99, 5).ravel())


def test_a_full_batch_is_all_examples_in_the_order_of_the_data_and_takes_no_memory_a_step():
    np.testing.assert_array_equal(stream(4, None, seed=3).indices(5, 7, 4), [[0, 1, 2, 3]] * 2)
    assert stream(4, None).indices(0, 10**12, 6).shape == (10**12, 6)
    assert stream(4, None, "balanced").indices(0, 1, 6).tolist() == [[0, 1, 2, 3, 0, 1]]


@pytest.mark.parametrize("overlap, shared", [(0.0, 0), (0.25, 2), (0.5, 4), (0.9, 7)])
def test_batches_that_overlap_share_that_part_of_their_examples(overlap, shared):
    batches = stream(40, 8, seed=2, overlap=overlap).indices(0, 5, 8)
    assert [len(set(a) & set(b)) for a, b in itertools.pairwise(batches)] == [shared] * 4


def test_draws_with_replacement_repeat_and_reach_everything():
    batches = stream(20, 10, "with_replacement").indices(0, 400, 10)
    counts = np.bincount(batches.ravel(), minlength=20)
    assert len(set(batches[0])) < 10 or len(set(batches[1])) < 10
    # 4,000 draws of 20: 200 each, give or take 5 standard deviations of sqrt(4000 * 1/20 * 19/20) = 13.8
    assert abs(counts - 200).max() < 70


@settings(deadline=None)
@given(
    st.integers(3, 200),
    st.integers(1, 40),
    st.integers(0, 4),
    st.sampled_from([0.0, 0.5]),
    st.sampled_from(["dropped", "kept"]),
)
def test_balanced_batches_hold_each_class_as_often_as_any_other_or_once_more(examples, size, seed, overlap, last):
    size, labels = min(size, examples), LABELS[:examples]
    own = stream(examples, size, "balanced", seed, overlap=overlap, last=last)
    known = set(labels.tolist())
    for step in range(20):
        count = own.sizes(step, step + 1)[0]
        batch = labels[own.indices(step, step + 1, size)[0, :count]].tolist()
        counts = [batch.count(label) for label in known]
        assert max(counts) - min(counts) <= 1


def test_a_balanced_epoch_has_as_many_examples_as_the_data_and_starts_small_classes_anew():
    own = stream(200, 200, "balanced", seed=1)
    first, second = own.indices(0, 2, 200)
    assert own.epoch(1) == 1 and not np.array_equal(first, second)
    for label in (1, 2, 7):
        members, walk = set(np.flatnonzero(label == LABELS)), first[LABELS[first] == label]
        assert len(walk) in (66, 67)
        for start in range(0, len(walk), len(members)):
            turn = walk[start : start + len(members)].tolist()
            assert len(set(turn)) == len(turn) and set(turn) <= members
            assert set(turn) == members or start + len(members) > len(walk)
    small = first[LABELS[first] == 7]
    number = (LABELS == 7).sum()
    assert not np.array_equal(small[:number], small[number : 2 * number]), "reshuffled whenever it starts anew"


def test_balanced_subsets_hold_only_their_examples():
    own = stream(200, 12, "balanced", seed=3, subset=60)
    inside = set(stream(200, 60, "file", seed=3, subset=60).indices(0, 1, 60)[0].tolist())
    assert set(own.indices(0, 100, 12).ravel().tolist()) <= inside


@pytest.mark.parametrize(
    "labels, said",
    [
        (None, "there are none"),
        (np.zeros(8), r"float64 \[8\]"),
        (np.zeros((8, 2), int), r"int64 \[8, 2\]"),
        (np.zeros(7, int), r"int64 \[7\]"),
    ],
)
def test_balanced_batches_need_a_whole_label_of_each_example(labels, said):
    own = BatchStream(BatchPolicy(2, "balanced"), 8, 0, labels)
    assert own.steps_in(3) == 12, "a budget needs no labels"
    for asked in (own.check_labels, lambda: own.indices(0, 1, 2)):
        with pytest.raises(StudyError, match=f'{said}.*write order = "shuffled"'):
            asked()
    stream(8, 2, "balanced").check_labels()


def test_the_clock_counts_steps_and_epochs_and_ends_at_the_budget():
    clock = stream(60, "10 + 10*epoch").clock(5, 9, 11)  # 6 steps of 10, 3 of 20, 2 of 30
    np.testing.assert_array_equal(clock.steps, [5.0, 6.0, 7.0, 8.0])
    np.testing.assert_allclose(clock.epochs, [5 / 6, 1.0, 4 / 3, 5 / 3], rtol=1e-15)
    assert (clock.total_steps, clock.total_epochs) == (11.0, 3.0) and clock.epochs.dtype == np.float64


def test_a_part_of_an_epoch_is_the_nearest_number_of_steps_and_at_least_one():
    assert [stream(100, 10).steps_in(epochs) for epochs in (0.01, 0.1, 0.14, 0.15, 1.5, 40)] == [1, 1, 1, 2, 15, 400]
    assert stream(60, "10 + 10*epoch").steps_in(1.5) == 8  # 6 and 1.5 of 3


def test_a_constant_policy_answers_far_away_at_once():
    own, far = stream(100, 7, last="kept"), 10**15
    assert own.epoch(far) == far // 15 and own.size_counts(far) == {2: far // 15, 7: far - far // 15}
    assert own.sizes(far, far + 15).tolist().count(2) == 1


def test_a_formula_is_walked_only_as_far_as_needed_and_from_anywhere():
    policy = BatchPolicy("30 - 10*epoch")
    assert BatchStream(policy, 60, 0).steps_in(3) == 2 + 3 + 6
    own = BatchStream(policy, 60, 0)
    assert own.position(11) == 3.0 and own.clock(0, 11, 11).total_epochs == 3.0
    with pytest.raises(StudyError, match=r'at least 1 at every epoch, but "30 - 10\*epoch" is 0 at epoch 3'):
        own.indices(0, 12, 30)
    assert own.indices(0, 11, 30).shape == (11, 30), "what could be walked still can"


@pytest.mark.parametrize(
    "size, fields, said",
    [
        (5000, {}, "batch_size must be at most the number of training examples, 200; got 5,000"),
        (50, {"subset": 20}, "batch_size must be at most the size of the subset, 20; got 50"),
        ("500 + epoch", {}, r'at most the number of training examples, 200; "500 \+ epoch" is 500 at epoch 0'),
        (5, {"subset": 300}, "subset must be at most the number of training examples, 200; got 300"),
    ],
)
def test_what_does_not_fit_the_data_is_refused_where_the_stream_is_made(size, fields, said):
    with pytest.raises(StudyError, match=said):
        stream(200, size, **fields)


@pytest.mark.parametrize(
    "text, said",
    [
        ("150 + 20*epoch", r'at most the number of training examples, 200; "150 \+ 20\*epoch" is 210 at epoch 3'),
        ("100/(2 - epoch)", r"divides by zero at epoch 2"),
        ("9 - 3*epoch", r"is 0 at epoch 3"),
        ("9 - 99999999999999999999*epoch", r"is -1e\+20 at epoch 1"),
    ],
)
def test_a_formula_that_ends_nowhere_names_the_epoch_and_the_value(text, said):
    with pytest.raises(StudyError, match=said):
        stream(200, text).sizes(0, 10_000)


def test_a_batch_wider_than_the_width_is_no_batch():
    with pytest.raises(ValueError, match="a batch of 10 examples does not fit a width of 9"):
        stream(20, 10, overlap=0.5).indices(0, 1, 9)


def test_equal_policies_are_one_and_name_trials_by_what_they_are():
    one, two = BatchPolicy("30 + 10*epoch", overlap=0.5), BatchPolicy(check_batch_size("30+10 * epoch"), overlap=0.5)
    assert one == two and hash(one) == hash(two)
    base = {"optimizer": "adam", "steps": 1, "batch_size": one.size, "overlap": 0.5}
    (trial,) = Study(name="s", task="line", base=base).trials()
    assert trial.recipe.batches == one and trial.canonical["batches"] == {
        "batch_size": "30 + 10*epoch",
        "order": "shuffled",
        "overlap": 0.5,
        "subset": None,
        "subset_from": None,
        "last": "dropped",
    }


# Formulas.


def tree_text(tree):
    if isinstance(tree, str):
        return tree
    if len(tree) == 2:
        return f"-({tree_text(tree[1])})"
    return f"({tree_text(tree[1])}){tree[0]} ({tree_text(tree[2])})"


def tree_value(tree, epoch):
    if isinstance(tree, str):
        return Fraction(epoch) if tree == "epoch" else Fraction(tree)
    values = [tree_value(branch, epoch) for branch in tree[1:]]
    if len(values) == 1:
        return -values[0]
    left, right = values
    whole = {"+": left + right, "-": left - right, "*": left * right}
    if tree[0] in whole:
        return whole[tree[0]]
    return left / right if tree[0] == "/" else Fraction(left // right)


leaves = st.just("epoch") | st.integers(0, 999).map(str) | st.sampled_from(["0.5", "2.", ".25", "007"])
trees = st.recursive(
    leaves,
    lambda inner: st.tuples(st.just("-"), inner) | st.tuples(st.sampled_from(["+", "-", "*", "/", "//"]), inner, inner),
    max_leaves=12,
)


@settings(deadline=None, max_examples=300)
@given(trees, st.integers(0, 50))
def test_a_formula_is_the_arithmetic_of_its_tree(tree, epoch):
    text = tree_text(tree)
    if len(text) > MAX_CHARACTERS:
        return
    try:
        expected = tree_value(tree, epoch)
    except ZeroDivisionError:
        with pytest.raises(HyperparameterError, match=f"divides by zero at epoch {epoch}"):
            parse(text).value(epoch)
        return
    assert parse(text).value(epoch) == expected
    if expected >= 1:
        assert parse(text).size(epoch) == expected.numerator // expected.denominator


@settings(deadline=None, max_examples=300)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["", "-", "--", "("]),
            st.sampled_from(["epoch", "1", "3", "10", "64"]),
            st.sampled_from(["+", "-", "*", "//", " - ", "+ "]),
        ),
        min_size=1,
        max_size=9,
    ),
    st.integers(0, 20),
)
def test_operators_bind_as_in_python(pieces, epoch):
    text = "".join(sign + value + operator for sign, value, operator in pieces).rstrip("+-*/ ")
    text += ")" * text.count("(")
    try:
        expected = eval(text, {"epoch": epoch})
    except ZeroDivisionError:
        return
    assert parse(text).value(epoch) == expected


fuzz = st.text(alphabet="epoch0123456789+-*/(). ", max_size=40) | st.text(max_size=30)


@settings(deadline=None, max_examples=400)
@given(fuzz, st.integers(0, 39), st.sampled_from(list("()+-*/. e0")) | st.characters())
def test_any_text_is_a_formula_or_a_study_error(text, place, put):
    for one in (text, "30 + 10*(epoch - 2)"[:place] + put + "30 + 10*(epoch - 2)"[place:]):
        try:
            formula = parse(one)
        except StudyError:
            continue
        again = parse(formula.text)
        assert isinstance(formula, Formula) and again.program == formula.program and again.text == formula.text
        try:
            formula.value(3)
        except HyperparameterError:
            assert "/" in one


@pytest.mark.parametrize(
    "text, at, said",
    [
        ("30 + foo*epoch", 5, "no name but epoch is known, got foo"),
        ("epoch(3)", 5, "epoch is a number, not a function"),
        ("open('x')", 0, "no name but epoch is known, got open"),
        ("epoch.real", 5, ". is not a number"),
        ("2**epoch", 1, "there are no powers"),
        ("2 % 3", 2, "only numbers, epoch"),
        ("1e3", 1, "got e3"),
        ("30 + ", 5, "it ends where a number is expected"),
        ("(1 + 2", 6, "expected )"),
        ("1 + 2)", 5, "a ) too many"),
        ("1 2", 2, "expected an operator before 2"),
        ("3 + * 4", 4, "expected a number, epoch or (, got *"),
        ("1.2.3", 0, "1.2.3 is not a number"),
        ("30 +\n1", 4, "got '\\n'"),
        ("", 0, "it ends"),
        ("٣", 0, "got '٣'"),
        ("()", 1, "expected a number"),
        ("-" * 60 + "1", 51, "more than 50"),
        ("(" * 60, 51, "more than 50"),
    ],
)
def test_what_cannot_be_read_has_a_caret_under_it(text, at, said):
    with pytest.raises(StudyError) as raised:
        parse(text, "growing, base.batch_size")
    first, line, caret = str(raised.value).split("\n")
    assert said in first and "(growing, base.batch_size)" in first and 'write "30 + 10*epoch"' in first
    assert line == "  " + text.replace("\n", "?") and caret == "  " + " " * at + "^"


def test_fractions_are_exact_where_floating_point_is_not():
    assert parse("0.29*epoch").size(100) == 29 and int(0.29 * 100) == 28


# What may be written in a recipe.


@pytest.mark.parametrize(
    "value, size",
    [
        ("all", None),
        (1, 1),
        (128, 128),
        ("30+10*epoch", "30 + 10*epoch"),
        (" 8 + 2 * 3 ", 14),
        ("7/2", 3),
        ("2 + -epoch//-3", "2 + -epoch//-3"),
    ],
)
def test_a_batch_size_is_a_number_all_or_a_formula(value, size):
    assert check_batch_size(value) == size and type(check_batch_size(value)) is type(size)


@pytest.mark.parametrize("value", [True, 2.5, 2.0, 0, -1, None, [3], float("nan"), -(10**400)])
def test_a_batch_size_that_is_no_size_is_refused(value):
    with pytest.raises(
        HyperparameterError, match=r'a whole number >= 1 or "all", got .*\(try, base.batch_size\)'
    ) as told:
        check_batch_size(value, "try, base.batch_size")
    assert len(str(told.value)) < 250


@pytest.mark.parametrize("text", ["all ", "All", "al", "ALL"])
def test_a_misspelt_all_is_told(text):
    with pytest.raises(StudyError, match=re.escape(f'got {text!r} (try); did you mean "all"?')):
        check_batch_size(text, "try")


@pytest.mark.parametrize(
    "text, said",
    [
        ("1/0", "divides by zero at epoch 0"),
        ("10/epoch", "divides by zero at epoch 0"),
        ("epoch", "is 0 at epoch 0"),
        ("0.5", "is 0 at epoch 0"),
        ("-5", "is -5 at epoch 0"),
        ("1" + "+1" * 100, "at most 200 characters, got 201"),
        ("all of them", "no name but epoch"),
    ],
)
def test_a_formula_that_gives_no_size_at_the_start_is_refused_with_its_place(text, said):
    with pytest.raises(StudyError, match=rf"{said}(.|\n)*\(try, axes\)|\(try, axes\)(.|\n)*{said}"):
        check_batch_size(text, "try, axes")


def test_the_other_fields_of_a_policy_are_checked():
    assert [check_order(order) for order in ORDERS] == list(ORDERS)
    assert (check_overlap(0.5), check_overlap(0)) == (0.5, 0.0) and check_last("kept") == "kept"
    assert (check_subset(500), check_subset("all"), check_subset(None)) == (500, None, None)
    assert check_subset_from("first") == "first"
    with pytest.raises(UnknownName, match=r"no order of batches is named 'shufled' \(try\); did you mean shuffled"):
        check_order("shufled", "try")
    with pytest.raises(UnknownName, match=r"'keep' \(try\); did you mean kept"):
        check_last("keep", "try")
    with pytest.raises(UnknownName, match=r"'rand' \(try\); did you mean random"):
        check_subset_from("rand", "try")
    for order in (["file"], 3, None):
        with pytest.raises(UnknownName):
            check_order(order)
    for overlap in (1.0, -0.1, True, "half", float("nan")):
        with pytest.raises(HyperparameterError, match=r"overlap must lie in \[0, 1\).*\(try\)"):
            check_overlap(overlap, "try")
    for subset in (0, 2.5, True, "half", -3):
        with pytest.raises(HyperparameterError, match=r'subset must be a whole number >= 1 or "all".*\(try\)'):
            check_subset(subset, "try")


def test_every_order_says_what_it_does_in_one_line():
    assert all(order.__doc__.split("\n")[0].endswith(".") for order in ORDERS.values())


# Widths.


@settings(deadline=None, max_examples=150)
@given(st.dictionaries(st.integers(1, 60), st.integers(1, 1000), min_size=1, max_size=9), st.integers(1, 6))
def test_widths_are_the_choice_that_fills_up_the_least(counts, most):
    def added(chosen):
        return sum((width_for(size, chosen) - size) * count for size, count in counts.items())

    largest, found = max(counts), widths(counts, most)
    choices = [
        (*sorted(others), largest)
        for number in range(most)
        for others in itertools.combinations(sorted(set(counts) - {largest}), number)
    ]
    assert len(found) <= most and set(found) <= set(counts) and found == tuple(sorted(found)) and largest in found
    assert added(found) == min(map(added, choices))
    assert len(found) == min(len(choice) for choice in choices if added(choice) == added(found))


def test_thousands_of_sizes_still_have_few_widths():
    found = widths({size: 1 for size in range(1, 5001)})
    assert len(found) == 8 and found[-1] == 5000
    # The best for equal counts are equal steps; thinning may move each by half a gap between candidates.
    assert np.diff((0, *found)).tolist() == pytest.approx([625] * 8, abs=40)
    assert widths({32: 10}) == (32,) and width_for(33, (32, 64)) == 64
    with pytest.raises(ValueError, match="fits none of the widths"):
        width_for(65, (32, 64))


# The calculator.


def test_the_calculator_says_steps_for_epochs_and_epochs_for_steps():
    told = steps_of(40, 60_000, 128)
    assert (told.steps, told.epochs, told.examples_seen) == (18_750, 40.0, 2_400_000)
    assert told.sentence == "40 epochs of 60,000 examples in batches of 128 by 1 worker are 18,750 steps"
    back = epochs_of(18_750, 60_000, 128)
    assert back.sentence == "18,750 steps in batches of 128 by 1 worker are 40 epochs of 60,000 examples"
    assert back.epochs == 40 and steps_of(40, 60_000, 128, workers=4).steps == 4688
    assert steps_of(40, 60_000, 128, 4).sentence.endswith("by 4 workers are 4,688 steps (4,687.5 before rounding)")


@settings(deadline=None)
@given(
    st.integers(1, 50), st.integers(1, 300), st.integers(1, 40), st.integers(1, 4), st.sampled_from(["dropped", "kept"])
)
def test_the_calculator_agrees_with_the_stream(epochs, examples, size, workers, last):
    if size * workers > examples:
        return
    own = BatchStream(BatchPolicy(size * workers, last=last), examples, 0)
    told = steps_of(epochs, examples, size, workers, last)
    assert told.steps == own.steps_in(epochs)
    assert told.examples_seen == sum(size * count for size, count in own.size_counts(told.steps).items())
    assert epochs_of(told.steps + 1, examples, size, workers, last).epochs == pytest.approx(
        float(own.position(told.steps + 1)), rel=1e-12
    )


@settings(deadline=None)
@given(st.integers(1, 2_000), st.integers(1, 400), st.integers(1, 40), st.sampled_from(["dropped", "kept"]))
def test_parts_of_epochs_are_the_same_steps_in_the_calculator_and_in_a_run(hundredths, examples, size, last):
    epochs, size = hundredths / 100, min(size, examples)
    exact = Fraction(hundredths, 100) * (examples // size if last == "dropped" else -(-examples // size))
    expected = max(1, math.floor(exact + Fraction(1, 2)))
    assert steps_of(epochs, examples, size, last=last).steps == expected
    assert BatchStream(BatchPolicy(size, last=last), examples, 0).steps_in(epochs) == expected
    changing = BatchStream(BatchPolicy(f"{size} + 0*epoch", last=last), examples, 0)
    assert changing.steps_in(epochs) == expected


def test_4_1_epochs_of_15_batches_are_62_steps_in_the_calculator_and_in_a_run():
    assert steps_of(4.1, 150, 10).steps == BatchStream(BatchPolicy(10), 150, 0).steps_in(4.1) == 62  # 61.5 exactly


@pytest.mark.parametrize(
    "asked, said",
    [
        (lambda: steps_of(0, 100, 10), "epochs must be > 0, got 0"),
        (lambda: steps_of(True, 100, 10), "epochs must be > 0"),
        (lambda: steps_of(1, 100, 0), "batch_size must be a whole number >= 1, got 0"),
        (lambda: epochs_of(1.5, 100, 10), "steps must be a whole number >= 1, got 1.5"),
        (lambda: steps_of(1, 100, 30, 4), "batch_size x workers must be at most .* 100; got 30 x 4"),
        (lambda: steps_of(1, 100, 30, last="keep"), "did you mean kept"),
    ],
)
def test_the_calculator_refuses_what_is_no_budget(asked, said):
    with pytest.raises(StudyError, match=said):
        asked()
