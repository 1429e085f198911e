import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import BSpline

from sklearn_kpd.augment import Augmentation
from sklearn_kpd.augment.fused import change_light, displace, show_patches, spline_basis


@pytest.mark.parametrize("n_pixels", [7, 96])
@pytest.mark.parametrize("n_control", [4, 6])
def test_the_spline_is_scipys(n_pixels, n_control):
    places = (np.arange(n_pixels) + 0.5) / n_pixels * (n_control - 3)
    expected = BSpline(np.arange(-3, n_control + 1), np.eye(n_control), 3)(places)
    np.testing.assert_allclose(spline_basis(n_pixels, n_control), expected, atol=1e-6)


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 2**31 - 1), largest=st.floats(0, 8))
def test_displaced_points_are_fetched_from_where_they_were(seed, largest):
    """p + field(p) = q for each point p that is found, the field linear between pixels."""
    rng = np.random.default_rng(seed)
    displacements = largest * rng.uniform(-1, 1, (2, 2, 6, 6))
    points = rng.uniform(12, 83, (2, 5, 2))
    points[0, 0, 1] = np.nan
    _, moved = displace(np.zeros((2, 96, 96, 1), np.uint8), points, displacements, "replicate")
    np.testing.assert_array_equal(np.isnan(moved).any(axis=2), np.isnan(points).any(axis=2))
    basis = spline_basis(96, 6).astype(float)
    for fields, found, wanted in zip(basis @ displacements @ basis.T, moved, points, strict=True):
        inside = ((found >= 0) & (found < 95)).all(axis=1)
        assert inside.sum() >= 1
        for p, q in zip(found[inside], wanted[inside], strict=True):
            x, y = np.floor(p).astype(int)
            u, v = p - [x, y]
            field = np.array([1 - v, v]) @ fields[:, y : y + 2, x : x + 2] @ [1 - u, u]
            np.testing.assert_allclose(p + field, q, atol=0.02)


@pytest.mark.parametrize("shape", [(3, 10, 12, 1), (3, 10, 12, 3)])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_patches_show_another_image_in_the_box_alone(shape, dtype):
    images = np.random.default_rng(0).integers(256, size=shape).astype(dtype)
    before = images.copy()
    boxes = np.array([[2, 1, 6, 5], [0, 0, 12, 10], [3, 3, 3, 3]])
    patched = show_patches(images, boxes)
    np.testing.assert_array_equal(patched[0, 1:5, 2:6], images[2, 1:5, 2:6])
    np.testing.assert_array_equal(patched[1], images[0])
    np.testing.assert_array_equal(patched[2], images[2])
    patched[0, 1:5, 2:6] = images[0, 1:5, 2:6]
    np.testing.assert_array_equal(patched[0], images[0])
    np.testing.assert_array_equal(images, before)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_gamma_bends_the_grey_scale_and_keeps_its_ends(channels, dtype):
    levels = np.arange(256).reshape(1, 16, 16, 1).repeat(channels, axis=3).astype(dtype)
    images = np.concatenate([levels, levels])
    lit = change_light(images, np.array([1.0, 2.0]), None)
    assert (lit.shape, lit.dtype) == (images.shape, dtype)
    np.testing.assert_allclose(lit[0], levels[0], atol=1e-4)
    np.testing.assert_allclose(lit[1], levels[0].astype(float) ** 2 / 255, atol=0.51)


def test_a_patch_is_not_of_a_neighbour_which_may_be_the_same_row():
    images = np.repeat(np.arange(16, dtype=np.uint8), 2).reshape(32, 1, 1, 1)
    patched = show_patches(images, np.tile([0, 0, 1, 1], (32, 1)))
    assert (np.abs(patched.astype(int) - images) > 1).all()


@pytest.mark.parametrize("engine", ["fused", "imgaug"])
def test_floats_a_little_out_of_range_come_out_in_it(engine):
    images = np.linspace(-12, 267, 2 * 8 * 8, dtype=np.float32).reshape(2, 8, 8, 1)
    ranges = {"gamma": (0.7, 0.9), "shadow": (0.1, 0.3), "patches": (0.2, 0.4)}
    augmentation = Augmentation(ranges=ranges, engine=engine)
    found = augmentation.apply(images, np.zeros((2, 1, 2)), np.random.default_rng(0))[0]
    assert found.min() >= 0
    assert found.max() <= 255


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_a_shadow_takes_light_from_one_side_and_gives_it_to_the_other(channels, dtype):
    images = np.full((3, 40, 60, channels), 100).astype(dtype)
    # an upright edge in the middle; one that lies; none
    shadow = np.array([[0.3, 0.0, 0.0], [0.2, np.pi / 2, 0.0], [0.0, 1.0, 0.5]])
    lit = change_light(images, None, shadow).astype(float)
    assert (lit.shape, images.min()) == (images.shape, 100)
    np.testing.assert_allclose(lit[0, :, [0, -1]].mean(axis=(1, 2)), [70, 130], atol=1)
    np.testing.assert_allclose(lit[0, :, 29:31].mean(), 100, atol=1)
    np.testing.assert_allclose(np.ptp(lit[0], axis=0), 0)
    np.testing.assert_allclose(np.ptp(lit[1], axis=1), 0)
    assert lit[1, 0].mean() < 85 < 115 < lit[1, -1].mean()
    np.testing.assert_array_equal(lit[2], images[2])
    bright = change_light(np.full_like(images, 250), None, shadow)
    assert bright.max() == 255
