"""The fast engine: one warp by OpenCV an image, one pass for its grey levels.

Everything works on the pixels as they lie in memory, uint8 or float32 in 0..255, and OpenCV
lets go of Python's lock, so that it runs beside training.
"""

from functools import lru_cache
from typing import Any

import numpy as np

from sklearn_kpd._common.opencv import cv2
from sklearn_kpd.augment.draw import Draw, move_points
from sklearn_kpd.images import Array
from sklearn_kpd.keypoints import FloatArray, IntArray

Border = str | float

_BORDERS = {"replicate": cv2.BORDER_REPLICATE, "reflect": cv2.BORDER_REFLECT_101}

# The bank holds noise of standard deviation _BANK_STD about _BANK_MEAN in uint8: fine steps
# for any noise that a face survives, and four standard deviations before it is cut.
_BANK_SIZE = 1 << 20
_BANK_MEAN, _BANK_STD = 128.0, 31.0


def apply_draw(
    images: Array,
    points: FloatArray,
    draw: Draw,
    permutation: IntArray | None,
    border: Border,
) -> tuple[Array, FloatArray]:
    """Apply drawn numbers to a batch of images and their keypoints.

    Parameters
    ----------
    images : ndarray of shape (n, height, width, channels), uint8 or float32 in 0..255
        Not changed.
    points : ndarray of shape (n, k, 2)
        Pixels; NaN stays NaN. Not changed.
    draw : Draw
        One row an image.
    permutation : ndarray of shape (k,), int, or None
        From :func:`sklearn_kpd.keypoints.flip_permutation`; needed where an image is flipped.
    border : {"replicate", "reflect"} or float
        What lies beyond the frame: the edge, the mirrored image, or a grey level in 0..255.

    Returns
    -------
    images : ndarray of the same shape and dtype
        Moved and disturbed.
    points : ndarray of shape (n, k, 2)
        Moved likewise; pixels.
    """
    points = move_labels(points, draw, permutation)
    images = warp(images, draw.matrices, border)
    if draw.displacements is not None:
        images, points = displace(images, points, draw.displacements, border)
    images = blur(images, draw.blur)
    images = show_patches(images, draw.patches)
    images = change_light(images, draw.gamma, draw.shadow)
    images = change_grey_levels(images, draw.gain, draw.offset, draw.noise, draw.noise_start)
    return cut_out(images, draw.cutout), points


def move_labels(points: FloatArray, draw: Draw, permutation: IntArray | None) -> FloatArray:
    """Send keypoints through the matrices of a draw, and swap left and right where mirrored."""
    if draw.matrices is None:
        return points
    moved = move_points(points, draw.matrices)
    if draw.flipped.any():
        moved[draw.flipped] = moved[draw.flipped][:, permutation]
    return moved


def warp(images: Array, matrices: FloatArray | None, border: Border) -> Array:
    """One warp an image, bilinear.

    A flip alone is exact: there every new pixel falls on an old one.

    Parameters
    ----------
    images : ndarray of shape (n, height, width, channels)
        Not changed.
    matrices : ndarray of shape (n, 3, 3), or None
        From old pixels to new ones.
    border : {"replicate", "reflect"} or float
        What lies beyond the frame.

    Returns
    -------
    ndarray of the same shape and dtype
        Moved.
    """
    if hasattr(images, "warped"):  # pieces of photographs: one warp for crop and augmentation
        return images.warped(matrices)
    if matrices is None:
        return images
    flat = _drop_single_channel(images)
    warped = np.empty_like(flat)
    size = flat.shape[2], flat.shape[1]
    options = _border_options(border)
    if (matrices[:, 2, :2] == 0).all():
        for image, matrix, target in zip(flat, matrices[:, :2], warped, strict=True):
            cv2.warpAffine(image, matrix, size, target, **options)
    else:
        for image, matrix, target in zip(flat, matrices, warped, strict=True):
            cv2.warpPerspective(image, matrix, size, target, **options)
    return warped.reshape(images.shape)


def displace(
    images: Array, points: FloatArray, displacements: FloatArray, border: Border
) -> tuple[Array, FloatArray]:
    """Elastic deformation: every new pixel is fetched from a place nearby.

    Simard, Steinkraus and Platt, Best Practices for Convolutional Neural Networks, ICDAR 2003,
    with the random field a cubic B-spline with random control points: no displacement is
    larger than the largest of those.

    Parameters
    ----------
    images : ndarray of shape (n, height, width, channels)
        Not changed.
    points : ndarray of shape (n, k, 2)
        Pixels; NaN stays NaN.
    displacements : ndarray of shape (n, 2, g, g)
        In x and in y, pixels, at the control points.
    border : {"replicate", "reflect"} or float
        What lies beyond the frame.

    Returns
    -------
    images : ndarray of the same shape and dtype
        Deformed.
    points : ndarray of shape (n, k, 2)
        Moved likewise; pixels.
    """
    flat = _drop_single_channel(images)
    warped = np.empty_like(flat)
    height, width = flat.shape[1:3]
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    options = _border_options(border)
    options["interpolation"] = options.pop("flags")
    n_control = displacements.shape[-1]
    rows, columns = spline_basis(height, n_control), spline_basis(width, n_control)
    fields = rows @ displacements.astype(np.float32) @ columns.T
    for image, field, target in zip(flat, fields, warped, strict=True):
        cv2.remap(image, x + field[0], y + field[1], dst=target, **options)
    return warped.reshape(images.shape), _fetched_from(points, displacements, (height, width))


@lru_cache(maxsize=8)
def spline_basis(n_pixels: int, n_control: int) -> FloatArray:
    """Weights of the control points of a uniform cubic B-spline at each pixel.

    Parameters
    ----------
    n_pixels : int
        Pixels along the side; their outer edges are the ends of the spline.
    n_control : int
        Control points, three more than intervals.

    Returns
    -------
    ndarray of shape (n_pixels, n_control), float32
        Rows sum to 1.
    """
    basis = _spline_weights(np.arange(n_pixels, dtype=float), n_pixels, n_control).astype(
        np.float32
    )
    basis.setflags(write=False)
    return basis


def _spline_weights(places: FloatArray, n_pixels: int, n_control: int) -> FloatArray:
    """Weights of the control points at places along a side, in pixels: (..., n_control).

    Beyond the ends they are those of the end. De Boor, A Practical Guide to Splines, 1978: the
    pieces of the uniform cubic B-spline.
    """
    n_intervals = n_control - 3
    place = np.clip((places + 0.5) / n_pixels, 0, 1) * n_intervals
    distance = np.abs(place[..., np.newaxis] - np.arange(-1, n_control - 1))
    near = 2 / 3 - distance**2 * (1 - distance / 2)
    return np.where(distance < 1, near, np.clip(2 - distance, 0, None) ** 3 / 6)


def _fetched_from(
    points: FloatArray, displacements: FloatArray, image_size: tuple[int, int]
) -> FloatArray:
    """Where points go when the pixel at p is fetched from p + field(p): solve p + field(p) = q.

    The field changes by less than half a pixel from one pixel to the next, so the fixed point of
    p = q - field(p) exists, and each step halves the distance to it.
    """
    n_control = displacements.shape[-1]
    labelled = ~np.isnan(points).any(axis=2, keepdims=True)
    target = np.where(labelled, points, 0.0)
    place = target
    for _ in range(20):
        along_y = _spline_weights(place[..., 1], image_size[0], n_control)
        along_x = _spline_weights(place[..., 0], image_size[1], n_control)
        field = (along_y[:, np.newaxis] @ displacements * along_x[:, np.newaxis]).sum(axis=-1)
        place = target - field.swapaxes(1, 2)
    return np.where(labelled, place, np.nan)


def blur(images: Array, sigma: FloatArray | None) -> Array:
    """Gaussian blur with one standard deviation, in pixels, an image.

    The kernel is as wide as imgaug's, so that both engines blur alike.
    """
    if sigma is None:
        return images
    flat = _drop_single_channel(images)
    blurred = np.empty_like(flat)
    for image, deviation, target in zip(flat, sigma, blurred, strict=True):
        if deviation > 1e-3:
            side = max(
                int((3.3 if deviation < 3 else 2.9 if deviation < 5 else 2.6) * deviation), 5
            )
            kernel = (side | 1, side | 1)
            cv2.GaussianBlur(image, kernel, deviation, target, borderType=cv2.BORDER_REFLECT_101)
        else:
            target[...] = image
    return blurred.reshape(images.shape)


def show_patches(images: Array, boxes: IntArray | None) -> Array:
    """Show an image of the batch's other half in one box an image; keypoints under it stay.

    Yun et al., CutMix, ICCV 2019, without its mixed labels: what covers a face is as rich as one.
    Neighbours in a batch may be one row drawn twice, or frames of one video.
    """
    if boxes is None:
        return images
    patched = images.copy()
    others = np.roll(images, len(images) // 2, axis=0)
    for image, other, (x0, y0, x1, y1) in zip(patched, others, boxes, strict=True):
        image[y0:y1, x0:x1] = other[y0:y1, x0:x1]
    return patched


def change_light(images: Array, gamma: FloatArray | None, shadow: FloatArray | None) -> Array:
    """Gamma, and more light on one side of a soft edge than on the other.

    Parameters
    ----------
    images : ndarray of shape (n, height, width, channels)
        Not changed.
    gamma : ndarray of shape (n,), or None
        Grey levels become ``255 * (grey / 255) ** gamma``.
    shadow : ndarray of shape (n, 3), or None
        From :class:`sklearn_kpd.augment.draw.Draw`.

    Returns
    -------
    ndarray of the same shape and dtype
        In another light.
    """
    if gamma is None and shadow is None:
        return images
    lit = _drop_single_channel(images)
    if gamma is not None:
        if lit.dtype == np.uint8:
            levels = np.linspace(0, 1, 256)
            tables = np.round(255 * levels ** gamma[:, np.newaxis]).astype(np.uint8)
            lit = np.stack(
                [cv2.LUT(image, table) for image, table in zip(lit, tables, strict=True)]
            )
        else:
            exponents = gamma.reshape(-1, *[1] * (lit.ndim - 1))
            lit = (255 * (np.clip(lit, 0, 255) / 255) ** exponents).astype(lit.dtype)
    if shadow is not None:
        lit = np.stack([_lit(image, *numbers) for image, numbers in zip(lit, shadow, strict=True)])
    return lit.reshape(images.shape)


def _lit(image: Array, share: float, direction: float, distance: float) -> Array:
    """Make an image brighter on one side of an edge, darker on the other."""
    height, width = image.shape[:2]
    side = max(height, width) / 2
    x = (np.arange(width, dtype=np.float32) - (width - 1) / 2) / side
    y = (np.arange(height, dtype=np.float32)[:, np.newaxis] - (height - 1) / 2) / side
    across = x * np.float32(np.cos(direction)) + y * np.float32(np.sin(direction))
    light = 1 + np.float32(share) * np.tanh(3 * (across - np.float32(distance)))
    if image.ndim == 3:
        light = light[..., np.newaxis]
    lit = np.clip(image * light, 0, 255)
    return (np.round(lit) if image.dtype == np.uint8 else lit).astype(image.dtype)


def change_grey_levels(
    images: Array,
    gain: FloatArray | None,
    offset: FloatArray | None,
    noise: FloatArray | None,
    noise_start: FloatArray,
) -> Array:
    """Contrast, brightness and noise in one multiply-add, cut to 0..255.

    Parameters
    ----------
    images : ndarray of shape (n, height, width, channels)
        Not changed.
    gain, offset : ndarray of shape (n,), or None
        Grey levels become ``gain * grey + offset``.
    noise : ndarray of shape (n,), or None
        Standard deviation in grey levels.
    noise_start : ndarray of shape (n,)
        Where to cut the bank of noise, 0..1.

    Returns
    -------
    ndarray of the same shape and dtype
        Brighter or darker, with more contrast or less, and with noise.
    """
    if gain is None and offset is None and noise is None:
        return images
    n_images = len(images)
    flat = images.reshape(n_images, images.shape[1], -1)
    changed = np.empty_like(flat)
    gains = np.ones(n_images) if gain is None else gain
    offsets = np.zeros(n_images) if offset is None else offset
    if noise is None:
        for image, a, b, target in zip(
            flat, gains.tolist(), offsets.tolist(), changed, strict=True
        ):
            cv2.addWeighted(image, a, image, 0.0, b, target)
    else:
        size = flat[0].size
        bank = noise_bank(max(_BANK_SIZE, 4 * size), flat.dtype.str)
        starts = (noise_start * (len(bank) - size)).astype(int).tolist()
        levels = noise / _BANK_STD
        offsets = offsets - _BANK_MEAN * levels
        for image, a, b, level, start, target in zip(
            flat, gains.tolist(), offsets.tolist(), levels.tolist(), starts, changed, strict=True
        ):
            cut = bank[start : start + size].reshape(image.shape)
            cv2.addWeighted(image, a, cut, level, b, target)
    if changed.dtype != np.uint8:  # OpenCV saturates uint8 itself
        np.clip(changed, 0, 255, out=changed)
    return changed.reshape(images.shape)


@lru_cache(maxsize=4)
def noise_bank(size: int, dtype: str) -> Array:
    """Normal noise of standard deviation 31 about 128, the same in every process."""
    noise = np.random.default_rng(0).standard_normal(size, dtype=np.float32)
    levels = _BANK_MEAN + _BANK_STD * noise
    if dtype == np.dtype(np.uint8).str:
        levels = np.clip(np.round(levels), 0, 255)
    bank = levels.astype(dtype)
    bank.setflags(write=False)
    return bank


def cut_out(images: Array, boxes: IntArray | None) -> Array:
    """Fill one box an image with mid-grey; keypoints under it stay."""
    if boxes is None:
        return images
    images = images.copy()
    for image, (x0, y0, x1, y1) in zip(images, boxes, strict=True):
        image[y0:y1, x0:x1] = 128
    return images


def _drop_single_channel(images: Array) -> Array:
    """OpenCV takes grey images without a channel axis."""
    images = np.ascontiguousarray(images)
    return images[..., 0] if images.shape[-1] == 1 else images


def _border_options(border: Border) -> dict[str, Any]:
    options: dict[str, Any] = {"flags": cv2.INTER_LINEAR}
    if isinstance(border, str):
        return {**options, "borderMode": _BORDERS[border]}
    return {**options, "borderMode": cv2.BORDER_CONSTANT, "borderValue": (float(border),) * 4}
