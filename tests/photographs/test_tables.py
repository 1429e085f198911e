"""What a user gives for photographs."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sklearn_kpd.exceptions import PhotographError
from sklearn_kpd.photographs._tables import check_photographs, check_there

GREY, RGB = np.zeros((4, 6), np.uint8), np.zeros((5, 7, 3), np.uint8)
NAN = float("nan")


@pytest.mark.parametrize(
    "X",
    [
        ["a.jpg", "b.jpg"],
        ("a.jpg", "b.jpg"),
        [Path("a.jpg"), Path("b.jpg")],
        np.array(["a.jpg", "b.jpg"]),
        np.array(["a.jpg", "b.jpg"], dtype=object),
        pd.Series(["a.jpg", "b.jpg"], index=[7, 3]),
        pd.DataFrame({"path": ["a.jpg", "b.jpg"]}, index=[7, 3]),
        pd.DataFrame({"path": ["a.jpg", "b.jpg"], "name": ["Ann", "Bob"]}),
        pd.DataFrame({"path": pd.array(["a.jpg", "b.jpg"], dtype="string")}),
    ],
)
def test_paths_in_any_form(X):
    photographs = check_photographs(X)
    assert photographs.paths() == ["a.jpg", "b.jpg"]
    assert np.isnan(photographs.boxes).all()
    assert photographs.boxes.shape == (2, 4)


@pytest.mark.parametrize(
    "X",
    [
        [GREY, RGB],
        (GREY, RGB),
        pd.Series([GREY, RGB]),
        pd.DataFrame({"image": [GREY, RGB]}),
    ],
)
def test_arrays_in_any_form(X):
    photographs = check_photographs(X)
    assert [s.shape for s in photographs.sources] == [(4, 6), (5, 7, 3)]
    assert photographs.paths() == [0, 1]


def test_images_of_one_size_are_photographs_too():
    assert len(check_photographs(np.zeros((3, 5, 5, 1), np.uint8))) == 3
    black_and_white = check_photographs([np.eye(4, dtype=bool)]).sources[0]
    assert black_and_white.dtype == np.uint8
    assert black_and_white.max() == 255


def table(**columns):
    return pd.DataFrame({"path": ["a.jpg", "b.jpg", "c.jpg"], **columns})


@pytest.mark.parametrize("dtype", [float, "Float64", object])
def test_boxes(dtype):
    X = table(bottom=[4, None, 8], left=[1, None, 5], right=[3, None, 7], top=[2, None, 6]).astype(
        dict.fromkeys(("left", "top", "right", "bottom"), dtype)
    )
    boxes = check_photographs(X).boxes
    np.testing.assert_array_equal(boxes, [[1, 2, 3, 4], [NAN] * 4, [5, 6, 7, 8]])


@pytest.mark.parametrize(
    ("box", "row"),
    [
        ([1, 2, 1, 4], 1), ([1, 2, 3, 2], 1), ([3, 2, 1, 4], 1), ([1, NAN, 3, 4], 1),
        ([1, 2, np.inf, 4], 1), ([-np.inf, 2, 3, 4], 1), ([NAN, NAN, NAN, 4], 1),
    ],
)  # fmt: skip
def test_boxes_that_are_none_are_named(box, row):
    fine = [1, 2, 3, 4]
    X = table(**dict(zip(["left", "top", "right", "bottom"], zip(fine, box, fine, strict=True),
                         strict=True)))  # fmt: skip
    with pytest.raises(ValueError, match=f"^X, row {row}: the box left, top, right, bottom = "):
        check_photographs(X)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ("a.jpg", r"X is one path: give a list of them, \[path\]"),
        (Path("a.jpg"), "X is one path"),
        (3, "X is int; photographs are given as a table"),
        ([], "X has 0 photographs"),
        (pd.DataFrame({"path": []}), "X has 0 photographs"),
        (pd.DataFrame({"file": ["a.jpg"]}), "neither a column 'path' nor a column 'image'.*file"),
        (table(left=[1, 2, 3]), "column 'left' of a box, and no column 'top'"),
        (["a.jpg", None], "X, row 1: NoneType is neither a path nor an array"),
        ([GREY, NAN], "X, row 1: float is neither"),
        ([GREY.astype(float)], r"X, row 0: an array of float64; .*\(image \* 255\)"),
        ([GREY.astype(np.uint16)], "X, row 0: an array of uint16"),
        ([np.zeros(5, np.uint8)], r"X, row 0: an array of the shape \(5,\)"),
        ([np.zeros((4, 4, 2), np.uint8)], r"X, row 0: an array of the shape \(4, 4, 2\)"),
    ],
)
def test_other_things_are_refused_with_what_to_do(X, message):
    with pytest.raises(ValueError, match=message) as caught:
        check_photographs(X)
    assert "\n" not in str(caught.value)


def test_absent_files_are_named_with_their_rows(tmp_path):
    (tmp_path / "there.jpg").write_bytes(b"")
    rows = [tmp_path / "there.jpg", "gone.jpg", GREY, tmp_path, "gone.jpg", *"abcdef"]
    with pytest.raises(PhotographError, match=r"^9 of 11 photographs are not there: row 1: gone"):
        check_there(check_photographs(rows))
    check_there(check_photographs([tmp_path / "there.jpg", GREY]))
