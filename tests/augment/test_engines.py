"""Both engines, every operation: the picture and the keypoints go to the same place."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sklearn_kpd.augment import Augmentation, _imgaug
from sklearn_kpd.augment.fused import noise_bank
from sklearn_kpd.augment.ranges import GEOMETRY, OPERATIONS
from tests.helpers import centroids, dots

ENGINES = ["fused", "imgaug"]
RANGES = {
    "rotation": (-25.0, 25.0), "scale": (0.8, 1.25), "translation": (-6.0, 6.0),
    "shear": (-10.0, 10.0), "crop": (0.0, 0.12), "perspective": (0.0, 0.06), "elastic": (0.0, 3.0),
    "blur": (0.0, 1.5), "brightness": (0.0, 0.05), "contrast": (0.9, 1.1), "noise": (0.0, 0.05),
    "cutout": (0.0, 0.3), "aspect": (0.8, 1.2), "gamma": (0.7, 0.9), "shadow": (0.2, 0.4),
    "patches": (0.2, 0.4),
}  # fmt: skip
MOVING = [name for name in GEOMETRY if name != "flip"]
seeds = st.integers(0, 2**31 - 1)


def augment(engine, images, points, seed, ranges, flip=0.0, **options):
    options.setdefault("permutation", np.arange(points.shape[1]))
    augmentation = Augmentation(
        ranges=ranges, flip=flip, engine=engine, out_of_frame="keep", border=0.0, **options
    )
    return augmentation.apply(images, points, np.random.default_rng(seed))[:2]


def distances(engine, seed, ranges, flip=0.0, *, size=(96, 96), channels=1, dtype=np.uint8, k=3):
    """How far each dot's centroid lies from the keypoint that was returned for it."""
    rng = np.random.default_rng(seed)
    height, width = size
    # one dot an image: k images with their one keypoint each, away from the edges
    points = rng.uniform([0.35 * width, 0.35 * height], [0.65 * width, 0.65 * height], (k, 1, 2))
    images = dots(points, size, channels, dtype, radius=2.0)[:, 0]
    moved_images, moved = augment(engine, images, points, seed, ranges, flip)
    assert moved_images.dtype == dtype
    assert moved_images.shape == images.shape
    return np.linalg.norm(centroids(moved_images) - moved[:, 0], axis=-1)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("operation", MOVING)
@settings(max_examples=25, deadline=None)
@given(seed=seeds)
def test_dot_and_keypoint_go_together(engine, operation, seed):
    assert distances(engine, seed, {operation: RANGES[operation]}).max() < 0.1


@pytest.mark.parametrize("engine", ENGINES)
@settings(max_examples=40, deadline=None)
@given(
    seed=seeds,
    operations=st.sets(st.sampled_from(["rotation", "scale", "translation", "shear", "crop"])),
    flip=st.sampled_from([0.0, 0.5, 1.0]),
)
def test_combinations(engine, seed, operations, flip):
    ranges = {name: RANGES[name] for name in sorted(operations)}
    assert distances(engine, seed, ranges, flip).max() < 0.1


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("size", [(96, 96), (60, 110)])
def test_sizes_channels_and_dtypes(engine, dtype, channels, size):
    ranges = {name: RANGES[name] for name in ("rotation", "scale", "translation", "crop")}
    found = distances(engine, 3, ranges, 0.5, size=size, channels=channels, dtype=dtype, k=8)
    assert found.max() < 0.1


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_every_operation_at_once_keeps_shape_dtype_and_range(engine, dtype, channels):
    rng = np.random.default_rng(0)
    images = rng.integers(256, size=(6, 40, 50, channels)).astype(dtype)
    points = rng.uniform(0, 40, (6, 20, 2))
    points[2, 5] = np.nan
    before = images.copy(), points.copy()
    moved_images, moved = augment(engine, images, points, 0, RANGES, 0.5)
    assert (moved_images.shape, moved_images.dtype) == (images.shape, dtype)
    assert moved_images.min() >= 0
    assert moved_images.max() <= 255
    assert moved.shape == points.shape
    assert np.isnan(moved).sum() == 2
    assert not np.array_equal(moved_images, images)
    np.testing.assert_array_equal(images, before[0])
    np.testing.assert_array_equal(points, before[1])


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("n_keypoints", [1, 20, 68])
def test_nan_stays_nan_and_pixels_alone_move_no_keypoint(engine, operation, n_keypoints):
    rng = np.random.default_rng(0)
    images = rng.integers(256, size=(4, 48, 48, 1), dtype=np.uint8)
    points = rng.uniform(0, 48, (4, n_keypoints, 2))
    points[1] = np.nan
    moved_images, moved = augment(engine, images, points, 1, {operation: RANGES[operation]})
    np.testing.assert_array_equal(np.isnan(moved), np.isnan(points))
    assert not np.array_equal(moved_images, images)
    if operation in GEOMETRY:
        assert not np.allclose(moved[0], points[0], atol=1e-3)
    else:
        np.testing.assert_allclose(moved, points, atol=1e-4)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_flip_sends_pixel_10_to_85_and_the_keypoint_with_it(engine, dtype):
    images = np.zeros((1, 96, 96, 1), dtype)
    images[0, 30, 10] = 200
    points = np.array([[[10.0, 30.0], [50.0, 60.0], [47.5, np.nan]]])
    moved_images, moved = augment(
        engine, images, points, 0, {}, 1.0, permutation=np.array([1, 0, 2])
    )
    assert moved_images[0, 30, 85] == 200
    assert moved_images.sum() == 200
    np.testing.assert_allclose(moved[0, :2], [[45.0, 60.0], [85.0, 30.0]])
    np.testing.assert_array_equal(moved[0, 2], [47.5, np.nan])


@pytest.mark.parametrize("engine", ENGINES)
@settings(max_examples=20, deadline=None)
@given(
    seed=seeds,
    size=st.tuples(st.integers(3, 60), st.integers(3, 60)),
    channels=st.sampled_from([1, 3, 4]),
    dtype=st.sampled_from([np.uint8, np.float32]),
)
def test_flip_twice_is_the_identity(engine, seed, size, channels, dtype):
    rng = np.random.default_rng(seed)
    images = rng.integers(256, size=(3, *size, channels)).astype(dtype)
    points = rng.uniform(0, 60, (3, 4, 2))
    points[rng.random((3, 4)) < 0.3] = np.nan
    permutation = np.array([1, 0, 2, 3])
    twice = images, points
    for _ in range(2):
        twice = augment(engine, *twice, seed, {}, 1.0, permutation=permutation)
    np.testing.assert_array_equal(twice[0], images)
    np.testing.assert_allclose(twice[1], points, atol=1e-9)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_same_seed_repeats_and_others_differ(engine):
    rng = np.random.default_rng(0)
    images = rng.integers(256, size=(5, 40, 40, 1), dtype=np.uint8)
    points = rng.uniform(0, 40, (5, 3, 2))
    state = np.random.get_state()[1].copy()
    import imgaug.random as iarandom

    global_rng = iarandom.get_global_rng().copy()
    a, b, c = (augment(engine, images, points, seed, RANGES, 0.5) for seed in (0, 0, 1))
    np.testing.assert_array_equal(a[0], b[0])
    np.testing.assert_array_equal(a[1], b[1])
    assert not np.array_equal(a[0], c[0])
    assert not np.array_equal(a[1], c[1])
    assert len(np.unique(a[1][:, 0] - points[:, 0], axis=0)) == 5  # each image has its own
    np.testing.assert_array_equal(np.random.get_state()[1], state)
    assert iarandom.get_global_rng().equals(global_rng)


GRID = np.stack(np.meshgrid([10.0, 48.0, 85.0], [10.0, 48.0, 85.0]), axis=-1).reshape(9, 2)


@pytest.mark.parametrize(
    "operation", ["rotation", "scale", "translation", "shear", "crop", "perspective", "flip"]
)
def test_the_engines_agree_in_distribution_of_keypoints(operation):
    n_images = 3000
    images = np.zeros((n_images, 96, 96, 1), np.uint8)
    points = np.tile(GRID, (n_images, 1, 1))
    ranges = {operation: RANGES[operation]} if operation in RANGES else {}
    if operation == "rotation":  # not symmetric: the sign matters too
        ranges = {"rotation": (0.0, 30.0)}
    if operation == "shear":
        ranges = {"shear": (0.0, 15.0)}
    flip = 0.5 if operation == "flip" else 0.0
    quantiles = [
        np.quantile(augment(engine, images, points, 0, ranges, flip)[1],
                    [0.05, 0.25, 0.5, 0.75, 0.95], axis=0)
        for engine in ENGINES
    ]  # fmt: skip
    moved = np.abs(quantiles[0] - GRID).max()
    assert moved > 2
    if operation == "flip":  # two values, so quantiles jump: compare the shares
        assert np.abs(quantiles[0][[0, 4]] - quantiles[1][[0, 4]]).max() == 0
        return
    assert np.abs(quantiles[0] - quantiles[1]).max() < 0.06 * moved


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("operation", ["brightness", "contrast", "noise", "blur", "cutout"])
def test_the_engines_agree_in_distribution_of_pixels(operation, dtype):
    n_images = 1500
    picture = np.tile(np.linspace(60, 190, 32), (32, 1))[..., None]
    picture[8:24, 8:24] += 20
    images = np.tile(picture, (n_images, 1, 1, 1)).astype(dtype)
    points = np.zeros((n_images, 1, 2))
    ranges = {"brightness": (-0.1, 0.2), "contrast": (0.7, 1.2), "noise": (0.0, 0.08),
              "blur": (0.0, 2.0), "cutout": (0.1, 0.4)}  # fmt: skip
    found = []
    for engine in ENGINES:
        moved = augment(engine, images, points, 0, {operation: ranges[operation]})[0].astype(float)
        change = moved - images
        per_image = [change.mean(axis=(1, 2, 3)), change.std(axis=(1, 2, 3)),
                     np.abs(change).mean(axis=(1, 2, 3))]  # fmt: skip
        found.append(np.quantile(per_image, [0.1, 0.5, 0.9], axis=1))
    scale = np.abs(found[1]).max()
    assert scale > 1
    # imgaug cuts uint8 down where OpenCV rounds
    assert np.abs(found[0] - found[1]).max() < 0.08 * scale + (0.6 if dtype == np.uint8 else 0.1)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("border", "expected"), [("replicate", 90), ("reflect", 40), (7.0, 7)])
def test_borders(engine, border, expected):
    images = np.full((1, 20, 20, 1), 40, np.uint8)
    images[:, :, 0] = 90
    augmentation = Augmentation(
        ranges={"translation": (5.0, 5.0)}, border=border, engine=engine, out_of_frame="keep"
    )
    moved = augmentation.apply(images, np.zeros((1, 1, 2)), np.random.default_rng(0))[0]
    assert moved[0, 10, 3] == expected
    assert moved[0, 10, 5] == 90


@pytest.mark.parametrize("engine", ENGINES)
def test_out_of_frame(engine):
    images = np.zeros((1, 20, 20, 1), np.uint8)
    points = np.array([[[18.0, 5.0], [3.0, 5.0], [np.nan, np.nan]]])

    def moved(rule):
        augmentation = Augmentation(
            ranges={"translation": (4.0, 4.0)}, out_of_frame=rule, engine=engine
        )
        return augmentation.apply(images, points, np.random.default_rng(0))[1][0]

    np.testing.assert_allclose(moved("keep"), [[22, 9], [7, 9], [np.nan] * 2], atol=1e-4)
    np.testing.assert_allclose(moved("clip"), [[19, 9], [7, 9], [np.nan] * 2], atol=1e-4)
    np.testing.assert_allclose(moved("nan"), [[np.nan] * 2, [7, 9], [np.nan] * 2], atol=1e-4)


@pytest.mark.parametrize("engine", ENGINES)
def test_points_that_do_not_leave_the_frame_are_left_alone(engine):
    images = np.zeros((1, 20, 20, 1), np.uint8)
    points = np.array([[[19.4, 5.0], [25.0, 5.0]]])
    noise = Augmentation(ranges={"noise": (0.0, 0.1)}, engine=engine)
    moved = noise.apply(images, points, np.random.default_rng(0))[1]
    np.testing.assert_allclose(moved, points, atol=1e-4)
    shift = Augmentation(ranges={"translation": (-0.1, -0.1)}, out_of_frame="clip", engine=engine)
    moved = shift.apply(images, points, np.random.default_rng(0))[1]
    np.testing.assert_allclose(moved[0], [[19.3, 4.9], [19, 4.9]], atol=1e-4)


@pytest.mark.parametrize("engine", ENGINES)
def test_probability_leaves_originals(engine):
    rng = np.random.default_rng(0)
    images = rng.integers(256, size=(400, 12, 12, 1), dtype=np.uint8)
    points = rng.uniform(0, 12, (400, 2, 2))
    augmentation = Augmentation(
        ranges={"translation": (3.0, 3.0)}, probability=0.3, engine=engine, out_of_frame="keep"
    )
    moved_images, moved, _ = augmentation.apply(images, points, np.random.default_rng(0))
    changed = (moved != points).any(axis=(1, 2))
    assert 80 < changed.sum() < 160
    np.testing.assert_array_equal((moved_images != images).any(axis=(1, 2, 3)), changed)


def test_ops_of_the_user_are_applied_and_not_changed():
    import imgaug.augmenters as iaa

    ops = [iaa.Affine(translate_px={"x": 2, "y": 0}), iaa.Add((-20, 20))]
    images = np.full((4, 20, 20, 1), 100, np.uint8)
    points = np.full((4, 1, 2), 5.0)
    state = ops[1].random_state.state
    a, b = (augment("imgaug", images, points, 0, {}, ops=ops) for _ in range(2))
    np.testing.assert_array_equal(a[0], b[0])
    np.testing.assert_allclose(a[1], points + [2, 0], atol=1e-4)
    assert len(np.unique(a[0][:, 10, 10])) > 1
    assert str(ops[1].random_state.state) == str(state)


def test_ops_that_mirror_are_refused():
    import imgaug.augmenters as iaa

    for ops in (iaa.Fliplr(0.5), [iaa.Sometimes(0.5, iaa.Flipud(1.0))]):
        with pytest.raises(ValueError, match=r"without swapping .* use flip="):
            _imgaug.check_ops(ops)
    with pytest.raises(ValueError, match="imgaug augmenters"):
        _imgaug.check_ops(["blur"])
    assert _imgaug.check_ops(None) == []


def test_noise_bank_is_normal():
    for dtype in (np.uint8, np.float32):
        bank = noise_bank(100_000, np.dtype(dtype).str).astype(float)
        assert abs(bank.mean() - 128) < 0.5
        assert abs(bank.std() - 31) < 0.3


def test_numpy_is_left_as_it_was():
    assert hasattr(np, "sctypes") == (np.lib.NumpyVersion(np.__version__) < "2.0.0")
