"""The imgaug engine, and the only module that imports imgaug.

imgaug 0.4.0 is the last release. What is mended here:

- on NumPy 2 its import fails for want of ``np.sctypes``, which it reads once
- it counts coordinates from the corner of the first pixel
- it does not swap left and right labels in a flip, so each image is told whether to flip
- its LinearContrast turns about 0 on floats, and nothing clips them
- its Crop repeats rows where only one side is cut, its Cutout is a square on any image, its
  ElasticTransformation fails with newer OpenCV, its PerspectiveTransform neither reflects nor
  keeps NaN: the fused engine's serve
- it ties no width to a height, shows no other image, and its GammaContrast takes floats of 0..1:
  the fused engine's serve
"""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from sklearn_kpd._common.schemes import BoolArray
from sklearn_kpd.augment import fused
from sklearn_kpd.augment.draw import MID_GREY, draw
from sklearn_kpd.augment.ranges import Range
from sklearn_kpd.images import Array
from sklearn_kpd.keypoints import FloatArray, from_corner, mirror, to_corner


@contextmanager
def _sctypes() -> Iterator[None]:
    """Give NumPy 2 the attribute that imgaug reads at import, for as long as that takes."""
    if hasattr(np, "sctypes"):
        yield
        return
    np.sctypes = {  # type: ignore[attr-defined]  # noqa: NPY201
        "int": [np.int8, np.int16, np.int32, np.int64],
        "uint": [np.uint8, np.uint16, np.uint32, np.uint64],
        "float": [np.float16, np.float32, np.float64],
        "complex": [np.complex64, np.complex128],
        "others": [bool, object, bytes, str, np.void],
    }
    try:
        yield
    finally:
        del np.sctypes  # type: ignore[attr-defined]  # noqa: NPY201


with _sctypes():
    import imgaug.augmenters as iaa
    import imgaug.parameters as iap
    from imgaug.augmentables import Keypoint, KeypointsOnImage

_BORDERS = {"replicate": "edge", "reflect": "reflect"}


def check_ops(ops: Any) -> list[Any]:
    """Give a list of imgaug augmenters, or raise a ValueError that says what is wrong.

    Parameters
    ----------
    ops : imgaug augmenter, list of them, or None
        Given by the user.

    Returns
    -------
    list of imgaug augmenters
        In the order in which they are applied; none for None.
    """
    if ops is None:
        return []
    augmenters = list(ops) if isinstance(ops, (list, tuple)) else [ops]
    for augmenter in augmenters:
        if not isinstance(augmenter, iaa.Augmenter):
            raise ValueError(
                f"ops holds {augmenter!r}; it may hold imgaug augmenters, such as "
                "iaa.MotionBlur(5), or be None."
            )
        for child in [augmenter, *augmenter.get_all_children(flat=True)]:
            if isinstance(child, (iaa.Fliplr, iaa.Flipud)):
                raise ValueError(
                    f"ops holds {type(child).__name__}, which mirrors faces without swapping "
                    "their left and right keypoints: use flip= instead."
                )
    return augmenters


def apply_ranges(
    images: Array,
    points: FloatArray,
    *,
    ranges: dict[str, Range],
    flip: float,
    permutation: Any,
    border: float | str,
    ops: list[Any],
    rng: np.random.Generator,
) -> tuple[Array, FloatArray, BoolArray]:
    """Draw and apply an augmentation by imgaug.

    Parameters
    ----------
    images : ndarray of shape (n, height, width, channels), uint8 or float32 in 0..255
        Not changed.
    points : ndarray of shape (n, k, 2)
        Pixels; NaN stays NaN. Not changed.
    ranges : dict of str to (float, float)
        From :func:`sklearn_kpd.augment.ranges.resolve_ranges`.
    flip : float
        Probability of a flip.
    permutation : ndarray of shape (k,), int, or None
        Needed where `flip` is not 0.
    border : {"replicate", "reflect"} or float
        What lies beyond the frame: the edge, the mirrored image, or a grey level in 0..255.
    ops : list of imgaug augmenters
        Applied last.
    rng : numpy.random.Generator
        Source of the numbers.

    Returns
    -------
    images : ndarray of the same shape and dtype
        Moved and disturbed.
    points : ndarray of shape (n, k, 2)
        Moved likewise; pixels.
    flipped : ndarray of shape (n,), bool
        Which of them are mirror images.
    """
    flipped = rng.random(len(images)) < flip
    if flipped.any():
        mirrored, _ = _augment(iaa.Fliplr(1.0), images[flipped], points[:0], rng)
        images = images.copy()
        images[flipped] = mirrored
        points = points.copy()
        points[flipped] = mirror(points[flipped], images.shape[2], permutation)
    images, points = _fused({"crop", "aspect"}, ranges, images, points, border, rng)
    images, points = _augment(_affine(ranges, images.shape, border), images, points, rng)
    images, points = _fused({"perspective", "elastic"}, ranges, images, points, border, rng)
    images, points = _augment(_blur(ranges), images, points, rng)
    images, points = _fused({"patches", "gamma", "shadow"}, ranges, images, points, border, rng)
    images, points = _augment(_grey_steps(ranges, images.dtype), images, points, rng)
    images, points = _fused({"cutout"}, ranges, images, points, border, rng)
    # An augmenter of the user's is copied, as it is seeded here and may serve other threads.
    images, points = _augment(iaa.Sequential(copy.deepcopy(ops)), images, points, rng)
    if images.dtype != np.uint8:
        images = np.clip(images, 0, 255)
    return images, points, flipped


def _fused(
    names: set[str],
    ranges: dict[str, Range],
    images: Array,
    points: FloatArray,
    border: float | str,
    rng: np.random.Generator,
) -> tuple[Array, FloatArray]:
    """Do what imgaug does wrong, as the fused engine does it."""
    chosen = {name: ranges[name] for name in ranges.keys() & names}
    if not chosen:
        return images, points
    numbers = draw(chosen, 0.0, len(images), images.shape[1:3], rng)
    return fused.apply_draw(images, points, numbers, None, border)


def _affine(ranges: dict[str, Range], shape: tuple[int, ...], border: float | str) -> Any:
    fill: dict[str, Any] = (
        {"mode": _BORDERS[border]}
        if isinstance(border, str)
        else {"mode": "constant", "cval": border}
    )
    affine: dict[str, Any] = {}
    if "rotation" in ranges:
        affine["rotate"] = ranges["rotation"]
    if "scale" in ranges:
        affine["scale"] = ranges["scale"]
    if "shear" in ranges:
        affine["shear"] = {"x": ranges["shear"]}
    if "translation" in ranges:
        # imgaug draws whole pixels for translate_px; shares of the side are continuous
        low, high = ranges["translation"]
        affine["translate_percent"] = {
            "x": (low / shape[2], high / shape[2]),
            "y": (low / shape[1], high / shape[1]),
        }
    return iaa.Sequential([iaa.Affine(backend="cv2", **affine, **fill)] if affine else [])


def _blur(ranges: dict[str, Range]) -> Any:
    return iaa.Sequential([iaa.GaussianBlur(sigma=ranges["blur"])] if "blur" in ranges else [])


def _grey_steps(ranges: dict[str, Range], dtype: Any) -> Any:
    steps: list[Any] = []
    if "contrast" in ranges:
        if dtype == np.uint8:
            steps.append(iaa.LinearContrast(ranges["contrast"]))
        else:
            steps += [iaa.Add(-MID_GREY), iaa.Multiply(ranges["contrast"]), iaa.Add(MID_GREY)]
    if "brightness" in ranges:
        low, high = ranges["brightness"]
        # a bare pair would be drawn as whole numbers
        steps.append(iaa.Add(iap.Uniform(255 * low, 255 * high)))
    if "noise" in ranges:
        low, high = ranges["noise"]
        steps.append(iaa.AdditiveGaussianNoise(scale=(255 * low, 255 * high), per_channel=True))
    return iaa.Sequential(steps)


def _augment(
    augmenter: Any, images: Array, points: FloatArray, rng: np.random.Generator
) -> tuple[Array, FloatArray]:
    """Run one augmenter on images and keypoints with numbers from `rng`."""
    if isinstance(augmenter, iaa.Sequential) and not len(augmenter):
        return images, points
    augmenter.seed_(int(rng.integers(2**31)))  # else the children of a Sequential go unseeded
    if not len(points):
        return augmenter(images=images), points
    on_images = [
        KeypointsOnImage([Keypoint(x, y) for x, y in to_corner(p)], shape=image.shape)
        for p, image in zip(points, images, strict=True)
    ]
    moved_images, moved = augmenter(images=images, keypoints=on_images)
    moved_points = from_corner(np.array([k.to_xy_array() for k in moved], dtype=np.float64))
    # Some augmenters turn NaN into numbers.
    return np.asarray(moved_images), np.where(np.isnan(points), np.nan, moved_points)
