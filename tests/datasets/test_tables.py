"""Tables of one's own: hand-written CSV files are read, scaled and split; what is wrong is told with its place."""

import csv
import gzip
import math
import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fallline.datasets.table import read_table
from fallline.errors import DataError, HyperparameterError, UnknownName

ROWS = [(i, 10.0 * i + 3, -i / 4, i % 2) for i in range(40)]
"""a, b, c and the target; b = 10 a + 3 and c = -a / 4, so a row can be told by its a."""


def written(folder, text, name="table.csv"):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "table.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("a", "b", "c", "y"), *ROWS])
    return path


def parts(splits):
    return [split for split in (splits.train, splits.validation, splits.test) if split is not None]


def test_every_row_is_in_one_split_with_its_own_target_and_the_inputs_in_the_order_asked_for(table):
    splits = read_table(table, ["c", "a"], "y", scale="none")
    assert [len(part.targets) for part in parts(splits)] == [28, 6, 6]
    found = sorted(
        (*map(float, inputs), float(target))
        for part in parts(splits)
        for inputs, target in zip(part.inputs, part.targets, strict=True)
    )
    assert found == sorted((c, float(a), float(y)) for a, _, c, y in ROWS)
    assert all(array.dtype == np.float32 for part in parts(splits) for array in part)
    assert (splits.inputs, splits.target, splits.words) == (("c", "a"), "y", ())


def test_without_names_all_named_columns_but_the_target_are_inputs(tmp_path):
    path = written(tmp_path, ",a,y,b\n" + "".join(f"{i},{2 * i},{i},{3 * i}\n" for i in range(10)))
    splits = read_table(path, None, "y", scale="none", fractions=(1, 0, 0))
    assert splits.inputs == ("a", "b") and splits.validation is None and splits.test is None
    np.testing.assert_array_equal(splits.train.inputs, np.outer(splits.train.targets, [2, 3]))


def test_the_seed_alone_says_which_rows_go_where(table):
    one, again, other = (read_table(table, ["a"], "y", seed=seed) for seed in (1, 1, 2))
    for left, right in zip(parts(one), parts(again), strict=True):
        np.testing.assert_array_equal(left.inputs, right.inputs)
    assert not np.array_equal(one.train.inputs, other.train.inputs)
    assert one.train.inputs[:, 0].tolist() != sorted(one.train.inputs[:, 0].tolist()), "rows are mixed"


@pytest.mark.parametrize(
    "fractions, counts", [((0.5, 0.25, 0.25), [20, 10, 10]), ((0.8, 0.2, 0.0), [32, 8]), ((0.9, 0, 0.1), [36, 4])]
)
def test_fractions_are_as_asked_for(table, fractions, counts):
    assert [len(part.inputs) for part in parts(read_table(table, None, "y", fractions=fractions))] == counts


def test_scaling_is_fitted_on_the_training_rows_alone(table):
    plain = parts(read_table(table, ["a", "b", "c"], "y", scale="none"))
    train = np.float64(plain[0].inputs)
    wanted = {
        "standard": [(part.inputs - train.mean(0)) / train.std(0) for part in plain],
        "max": [part.inputs / np.abs(train).max(0) for part in plain],
    }
    for scale, expected in wanted.items():
        splits = read_table(table, ["a", "b", "c"], "y", scale=scale)
        for part, inputs in zip(parts(splits), expected, strict=True):
            np.testing.assert_allclose(part.inputs, inputs, rtol=1e-5, atol=1e-6)
        undone = splits.train.inputs * np.array(splits.scale) + np.array(splits.shift)
        np.testing.assert_allclose(undone, train, rtol=1e-5, atol=1e-5)
    assert abs(wanted["standard"][1].mean()) > 1e-3, "a scaling fitted on all rows would pass too"


@pytest.mark.parametrize("scale, expected", [("standard", [0, 0]), ("max", [1, 0]), ("none", [0.1, 0])])
def test_a_column_that_does_not_vary_stays_finite(tmp_path, scale, expected):
    path = written(tmp_path, "a,b,y\n" + "".join(f"0.1,0,{i}\n" for i in range(10)))
    inputs = read_table(path, None, "y", scale=scale).train.inputs
    np.testing.assert_allclose(inputs, [expected] * len(inputs), atol=1e-7)


def test_a_target_of_two_words_becomes_0_and_1_and_says_which_is_which(tmp_path):
    path = written(tmp_path, "a,answer\n" + "".join(f"{i}, {'yes' if i < 5 else 'no'} \n" for i in range(20)))
    splits = read_table(path, ["a"], "answer", scale="none")
    assert splits.words == ("no", "yes")
    for part in parts(splits):
        np.testing.assert_array_equal(part.targets, part.inputs[:, 0] < 5)


def test_a_file_may_be_gzipped_have_a_mark_line_ends_of_windows_quotes_and_empty_lines(tmp_path):
    text = '\ufeff"a", b ,note,y\r\n1, 2.5e1 ,"x, ""y""",0\r\n\r\n+2,-.5,"two\r\nlines",1\r\n3,7,,0\r\n\r\n'
    for path in (written(tmp_path, text), written(tmp_path, gzip.compress(text.encode()), "table.csv.gz")):
        splits = read_table(path, ["a", "b"], "y", scale="none", fractions=(1, 0, 0))
        rows = sorted(np.column_stack(splits.train).tolist())
        assert rows == [[1, 25, 0], [2, -0.5, 1], [3, 7, 0]]


GOOD = "".join(f"{i},{i},{i % 2}\n" for i in range(30))


@pytest.mark.parametrize(
    "text, told",
    [
        ("a,b,y\n1,2,0\n1,two,1\n", "line 3, column b: 'two' is no number"),
        ("a,b,y\n1,2,0\n\n1,,1\n", "line 4, column b: the cell is empty"),
        ('a,b,n,y\n1,2,"x\ny\nz",0\n1,oh,,1\n', "line 5, column b: 'oh' is no number"),
        ("a,b,y\n1,nan,0\n1,2,1\n", "line 2, column b: nan is not a finite number"),
        ("a,b,y\n1,2,0\n-inf,2,1\n", "line 3, column a: -inf is not a finite number"),
        ("a,b,y\n1,1e39,0\n1,2,1\n", "line 2, column b: 1e39 is not a finite number of 32 bits"),
        ("a,b,y\n1,2,0\n1,2,NaN\n", "line 3, column y: NaN is not a finite number"),
        ("a,b,y\n1,2,0\n1,2,\n", "line 3, column y: the target is empty"),
        ("a,b,y\n1,2\n1,2,0\n", "line 2, column y: the target is empty"),
        ("a,b,y\n1,2,0\n1,2,1\n1,2,one\n", "line 4, column y: 'one' is no number"),
        (
            "a,b,y\n1,2,red\n1,2,green\n1,2,blue\n",
            "target y must be numbers or two different words, it holds 3 different (blue, green, red)",
        ),
        ("a,b,y\n1,2,red\n1,2,red\n", "it holds 1 different (red)"),
        ("a,b,y\n1,2,0\n1,2,0,4\n", "line 3: 4 cells, the header names 3"),
        ("a,c,y\n" + GOOD, "no column named 'b'; there are: a, c, y"),
        ("a,bb,y\n" + GOOD, "no column named 'b'; did you mean bb"),
        (
            "a;b;y\n" + GOOD.replace(",", ";"),
            "line 1 names one column, 'a;b;y', with ';' in it, so that is most likely",
        ),
        ("a,b,b,y\n" + "1,2,3,0\n" * 9, "has 2 columns named b; rename all but one"),
        ("1,2,0\n" + GOOD, "no header: line 1 holds numbers only"),
        ("\na,b,y\n" + GOOD, "no header: line 1 is empty"),
        ("", "is empty; a table has a line with the names"),
        ("\n \n", "is empty"),
        ("a,b,y\n", "has a header and no rows"),
        ("a,b,y", "has a header and no rows"),
        ("a,b,y\n1,2,0\n", "has 1 row, too few to split 0.7, 0.15, 0.15"),
        (b"a,b,y\n1,\xff,0\n", "is not UTF-8 text: invalid start byte at byte 8"),
        ("a,b,y\n1,2,0\n".encode("utf-16"), "is not text: it holds a zero byte"),
        (b"\x89PNG\r\n\x1a\n\0\0", "is not text"),
        ("a" * 1_000_001 + "\n1\n", "the first line has 1,000,001 bytes"),
        (",".join(f"x{i}" for i in range(10_001)) + "\n1\n", "has 10,001 columns; a table has at most 10,000"),
    ],
)
def test_what_is_wrong_with_a_table_is_told_with_its_place(tmp_path, text, told):
    path = written(tmp_path, text)
    with pytest.raises(DataError) as refused:
        read_table(path, ["a", "b"], "y")
    assert told in str(refused.value) and str(path) in str(refused.value) and "\n" not in str(refused.value)


def test_a_table_that_is_not_there_is_a_folder_or_too_large_is_refused(tmp_path, table):
    with pytest.raises(DataError, match=r"cannot read .*absent.csv: No such file"):
        read_table(tmp_path / "absent.csv", None, "y")
    with pytest.raises(DataError, match="is not a regular file"):
        read_table(tmp_path, None, "y")
    with pytest.raises(DataError, match="holds more than 100 bytes"):
        read_table(table, None, "y", max_bytes=100)
    packed = written(tmp_path, gzip.compress(b"a,y\n" + b"1,0\n" * 100_000), "bomb.csv.gz")
    assert os.path.getsize(packed) < 10_000
    with pytest.raises(DataError, match="holds more than 10,000 bytes"):
        read_table(packed, None, "y", max_bytes=10_000)


def test_a_table_of_more_rows_than_are_read_is_refused(table, monkeypatch):
    monkeypatch.setattr("fallline.datasets.cells.MAX_ROWS", 39)
    with pytest.raises(DataError, match="more than 39 rows"):
        read_table(table, None, "y")
    monkeypatch.setattr("fallline.datasets.cells.MAX_ROWS", 40)
    assert len(read_table(table, None, "y", fractions=(1, 0, 0)).train.targets) == 40


@pytest.mark.parametrize(
    "inputs, told",
    [
        (["a", "y"], "the column y is the target"),
        (["a", "a"], "a comes twice"),
        ("ab", "must be a list of names"),
        ([], "gives no input"),
    ],
)
def test_inputs_are_different_columns_and_not_the_target(table, inputs, told):
    with pytest.raises(DataError, match=told):
        read_table(table, inputs, "y")


@pytest.mark.parametrize(
    "fractions",
    [(0.7, 0.3), (0.5, 0.2, 0.2), (0, 0.5, 0.5), (1.2, -0.1, -0.1), (math.nan, 0.5, 0.5), ("0.7", "0.2", "0.1")],
)
def test_fractions_that_are_no_three_parts_of_a_whole_are_refused(table, fractions):
    with pytest.raises(HyperparameterError, match="fractions must be three numbers"):
        read_table(table, None, "y", fractions=fractions)


def test_a_scale_or_a_seed_that_is_none_is_refused(table):
    with pytest.raises(UnknownName, match=r"no scale is named 'standart'.*did you mean standard"):
        read_table(table, None, "y", scale="standart")
    for seed in (-1, 0.5, True):
        with pytest.raises(HyperparameterError, match="seed must be a whole number, at least 0"):
            read_table(table, None, "y", seed=seed)


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(
        st.text(alphabet='a1.,;"\n\r -xy\u00e9', max_size=60),
        st.binary(max_size=60),
        st.lists(
            st.lists(st.sampled_from(["1", "2.5", "", '"', '"a', "x", "-inf", " 7 ", "1_0", "0x1"]), max_size=4),
            max_size=9,
        ).map(lambda rows: "a,b,y\n" + "\n".join(map(",".join, rows))),
    )
)
def test_any_content_gives_finite_splits_or_an_error_in_words(tmp_path_factory, content):
    path = written(tmp_path_factory.getbasetemp(), content, "any.csv")
    try:
        splits = read_table(path, None, "y", fractions=(1, 0, 0))
    except DataError as refused:
        assert str(path) in str(refused)
    else:
        assert splits.train.inputs.shape == (len(splits.train.targets), len(splits.inputs))
        assert all(np.isfinite(array).all() for array in splits.train)


def test_another_separator_may_be_named_and_must_be_one_character(tmp_path):
    path = written(tmp_path, "a;y\n" + "1;0\n2;1\n" * 5)
    assert read_table(path, None, "y", separator=";").inputs == ("a",)
    for separator in ("", ";;", '"'):
        with pytest.raises(DataError, match="separator must be one character"):
            read_table(path, None, "y", separator=separator)


def test_a_row_far_out_of_the_range_of_the_training_rows_is_refused_in_words(tmp_path):
    path = written(tmp_path, "a,y\n" + "1e-30,0\n1.5e-30,1\n" * 10 + "3e38,1\n")
    for seed in range(40):  # until the row lies far out of what was trained on
        try:
            splits = read_table(path, None, "y", seed=seed)
            assert all(np.isfinite(part.inputs).all() for part in parts(splits))
        except DataError as refused:
            assert "the column a leaves the range of float32" in str(refused)
            return
    pytest.fail("in 40 splits the row was never held out")
