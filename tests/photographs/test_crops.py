"""Crops: a dot lies where the matrix says, whatever the photograph and the box."""

import threading

import cv2
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from sklearn_kpd import AugmentTransformer, CropTransformer
from sklearn_kpd.exceptions import PhotographError
from sklearn_kpd.images import made
from sklearn_kpd.photographs import crops as crops_module
from sklearn_kpd.photographs.crops import in_color
from tests.helpers import centroids, dots

HEIGHT, WIDTH = 240, 320
POINTS = np.array([[[110.0, 90.0], [150.25, 130.5], [180.0, 100.75]]])


def photograph_of(point, radius, size=(HEIGHT, WIDTH), channels=1):
    return dots(point.reshape(1, 1, 2), size, channels, radius=radius)[0, 0]


def table(sources, box, column="image"):
    X = pd.DataFrame({column: sources})
    return X.assign(**dict(zip(["left", "top", "right", "bottom"], box, strict=True)))


def found_in_crops(X, points, **options):
    """Where dots lie in the crops, and where the points are said to lie."""
    crops = CropTransformer(**options).fit_transform(X)
    wanted = crops.to_crop(points.reshape(len(X), -1))
    np.testing.assert_allclose(crops.to_photograph(wanted), points.reshape(len(X), -1), atol=1e-9)
    return centroids(crops.pixels()), wanted


BOXES = {
    "inside": (90, 60, 200, 160),
    "whole photograph": (0, 0, WIDTH, HEIGHT),
    "no box": (np.nan,) * 4,
    "over the left edge": (-60, 40, 200, 170),
    "over two edges": (60, 50, 400, 300),
    "over all edges": (-40, -30, 360, 290),
    "fractions": (88.3, 59.9, 203.7, 161.2),
}


@pytest.mark.parametrize("keep_aspect", [True, False])
@pytest.mark.parametrize("frame", [96, (64, 120), 150])
@pytest.mark.parametrize("name", BOXES)
def test_a_dot_lies_where_it_should(name, frame, keep_aspect):
    for point in POINTS[0]:
        X = table([photograph_of(point, 4.0)], BOXES[name])
        found, wanted = found_in_crops(
            X, point, size=frame, margin=0.25, keep_aspect=keep_aspect, border=0.0
        )
        assert np.abs(found - wanted).max() < 0.1


@pytest.mark.parametrize("side", [3.0, 9.0])
def test_tiny_boxes(side):
    point = np.array([100.4, 80.3])
    box = point[0] - side / 2, point[1] - side / 2, point[0] + side / 2, point[1] + side / 2
    X = table([photograph_of(point, side / 12 if side > 6 else 0.6)], box)
    found, wanted = found_in_crops(X, point, size=64, margin=1.5, border=0.0)
    # a dot of few pixels has its centre nowhere exactly: 0.1 of its own pixels
    assert np.abs(found - wanted).max() < 0.1 * 64 / (4 * side)


@pytest.mark.parametrize("side", [600, 2000])
@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_huge_boxes_of_large_photographs(tmp_path, side, suffix):
    point = np.array([1203.0, 951.0])
    picture = photograph_of(point, 60.0, (1803, 2405))
    Image.fromarray(picture[..., 0]).save(tmp_path / f"a.{suffix}", quality=95)
    box = 1200 - side, 950 - side, 1200 + side, 950 + side
    X = table([tmp_path / f"a.{suffix}"], box, "path")
    found, wanted = found_in_crops(X, point, size=96, margin=0.1, border=0.0)
    assert np.abs(found - wanted).max() < 0.1


def test_a_box_that_is_larger_than_anything():
    X = table([photograph_of(POINTS[0, 0], 6.0)], (-1e6, -1e6, 1e6, 1e6))
    crop = CropTransformer(96, border=0.0).fit_transform(X).pixels()
    assert crop.shape == (1, 96, 96, 1)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
@pytest.mark.parametrize("size", [(480, 640), (477, 635)])
def test_points_are_those_of_the_photograph_as_a_viewer_shows_it(
    tmp_path, suffix, orientation, size
):
    turn = {
        1: None, 2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM, 5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }[orientation]  # fmt: skip
    point = np.array([201.0, 150.0])
    shown = Image.fromarray(photograph_of(point, 12.0, size)[..., 0])
    stored = shown if turn is None else shown.transpose(turn)
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"a.{suffix}"
    stored.save(path, exif=exif, **({"quality": 98} if suffix in ("jpg", "webp") else {}))
    for box in [(100, 50, 300, 250), (-200, -200, 700, 600)]:
        found, wanted = found_in_crops(table([path], box, "path"), point, size=64, border=0.0)
        assert np.abs(found - wanted).max() < 0.1


FORMS = {
    "grey.png": lambda grey: Image.fromarray(grey),
    "grey.jpg": lambda grey: Image.fromarray(grey),
    "rgb.png": lambda grey: Image.fromarray(np.stack([grey] * 3, axis=2)),
    "rgb.jpg": lambda grey: Image.fromarray(np.stack([grey] * 3, axis=2)),
    "rgba.png": lambda grey: Image.fromarray(np.stack([grey] * 3 + [grey // 2], axis=2)),
    "rgba.webp": lambda grey: Image.fromarray(np.stack([grey] * 3 + [grey // 2 + 9], axis=2)),
    "16 bits.png": lambda grey: Image.fromarray(grey.astype(np.uint16) * 257),
    "16 bits.tif": lambda grey: Image.fromarray(grey.astype(np.uint16) * 257),
    "palette.png": lambda grey: Image.fromarray(grey).convert("P"),
    "palette.tif": lambda grey: Image.fromarray(grey).convert("P"),
}


@pytest.mark.parametrize("color", ["gray", "rgb"])
@pytest.mark.parametrize("name", FORMS)
def test_forms_of_files(tmp_path, name, color):
    point = POINTS[0, 1]
    options = {"lossless": True} if name.endswith("webp") else {"quality": 98}
    picture = FORMS[name](photograph_of(point, 4.0)[..., 0])
    picture.save(tmp_path / name, **(options if name.endswith(("jpg", "webp")) else {}))
    X = table([tmp_path / name], BOXES["inside"], "path")
    found, wanted = found_in_crops(X, point, size=96, color=color, border=0.0)
    assert np.abs(found - wanted).max() < 0.1


@pytest.mark.parametrize("color", ["gray", "rgb"])
def test_files_and_arrays_are_alike(tmp_path, color):
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (8, 10, 3), np.uint8)
    picture = cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    Image.fromarray(picture).save(tmp_path / "a.png")
    by_file, by_array = (
        CropTransformer(64, color=color).fit_transform(X).pixels()
        for X in (
            table([tmp_path / "a.png"], BOXES["over two edges"], "path"),
            table([picture], BOXES["over two edges"]),
        )
    )
    np.testing.assert_array_equal(by_file, by_array)
    flat = np.repeat(in_color(picture, "gray"), 3, axis=2)
    if color == "gray":
        again = CropTransformer(64).fit_transform(table([flat], BOXES["over two edges"]))
        assert np.abs(again.pixels().astype(int) - by_array).max() <= 1


@settings(deadline=None, max_examples=40)
@given(
    st.tuples(st.floats(-300, 300), st.floats(-200, 200)),
    st.floats(40, 600),
    st.floats(-0.2, 0.5),
    st.tuples(st.integers(40, 130), st.integers(40, 130)),
)
def test_any_box_that_holds_the_dot(shift, side, margin, frame):
    point = np.array([160.0, 120.0])
    left, top = point[0] - side / 2 + shift[0] * side / 700, point[1] - side / 2
    top += shift[1] * side / 500
    radius = max(4.0, side / 24)
    X = table([photograph_of(point, radius)], (left, top, left + side, top + side))
    crops = CropTransformer(frame, margin=margin, border=0.0).fit_transform(X)
    wanted = crops.to_crop(point[None])[0]
    spread = 4 * radius * crops.matrices[0, [0, 1], [0, 1]]
    if ((wanted > spread) & (wanted < np.array(frame[::-1]) - 1 - spread)).all():
        found = centroids(crops.pixels())[0]
        assert np.abs(found - wanted).max() < 0.1


def drawn(crops, points, **policy):
    """Crops and points after one draw: from the photograph at once, and crop by crop."""
    augmentation = AugmentTransformer(random_state=0, **policy).fit(crops, None).augmentation_
    inside = crops.to_crop(points).reshape(len(points), -1, 2)
    pieces = crops.read(augmentation.reach(crops.frame))
    rngs = [np.random.default_rng(0) for _ in range(2)]
    at_once = augmentation.apply(pieces.batch(slice(None)), inside, rngs[0])
    in_turn = augmentation.apply(crops.pixels(), inside, rngs[1])
    return (made(at_once[0]), at_once[1]), in_turn[:2]


POLICIES = {
    "rotation": {"rotation": 40},
    "scale": {"scale": (0.5, 0.8)},
    "translation": {"translation": 12},
    "shear": {"shear": 20},
    "all": {"rotation": 30, "scale": 0.3, "translation": 6, "shear": 10},
    "perspective": {"perspective": 0.1},
    "crop": {"crop": 0.2},
    "elastic": {"elastic": 2.0},
    "grey levels": {"brightness": 0.2, "contrast": 0.3, "blur": (0.5, 1.5)},
}


@pytest.mark.parametrize("name", POLICIES)
def test_one_warp_moves_points_as_crop_and_augmentation_in_turn(name):
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (12, 16), np.uint8)
    picture = cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    X = table([picture] * 6, BOXES["inside"])
    crops = CropTransformer(96).fit_transform(X)
    points = np.tile(POINTS.reshape(1, -1), (6, 1))
    (images, moved), (old_images, old_moved) = drawn(crops, points, **POLICIES[name])
    np.testing.assert_array_equal(moved, old_moved)
    assert images.shape == old_images.shape
    middle = images[:, 32:64, 32:64].astype(int) - old_images[:, 32:64, 32:64]
    assert np.abs(middle).mean() < 4


@pytest.mark.parametrize("name", ["rotation", "scale", "translation", "shear", "all"])
def test_a_dot_follows_its_point_through_crop_and_augmentation(name):
    for seed in range(5):
        point = POINTS[0, seed % 3]
        crops = CropTransformer(96, border=0.0).fit_transform(
            table([photograph_of(point, 4.0)], BOXES["inside"])
        )
        policy = {**POLICIES[name], "border": 0.0, "out_of_frame": "keep"}
        augmentation = (
            AugmentTransformer(random_state=seed, **policy).fit(crops, None).augmentation_
        )
        pieces = crops.read(augmentation.reach(crops.frame))
        inside = crops.to_crop(point[None]).reshape(1, 1, 2)
        images, moved, _ = augmentation.apply(
            pieces.batch([0]), inside, np.random.default_rng(augmentation.seed)
        )
        scale = np.abs(moved - 47.5).max()
        if scale < 40:  # the whole dot is in the frame
            assert np.abs(centroids(made(images))[0] - moved[0, 0]).max() < 0.1


@pytest.mark.parametrize(
    "policy",
    [
        {"rotation": 45}, {"scale": (0.5, 1)}, {"translation": 30}, {"shear": 30},
        {"perspective": 0.2}, {"rotation": 30, "scale": 0.2, "translation": 10},
    ],
)  # fmt: skip
def test_what_comes_into_the_frame_is_the_photograph(policy):
    y, x = np.mgrid[:400, :400]
    # each place has a grey level of its own, and beyond the box it differs from that of its edge
    picture = np.stack([x * 255 // 399, y * 255 // 399, x * 0], axis=2).astype(np.uint8)
    X = table([picture] * 20, (160, 160, 240, 240))
    crops = CropTransformer(64, margin=0, color="rgb").fit_transform(X)
    augmentation = AugmentTransformer(random_state=0, **policy).fit(crops, None).augmentation_
    pieces = crops.read(augmentation.reach(crops.frame))
    corners = np.tile([[0.0, 0], [63, 0], [0, 63], [63, 63], [31, 31]], (20, 1, 1))
    batch = pieces.batch(slice(None))
    seen = []
    warped = batch.warped

    def spy(matrices=None):
        seen.append(matrices)
        return warped(matrices)

    batch.warped = spy
    images, _, _ = augmentation.apply(batch, corners, np.random.default_rng(0))
    to_photograph = np.linalg.inv(seen[0] @ crops.matrices)
    there = np.concatenate([corners, np.ones((20, 5, 1))], axis=2) @ to_photograph.swapaxes(1, 2)
    there = there[..., :2] / there[..., 2:]
    assert (there > 0).all()
    assert (there < 399).all()
    assert np.abs(there[:, :4] - 200).max() > 50  # some corners lie well beyond the box
    levels = images[np.arange(20)[:, None], corners[..., 1].astype(int),
                    corners[..., 0].astype(int), :2]  # fmt: skip
    np.testing.assert_allclose(levels, there * 255 / 399, atol=1.6)


def test_the_reflection_beyond_the_edge_is_that_of_the_photograph():
    picture = np.tile(np.arange(0, 200, dtype=np.uint8), (200, 1))
    crop = CropTransformer(100, margin=0, border="reflect")
    X = table([picture], (-90, 50, 10, 150))  # most of it lies outside
    levels = crop.fit_transform(X).pixels()[0, 50, :, 0]
    np.testing.assert_allclose(levels.astype(int), np.abs(np.arange(-90, 10)), atol=1)
    X = table([picture], (190, 50, 290, 150))
    levels = crop.fit_transform(X).pixels()[0, 50, :, 0]
    np.testing.assert_allclose(levels, 199 - np.abs(np.arange(-9, 91)), atol=1)


def test_a_photograph_is_opened_once(monkeypatch, tmp_path):
    opened, lock = [], threading.Lock()
    real = crops_module.read_photograph

    def read(path, *args):
        with lock:
            opened.append(path)
        return real(path, *args)

    monkeypatch.setattr(crops_module, "read_photograph", read)
    paths = []
    for i in range(3):
        Image.fromarray(photograph_of(POINTS[0, i], 4.0)[..., 0]).save(tmp_path / f"{i}.png")
        paths.append(str(tmp_path / f"{i}.png"))
    X = table([paths[i] for i in (0, 1, 0, 2, 1, 0)], BOXES["inside"], "path")
    told = []
    crops = CropTransformer(48).fit_transform(X)
    pieces = crops.read(progress=told.append)
    assert sorted(opened) == paths
    assert told == [1, 2, 3]
    assert crops.n_photographs == 3
    np.testing.assert_array_equal(pieces[0:1], pieces[2:3])
    np.testing.assert_array_equal(crops[[3]], pieces[3:4])


def test_lengths_scale_back(tmp_path):
    X = table([photograph_of(POINTS[0, 0], 4.0)], (90, 60, 200, 160))
    crops = CropTransformer((50, 110), margin=0, keep_aspect=False).fit_transform(X)
    np.testing.assert_allclose(crops.scale_to_photograph(np.array([[2.0, 3.0]])), [[2.0, 6.0]])


def test_errors_name_the_row(tmp_path):
    (tmp_path / "text.jpg").write_text("no photograph")
    Image.fromarray(photograph_of(POINTS[0, 0], 4.0)[..., 0]).save(tmp_path / "a.png")
    paths = [tmp_path / "a.png", tmp_path / "text.jpg"]
    crops = CropTransformer(48).fit_transform(table(paths, BOXES["inside"], "path"))
    with pytest.raises(PhotographError, match=r"^X, row 1: .*text\.jpg: no photograph"):
        crops.read()
    crops = CropTransformer(48).fit_transform(paths)  # without boxes: sizes are read
    with pytest.raises(PhotographError, match=r"^X, row 1: .*text\.jpg: no photograph"):
        crops.pixels()
    outside = table([paths[0]] * 2, (0, 0, 9, 9), "path")
    outside.loc[1, ["left", "right"]] = [500, 700]
    crops = CropTransformer(48).fit_transform(outside)
    with pytest.raises(PhotographError, match=r"^X, row 1: .*box lies outside .* 320 x 240"):
        crops.read(reach=1.0)
    left = table([paths[0]], (-100, 0, 5, 50), "path")
    crops = CropTransformer(48, margin=-0.4, keep_aspect=False).fit_transform(left)
    with pytest.raises(PhotographError, match=r"^X, row 0: .*box lies outside"):
        crops.read()


def test_parts_are_the_rows_of_all(tmp_path):
    photograph = photograph_of(POINTS[0, 0], 4)
    boxes = {"left": [0, 20, 400, 0], "top": 0, "right": [99, 90, 500, 80], "bottom": 80}
    X = pd.DataFrame({"image": [photograph] * 4, **boxes})
    crops = CropTransformer(size=24).fit_transform(X)
    part = crops.part(slice(1, 4)).part(slice(0, 1))
    np.testing.assert_array_equal(part.pixels(), crops.pixels([1]))
    np.testing.assert_array_equal(part.matrices, crops.matrices[1:2])
    with pytest.raises(PhotographError, match="X, row 2: the box lies outside"):
        crops.part(slice(1, 4)).part(slice(1, None)).pixels()
    lost = tmp_path / "lost.png"
    cv2.imwrite(str(lost), photograph)
    crops = CropTransformer(size=24).fit_transform([str(lost)] * 3)
    lost.unlink()
    with pytest.raises(PhotographError, match="X, row 2: "):
        crops.part(slice(2, None)).pixels()


def test_crops_are_no_array():
    crops = CropTransformer(48).fit_transform([photograph_of(POINTS[0, 0], 4.0)])
    with pytest.raises(TypeError, match="Crops is no array"):
        np.asarray(crops)
    assert repr(crops) == "Crops(1 crops of 48x48x1)"
    assert len(crops) == 1
    assert crops.shape == (1, 48, 48, 1)
