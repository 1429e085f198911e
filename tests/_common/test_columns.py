import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sklearn_kpd._common.columns import read_columns
from sklearn_kpd.keypoints import check_keypoints, in_form_of, names_from_columns

PARTS = ["nose", "left eye", "tailBase"]

CONVENTIONS = {
    "kaggle": lambda name, kind: f"{name}_{kind}",
    "sleap": lambda name, kind: f"{name}.{kind}",
    "capitals": lambda name, kind: f"{name}_{kind.capitalize()}",
    "blank": lambda name, kind: f"{name} {kind}",
    "dash": lambda name, kind: f"{name}-{kind}",
    "camel": lambda name, kind: f"{name}{kind.capitalize()}",
    "before": lambda name, kind: f"{kind}_{name}",
    "before, capitals": lambda name, kind: f"{kind.upper()}.{name}",
    "openface": lambda name, kind: f" {kind}_{PARTS.index(name)}",
    "muct": lambda name, kind: f"{kind}{PARTS.index(name):02d}",
    "two levels": lambda name, kind: (name, kind),
    "deeplabcut": lambda name, kind: ("DLC", name, kind),
    "one individual": lambda name, kind: ("DLC", "mouse", name, kind),
}


def names_in(convention):
    numbered = {"openface": ["0", "1", "2"], "muct": ["00", "01", "02"]}
    return numbered.get(convention, PARTS)


def table(convention, values, order=None, extra=()):
    """Table of three keypoints; its columns in another order."""
    kinds = ["x", "y", *extra]
    labels = [CONVENTIONS[convention](name, kind) for name in PARTS for kind in kinds]
    order = range(len(labels)) if order is None else order
    labels = [labels[at] for at in order]
    if isinstance(labels[0], tuple):
        labels = pd.MultiIndex.from_tuples(labels)
    return pd.DataFrame(np.asarray(values)[:, list(order)], columns=labels)


@pytest.mark.parametrize("convention", CONVENTIONS)
@settings(max_examples=20)
@given(order=st.permutations(range(6)))
def test_any_order_of_columns_is_the_same_keypoints(convention, order):
    values = np.arange(12.0).reshape(2, 6)
    y = table(convention, values, order)
    keypoints = check_keypoints(y)
    # in the order of their first columns
    first = sorted(range(3), key=lambda k: min(order.index(2 * k), order.index(2 * k + 1)))
    assert keypoints.names == tuple(names_in(convention)[k] for k in first)
    assert keypoints.shape == (6,)
    np.testing.assert_array_equal(
        keypoints.values.reshape(2, 3, 2), values.reshape(2, 3, 2)[:, first]
    )
    pd.testing.assert_frame_equal(in_form_of(y, keypoints.values), y)


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("word", ["v", "visibility", "visible"])
@settings(max_examples=10)
@given(order=st.permutations(range(9)))
def test_visibility_0_is_not_labelled(convention, word, order):
    if convention == "muct" and word != "v":
        return  # what stands right before digits is one letter
    values = np.arange(1, 19.0).reshape(2, 9)
    values[:, 2::3] = [[0, 1, 2], [2, 0, np.nan]]
    keypoints = check_keypoints(table(convention, values, order, extra=[word]))
    names = list(keypoints.names)
    at = [names.index(name) for name in names_in(convention)]
    expected = values.reshape(2, 3, 3)[..., :2].copy()
    expected[0, 0] = expected[1, 1] = np.nan
    np.testing.assert_array_equal(keypoints.values.reshape(2, 3, 2)[:, at], expected)


@pytest.mark.parametrize("convention", [c for c in CONVENTIONS if c != "muct"])
@pytest.mark.parametrize("word", ["likelihood", "score", "confidence"])
def test_likelihood_is_left_out(convention, word):
    values = np.arange(18.0).reshape(2, 9)
    values[:, 2::3] = 0.97
    y = table(convention, values, extra=[word])
    keypoints = check_keypoints(y)
    np.testing.assert_array_equal(keypoints.values, np.delete(values, [2, 5, 8], axis=1))
    assert keypoints.names == tuple(names_in(convention))
    back = in_form_of(y, keypoints.values)
    assert list(back.columns) == [c for i, c in enumerate(y.columns) if i % 3 != 2]
    assert check_keypoints(back).names == keypoints.names


@pytest.mark.parametrize(
    ("columns", "names"),
    [
        (["P1X", "P1Y", "P2X", "P2Y"], ("P1", "P2")),
        (["x00", "y00", "x01", "y01"], ("00", "01")),
        (["xNose", "yNose"], ("Nose",)),
        (["x_c", "y_c"], ("c",)),  # a keypoint c, not a likelihood of x
        (["x_x", "x_y"], ("x",)),
        (["nose.X", "nose.Y", "left eye.X", "left eye.Y"], ("nose", "left eye")),
        (["Left front leg: paw_x", "Left front leg: paw_y"], ("Left front leg: paw",)),
        ([0, 1], None),
        (["0", "1", "2", "3"], None),
        (["column_0", "column_1"], None),  # polars
        (np.array([4, 5, 8, 9]), None),
        ([], None),
    ],
)
def test_names(columns, names):
    assert names_from_columns(columns) == names


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (["a_x", "a_y", "b_x"], "'b_x', but none for the y of the keypoint 'b'"),
        (["a_x", "a_y", "b_y"], "'b_y', but none for the x of the keypoint 'b'"),
        (["a_x", "a_y", "b_v"], "'b_v', but none for the x of the keypoint 'b'"),
        (["a_x", "A_y"], "'a_x', but none for the y"),
        (["a_x", "a_y", "a_x"], "'a_x' and 'a_x' both hold the x"),
        (["x_0", "X_0", "y_0"], "'x_0' and 'X_0' both hold the x"),
        (["frame", "x_0", "y_0"], "'frame' of y is no x, y, visibility .* as 'x_0' is"),
        (["a_x", "a_y", "Image"], "'Image' of y is no x"),
        (["a_x", "a_y", "a_z"], "'a_z' of y is no x"),
        (["a_x", "a_y", "x_b", "y_b"], "'x_b' of y is no x"),
        (["a", "b", "c", "d"], "'a', 'b', 'c', ..., name no x and y"),
        (["nosex", "nosey"], "name no x and y of keypoints"),
        ([1, 0], "numbers that do not rise"),
        ([0, 1, "a_x"], "'0' of y is no x"),
        ([("DLC", "a", "x"), ("Me", "a", "y")], "'DLC' and 'Me' in their level 0"),
        ([("a", "x"), ("a", "y"), ("a", "z")], "ends in 'z'"),
        ([("a", "x"), ("b", "y")], "none for the y of the keypoint 'a'"),
    ],
)
def test_what_is_not_understood_is_refused_in_a_line(columns, message):
    with pytest.raises(ValueError, match=message) as error:
        read_columns(columns)
    assert "\n" not in str(error.value)
    assert "y" in str(error.value)


@given(st.lists(st.text(max_size=8) | st.integers(0, 9) | st.tuples(st.text(), st.just("x")),
                max_size=6))  # fmt: skip
def test_any_labels_are_read_or_refused(labels):
    try:
        found = read_columns(labels)
    except ValueError:
        return
    if found is not None:
        assert len(set(found.coordinates)) == 2 * len(found.names) <= len(labels)


def test_individuals_are_refused_with_what_to_do():
    columns = pd.MultiIndex.from_product(
        [["DLC"], ["mouse1", "mouse2"], ["nose", "tail"], ["x", "y"]],
        names=["scorer", "individuals", "bodyparts", "coords"],
    )
    y = pd.DataFrame(np.arange(8.0)[np.newaxis], columns=columns)
    with pytest.raises(ValueError, match="'mouse1' and 'mouse2' .* level 'individuals'") as error:
        check_keypoints(y)
    advice = "y.xs('mouse1', axis=1, level='individuals')"
    assert advice in str(error.value)
    keypoints = check_keypoints(y.xs("mouse1", axis=1, level="individuals"))
    assert keypoints.names == ("nose", "tail")
    np.testing.assert_array_equal(keypoints.values, [[0, 1, 2, 3]])


@pytest.mark.parametrize("value", [0.97, -1, 3])
def test_a_visibility_that_is_none_is_named(value):
    y = pd.DataFrame({"a_x": [1.0], "a_y": [2.0], "a_v": [value]})
    with pytest.raises(ValueError, match=f"'a_v' of y holds {value}, .*a visibility is 0"):
        check_keypoints(y)


def test_polars():
    pl = pytest.importorskip("polars")
    y = pl.DataFrame({"x_0": [None, 1], "y_0": [3, 2], "v_0": [1, 2]})
    keypoints = check_keypoints(y)
    assert keypoints.names == ("0",)
    np.testing.assert_array_equal(keypoints.values, [[np.nan, 3], [1, 2]])
    back = in_form_of(y, keypoints.values)
    assert isinstance(back, pl.DataFrame)
    assert back.columns == ["x_0", "y_0"]
    bare = check_keypoints(pl.DataFrame(np.arange(4.0).reshape(2, 2)))
    assert bare.names is None
    assert "polars" not in sys.modules["sklearn_kpd.keypoints"].__dict__
