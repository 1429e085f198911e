import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.dummy import DummyRegressor
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from sklearn_kpd.keypoints import (
    KAGGLE_KEYPOINTS,
    Keypoints,
    align,
    as_floats,
    check_keypoints,
    columns_from_names,
    fitted_names,
    flip_permutation,
    from_corner,
    from_units,
    in_form_of,
    keypoint_order,
    mirror,
    names_from_columns,
    out_of_frame,
    pixels_per_unit,
    to_corner,
    to_units,
)

pixels = st.floats(-50, 150) | st.just(np.nan)


def test_forms_of_y_hold_the_same_values():
    values = np.arange(12.0).reshape(2, 6)
    frame = pd.DataFrame(values, columns=columns_from_names(["a", "b", "c"]))
    for y, shape, names in (
        (values, (6,), None),
        (values.tolist(), (6,), None),
        (values.reshape(2, 3, 2), (3, 2), None),
        (frame, (6,), ("a", "b", "c")),
        (pd.DataFrame(values), (6,), None),
    ):
        keypoints = check_keypoints(y)
        np.testing.assert_array_equal(keypoints.values, values)
        assert keypoints.shape == shape
        assert keypoints.names == names


def test_one_dimension_is_a_single_coordinate():
    keypoints = check_keypoints([1, 2, 3])
    np.testing.assert_array_equal(keypoints.values, [[1], [2], [3]])
    assert keypoints.shape == ()
    assert keypoints.names is None


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (None, "requires y to be passed"),
        (np.zeros((3, 5)), "odd number"),
        (np.zeros((3, 0)), "odd number or none"),
        (np.zeros((3, 4, 4)), r"its shape is \(3, 4, 4\)"),
        (np.full((3, 4, 3), 0.97), "third value of a point of y holds 0.97, but a visibility"),
        (np.zeros((3, 9)), r"shape \(n_samples, n_keypoints, 3\) for x, y and visibility"),
        (np.zeros((3, 4, 2, 1)), "its shape is"),
        (np.array([[np.inf, 0]]), "infinity"),
        ([["a", "b"]], "not a number"),
        ([[1.0 + 2.0j, 3.0]], "Complex data not supported"),
        (pd.DataFrame(np.zeros((1, 2)), columns=["a_x", "b_y"]), "'a_x', but none for the y"),
        (pd.DataFrame(np.zeros((1, 2)), columns=["a", "b"]), "name no x and y"),
    ],
)
def test_bad_y_says_what_is_wrong(y, message):
    with pytest.raises(ValueError, match=message):
        check_keypoints(y)


NAN = float("nan")


@pytest.mark.parametrize(
    "y",
    [
        np.ma.masked_array([[7.0, 2.0], [3.0, 4.0]], [[True, False], [False, False]]),
        np.ma.masked_array([[7, 2], [3, 4]], [[True, False], [False, False]]),
        [[None, 2.0], [3.0, 4.0]],
        [[pd.NA, 2], [3, 4]],
        np.array([[pd.NA, 2], [3, 4]], dtype=object),
        pd.DataFrame({"a_x": [None, 3], "a_y": [2, 4]}, dtype="Int64"),
        pd.DataFrame({"a_x": [None, 3], "a_y": [2, 4]}, dtype="Float32"),
        pd.DataFrame({"a_x": [None, 3], "a_y": [2, 4]}, dtype=object),
        pd.DataFrame({"a_x": [pd.NA, 3], "a_y": [2, 4]}, dtype=object),
        pd.DataFrame({"a_x": pd.array([pd.NA, 3], dtype="Int64"), "a_y": [2.0, 4.0]}),
        pd.DataFrame({"a_x": pd.Series([pd.NA, 3], dtype=object), "a_y": [2.0, 4.0]}),
    ],
)
def test_everything_that_says_missing_is_not_labelled(y):
    np.testing.assert_array_equal(check_keypoints(y).values, [[NAN, 2], [3, 4]])
    np.testing.assert_array_equal(as_floats(y), [[NAN, 2], [3, 4]])


def test_arrow_types_too():
    pytest.importorskip("pyarrow")
    y = pd.DataFrame({"a_x": [None, 3], "a_y": [2, 4]}, dtype="int64[pyarrow]")
    np.testing.assert_array_equal(as_floats(y), [[NAN, 2], [3, 4]])


def test_the_third_value_of_a_point_is_its_visibility():
    y = np.array([[[1, 2, 0], [3, 4, 1]], [[5, 6, 2], [7, 8, NAN]]])
    keypoints = check_keypoints(y)
    assert keypoints.shape == (2, 2)
    np.testing.assert_array_equal(keypoints.values, [[NAN, NAN, 3, 4], [5, 6, 7, 8]])
    np.testing.assert_array_equal(in_form_of(y, keypoints.values)[1], [[5, 6], [7, 8]])
    assert not np.isnan(y[0]).any()  # that of the user is left alone


def test_the_form_of_y_is_given_back():
    values = np.arange(8.0).reshape(2, 4)
    points = values.reshape(2, 2, 2)
    assert in_form_of(points.tolist(), values).shape == (2, 2, 2)
    assert in_form_of(values, values).shape == (2, 4)
    frame = pd.DataFrame(values, index=["one", "two"])
    pd.testing.assert_frame_equal(in_form_of(frame, values), frame)
    series = pd.Series([1.0, 2.0], name="nose_x", index=[4, 5])
    pd.testing.assert_series_equal(in_form_of(series, check_keypoints(series).values), series)
    assert in_form_of([1.0, 2.0], np.array([[1.0], [2.0]])).shape == (2,)


@given(order=st.permutations(range(4)), values=hnp.arrays(float, (3, 8), elements=pixels))
def test_align_brings_names_into_order_and_back(order, values):
    names = ("a", "b", "c", "d")
    shuffled = Keypoints(
        values.reshape(3, 4, 2)[:, order].reshape(3, 8), tuple(names[at] for at in order), (8,)
    )
    aligned = align(shuffled, names)
    assert aligned.names == names
    np.testing.assert_array_equal(aligned.values, values)
    np.testing.assert_array_equal(align(aligned, shuffled.names).values, shuffled.values)
    np.testing.assert_array_equal(keypoint_order(shuffled.names, names), np.argsort(order))


def test_other_names_do_not_align():
    keypoints = Keypoints(np.zeros((1, 4)), ("nose", "tail"), (4,))
    assert align(keypoints, None) is keypoints
    nameless = keypoints._replace(names=None)
    assert align(nameless, ["nose", "tail"]) is nameless
    for names, message in (
        (["nose", "ear"], "'ear' is missing and 'tail' is one too many"),
        (["nose"], "'tail' is one too many"),
        (["nose", "tail", "ear"], "'ear' is missing"),
    ):
        with pytest.raises(ValueError, match=message):
            align(keypoints, names)


def test_names_are_those_of_the_last_step():
    regressor = DummyRegressor()
    assert fitted_names(regressor) is None
    regressor.keypoint_names_ = ("nose",)
    pipe = make_pipeline("passthrough", regressor)
    search = GridSearchCV(pipe, {})
    assert fitted_names(search) is None
    search.best_estimator_ = pipe
    for estimator in (regressor, pipe, search):
        assert fitted_names(estimator) == ("nose",)


def test_names_and_columns_are_inverse():
    assert names_from_columns(columns_from_names(KAGGLE_KEYPOINTS)) == KAGGLE_KEYPOINTS
    assert names_from_columns([0, 1]) is None


def test_kaggle_flip_swaps_left_and_right_alone():
    permutation = flip_permutation(15, KAGGLE_KEYPOINTS)
    for name, other in zip(KAGGLE_KEYPOINTS, np.array(KAGGLE_KEYPOINTS)[permutation], strict=True):
        swapped = name.replace("left", "?").replace("right", "left").replace("?", "right")
        assert other == swapped
    assert permutation[KAGGLE_KEYPOINTS.index("nose_tip")] == KAGGLE_KEYPOINTS.index("nose_tip")


def test_flip_pairs_by_name_and_by_index_agree():
    names = ["ear_1", "nose", "ear_2"]
    np.testing.assert_array_equal(flip_permutation(3, names, [("ear_1", "ear_2")]), [2, 1, 0])
    np.testing.assert_array_equal(flip_permutation(3, None, [(0, 2)]), [2, 1, 0])
    np.testing.assert_array_equal(flip_permutation(3, None, []), [0, 1, 2])


@pytest.mark.parametrize(
    ("names", "pairs", "message"),
    [
        (None, None, "y has no names. Pass y as a DataFrame .* or flip_pairs"),
        (["p0", "p1"], None, "the names p0, p1 do not say it. Pass .* or flip_pairs"),
        (["nose", "tail"], None, "the names nose, tail do not say it"),
        (None, "coco17", "'coco17' has 17 keypoints, but y has 2"),
        (["left_eye", "nose"], None, "'left_eye' has no counterpart 'right_eye'"),
        (["right_eye", "nose"], None, "'right_eye' has no counterpart"),
        (None, [(0, 2)], "holds 2"),
        (None, [(0, 1), (1, 0)], "more than once"),
        (["a", "b"], [("a", "c")], "'c', which y does not have"),
        (None, [("a", "b")], "'a', which y does not have"),
        (None, [3], "pairs of keypoints"),
    ],
)
def test_flips_that_cannot_be_are_errors(names, pairs, message):
    with pytest.raises(ValueError, match=message):
        flip_permutation(2, names, pairs)


@given(points=hnp.arrays(float, (4, 15, 2), elements=pixels), width=st.integers(1, 200))
def test_mirror_twice_is_the_identity(points, width):
    permutation = flip_permutation(15, KAGGLE_KEYPOINTS)
    twice = mirror(mirror(points, width, permutation), width, permutation)
    np.testing.assert_allclose(twice, points, atol=1e-12)


def test_mirror_sends_pixel_10_of_96_to_85():
    point = np.array([[[10.0, 3.0]]])
    np.testing.assert_array_equal(mirror(point, 96, np.array([0])), [[[85.0, 3.0]]])


@given(
    values=hnp.arrays(float, (3, 6), elements=pixels),
    size=st.tuples(st.integers(1, 300), st.integers(1, 300)),
)
def test_units_and_pixels_are_inverse(values, size):
    np.testing.assert_allclose(from_units(to_units(values, size), size), values, atol=1e-9)


def test_units_put_the_longer_edges_at_one():
    corners = np.array([[-0.5, -0.5], [199.5, 99.5]])
    np.testing.assert_allclose(to_units(corners, (100, 200)), [[-1, -0.5], [1, 0.5]])
    assert pixels_per_unit((100, 200)) == 100


@given(points=hnp.arrays(float, (5, 2), elements=pixels))
def test_corner_and_centre_are_inverse(points):
    np.testing.assert_allclose(from_corner(to_corner(points)), points, atol=1e-12)


def test_out_of_frame():
    points = np.array([[-0.5, 0], [-0.6, 0], [95.5, 47.5], [95, 47.6], [np.nan, 3]])
    np.testing.assert_array_equal(
        out_of_frame(points, (48, 96)), [False, True, False, True, False]
    )
