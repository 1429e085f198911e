"""Matrices between photograph, piece and crop: there and back, and through each other."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sklearn_kpd.photographs import _geometry
from sklearn_kpd.photographs._geometry import (
    crop_matrices,
    cut,
    move,
    move_back,
    piece_matrix,
    reduction,
    regions,
)

sides = st.floats(0.01, 5000)
places = st.floats(-5000, 5000)
boxes = st.builds(
    lambda left, top, width, height: np.array([[left, top, left + width, top + height]]),
    places, places, sides, sides,
)  # fmt: skip
frames = st.tuples(st.integers(1, 300), st.integers(1, 300))
margins = st.floats(-0.45, 3)


@given(boxes, frames, margins, st.booleans(), st.tuples(places, places))
def test_there_and_back(box, frame, margin, keep_aspect, point):
    areas = regions(box, frame, margin, keep_aspect)
    matrices = crop_matrices(areas, frame)
    points = np.array([[point, (np.nan, 1.0)]])
    back = move_back(move(points, matrices), matrices)
    # floats have 16 digits: what a tiny box makes large loses some
    tolerance = 1e-9 + 1e-12 * np.abs(matrices[0, :2, 2] / matrices[0, [0, 1], [0, 1]])
    assert (np.abs(back - points)[0, 0] <= tolerance).all()
    assert np.isnan(back[0, 1, 0])
    assert abs(back[0, 1, 1] - 1) <= tolerance[1]


@given(st.floats(-100, 5000), st.floats(-100, 5000), st.floats(1, 4000), frames)
def test_there_and_back_to_a_billionth_of_a_pixel(left, top, side, frame):
    matrices = crop_matrices(
        regions(np.array([[left, top, left + side, top + side]]), frame, 0.2, True), frame
    )
    points = np.random.default_rng(0).uniform(-100, 5000, (1, 20, 2))
    np.testing.assert_allclose(
        move_back(move(points, matrices), matrices), points, rtol=0, atol=1e-9
    )


@given(boxes, frames, margins, st.booleans())
def test_corners_of_the_region_are_corners_of_the_crop(box, frame, margin, keep_aspect):
    areas = regions(box, frame, margin, keep_aspect)
    corners = areas.reshape(1, 2, 2) - 0.5  # edges of pixels lie half a pixel beside centres
    found = move(corners, crop_matrices(areas, frame))[0]
    wanted = np.array([[-0.5, -0.5], [frame[1] - 0.5, frame[0] - 0.5]])
    scale = np.abs(areas).max() / (areas[0, 2:] - areas[0, :2]).min()
    np.testing.assert_allclose(found, wanted, atol=1e-9 + 1e-12 * scale * max(frame))


@given(boxes, frames, margins)
def test_regions_keep_their_middle_and_take_the_shape_of_the_frame(box, frame, margin):
    kept, stretched = (regions(box, frame, margin, keep) for keep in (True, False))
    middle = (box[:, :2] + box[:, 2:]) / 2
    for area in (kept, stretched):
        np.testing.assert_allclose((area[:, :2] + area[:, 2:]) / 2, middle, atol=1e-6)
    width, height = (kept[:, 2:] - kept[:, :2])[0]
    assert width / height == pytest.approx(frame[1] / frame[0], rel=1e-6)
    assert (stretched[:, 2:] - stretched[:, :2])[0] == pytest.approx(
        (box[:, 2:] - box[:, :2])[0] * (1 + 2 * margin), rel=1e-6
    )
    # the box itself is never cut, at most enlarged
    assert (kept[0, :2] <= stretched[0, :2] + 1e-6).all()
    assert (kept[0, 2:] >= stretched[0, 2:] - 1e-6).all()


@given(boxes, st.floats(0, 1), st.tuples(st.integers(1, 500), st.integers(1, 500)),
       st.integers(1, 16))  # fmt: skip
def test_what_is_cut_holds_the_region_as_far_as_there_is_a_photograph(box, reach, size, factor):
    left, top, right, bottom = cut(box[0], reach, size, factor)
    height, width = size
    assert left >= 0
    assert top >= 0
    assert right < width + factor
    assert bottom < height + factor
    assert {edge % factor for edge in (left, top, right, bottom)} == {0}
    wanted = np.concatenate([box[0, :2], box[0, 2:]])
    if right > left and bottom > top:
        assert left <= max(wanted[0], 0)
        assert top <= max(wanted[1], 0)
        assert right >= min(wanted[2], width)
        assert bottom >= min(wanted[3], height)


@given(st.integers(0, 100), st.integers(0, 100), st.integers(1, 9))
def test_a_pixel_of_a_piece_lies_in_the_middle_of_those_it_is_made_of(left, top, factor):
    matrix = piece_matrix(left, top, factor)
    pixels = np.arange(left, left + factor), np.arange(top, top + factor)
    assert matrix @ [0, 0, 1] == pytest.approx([pixels[0].mean(), pixels[1].mean(), 1])
    assert matrix @ [3, 2, 1] == pytest.approx(
        [pixels[0].mean() + 3 * factor, pixels[1].mean() + 2 * factor, 1]
    )


@given(boxes, frames)
def test_a_reduced_photograph_has_a_pixel_for_each_of_the_crop(box, frame):
    factor = reduction(box[0], frame)
    width, height = box[0, 2:] - box[0, :2]
    assert factor == 1 or (width / factor >= frame[1] and height / factor >= frame[0])
    assert width / (factor + 1) < frame[1] or height / (factor + 1) < frame[0]


def test_examples_are_those_of_the_convention():
    # a change of size sends x to (x + 0.5) f - 0.5
    matrices = crop_matrices(np.array([[0.0, 0.0, 10.0, 20.0]]), (40, 20))
    point = np.array([[[3.0, 7.0]]])
    np.testing.assert_allclose(move(point, matrices), (point + 0.5) * 2 - 0.5)
    assert _geometry.regions(np.array([[0.0, 0.0, 10.0, 10.0]]), (9, 9), 0.5, True).tolist() == [
        [-5.0, -5.0, 15.0, 15.0]
    ]
