import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sklearn_kpd.keypoints import (
    KAGGLE_KEYPOINTS,
    check_keypoints,
    columns_from_names,
    flip_permutation,
    from_corner,
    from_units,
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
    assert keypoints.values.shape == (3, 1)
    assert keypoints.shape == ()


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (None, "requires y to be passed"),
        (np.zeros((3, 5)), "odd number"),
        (np.zeros((3, 0)), "odd number or none"),
        (np.zeros((3, 4, 3)), r"its shape is \(3, 4, 3\)"),
        (np.zeros((3, 4, 2, 1)), "its shape is"),
        (np.array([[np.inf, 0]]), "infinity"),
        ([["a", "b"]], "not a number"),
        (pd.DataFrame(np.zeros((1, 2)), columns=["a_x", "b_y"]), "'b_y' where 'a_y'"),
        (pd.DataFrame(np.zeros((1, 2)), columns=["a_y", "a_x"]), "'a_y' where 'a_x'"),
    ],
)
def test_bad_y_says_what_is_wrong(y, message):
    with pytest.raises(ValueError, match=message):
        check_keypoints(y)


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
        (None, None, "Pass y as a DataFrame .* or flip_pairs"),
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
