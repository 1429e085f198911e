import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sklearn_kpd.augment.draw import (
    affine_matrices,
    crop_matrices,
    draw,
    flip_matrices,
    move_points,
    perspective_matrices,
    reach,
)

ALL = {
    "rotation": (-15.0, 15.0), "scale": (0.9, 1.1), "translation": (-4.0, 4.0),
    "shear": (-5.0, 5.0), "crop": (0.0, 0.1), "perspective": (0.0, 0.05), "elastic": (0.0, 3.0),
    "blur": (0.0, 1.0), "brightness": (-0.1, 0.1), "contrast": (0.8, 1.2), "noise": (0.0, 0.05),
    "cutout": (0.0, 0.3), "aspect": (0.8, 1.2), "gamma": (0.7, 1.3), "shadow": (0.0, 0.4),
    "patches": (0.0, 0.3),
}  # fmt: skip
SIZE = (48, 96)


def fields(numbers):
    return {name: getattr(numbers, name) for name in numbers.__dataclass_fields__}


def test_the_same_generator_gives_the_same_numbers():
    a, b = (draw(ALL, 0.5, 20, SIZE, np.random.default_rng(0)) for _ in range(2))
    c = draw(ALL, 0.5, 20, SIZE, np.random.default_rng(1))
    for name, value in fields(a).items():
        np.testing.assert_array_equal(value, fields(b)[name])
        assert not np.array_equal(value, fields(c)[name]), name


def test_nothing_asked_for_is_nothing_drawn():
    numbers = draw({}, 0.0, 5, SIZE, np.random.default_rng(0))
    assert not numbers.flipped.any()
    for name, value in fields(numbers).items():
        assert value is None or name in ("flipped", "noise_start")


@pytest.mark.parametrize("left_out", ALL)
def test_leaving_an_operation_out_leaves_the_others_numbers(left_out):
    rest = {name: r for name, r in ALL.items() if name != left_out}
    a, b = (draw(r, 0.5, 20, SIZE, np.random.default_rng(0)) for r in (ALL, rest))
    geometry = {"rotation", "scale", "aspect", "translation", "shear", "crop", "perspective"}
    for name, value in fields(a).items():
        mine = {
            "matrices": geometry, "displacements": {"elastic"}, "blur": {"blur"},
            "gain": {"contrast"}, "offset": {"brightness", "contrast"}, "noise": {"noise"},
            "cutout": {"cutout"}, "gamma": {"gamma"}, "shadow": {"shadow"}, "patches": {"patches"},
        }.get(name, set())  # fmt: skip
        if left_out not in mine:
            np.testing.assert_array_equal(value, fields(b)[name])


def test_strength_changes_the_magnitude_of_the_same_numbers():
    full = draw({"rotation": (-20.0, 20.0)}, 0, 50, SIZE, np.random.default_rng(0))
    half = draw({"rotation": (-10.0, 10.0)}, 0, 50, SIZE, np.random.default_rng(0))
    angles = [np.arctan2(d.matrices[:, 1, 0], d.matrices[:, 0, 0]) for d in (full, half)]
    np.testing.assert_allclose(angles[1], angles[0] / 2, atol=1e-12)
    few = draw({}, 0.25, 200, SIZE, np.random.default_rng(0)).flipped
    many = draw({}, 0.75, 200, SIZE, np.random.default_rng(0)).flipped
    assert (many[few]).all()
    assert few.sum() < many.sum()


def test_a_flip_mirrors_about_the_middle():
    points = np.array([[[10.0, 3.0]], [[10.0, 3.0]]])
    moved = move_points(points, flip_matrices(np.array([True, False]), (96, 96)))
    np.testing.assert_array_equal(moved, [[[85.0, 3.0]], [[10.0, 3.0]]])


@given(crop=st.tuples(*[st.floats(0, 0.4)] * 4))
def test_a_crop_sends_its_edges_to_those_of_the_frame(crop):
    height, width = SIZE
    top, right, bottom, left = crop
    corners = np.array(
        [[left * width, top * height], [(1 - right) * width, (1 - bottom) * height]]
    )
    moved = move_points(corners[None] - 0.5, crop_matrices(np.array([crop]), SIZE))
    np.testing.assert_allclose(moved[0], [[-0.5, -0.5], [width - 0.5, height - 0.5]], atol=1e-9)


@given(angle=st.floats(-180, 180), scale=st.floats(0.5, 2))
def test_rotation_and_scale_keep_the_centre_and_scale_lengths(angle, scale):
    matrices = affine_matrices(1, SIZE, np.array([angle]), np.array([scale]), None, None)
    centre = np.array([47.5, 23.5])
    points = np.stack([centre, centre + [10, 0]])[None]
    moved = move_points(points, matrices)[0]
    np.testing.assert_allclose(moved[0], centre, atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(moved[1] - moved[0]), 10 * scale, atol=1e-9)
    direction = np.degrees(np.arctan2(*(moved[1] - moved[0])[::-1]))
    np.testing.assert_allclose(np.cos(np.radians(direction - angle)), 1, atol=1e-9)


@given(corners=st.lists(st.floats(-0.2, 0.2), min_size=8, max_size=8))
def test_perspective_sends_corners_where_it_is_told(corners):
    corners = np.array(corners).reshape(1, 4, 2)
    height, width = SIZE
    source = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * [width, height] - 0.5
    moved = move_points(source[None], perspective_matrices(corners, SIZE))
    np.testing.assert_allclose(moved, source + corners * [width, height], atol=1e-6)


@given(aspect=st.floats(0.5, 2), angle=st.floats(-180, 180))
def test_an_aspect_stretches_the_width_against_the_height_and_keeps_the_area(aspect, angle):
    aspects = np.array([aspect])
    upright = affine_matrices(1, SIZE, None, None, None, None, aspects)[0]
    width, height = upright[0, 0], upright[1, 1]
    np.testing.assert_allclose([width / height, width * height], [aspect, 1.0])
    np.testing.assert_allclose(upright @ [47.5, 23.5, 1], [47.5, 23.5, 1])
    # first the stretch, then the turn
    turned = affine_matrices(1, SIZE, np.array([angle]), None, None, None, aspects)[0]
    turn = affine_matrices(1, SIZE, np.array([angle]), None, None, None)[0]
    np.testing.assert_allclose(turned, turn @ upright, atol=1e-9)


def test_a_wider_face_reaches_further():
    assert reach({"aspect": (1.0, 1.0)}, SIZE) == 0
    narrow = reach({"aspect": (0.64, 1.0)}, SIZE)  # 0.8 of the width shows 1 / 0.8 of the frame
    assert narrow == pytest.approx((1 / 0.8 - 1) / 2)


def test_nan_stays_nan():
    points = np.array([[[np.nan, np.nan], [3.0, 4.0]]])
    for matrices in (
        affine_matrices(1, SIZE, np.array([5.0]), None, None, None),
        perspective_matrices(np.full((1, 4, 2), 0.05) * [1, -1], SIZE),
    ):
        moved = move_points(points, matrices)
        np.testing.assert_array_equal(np.isnan(moved), np.isnan(points))
