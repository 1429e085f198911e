"""Photographs from files, as a viewer shows them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from sklearn_kpd._common.files import open_regular
from sklearn_kpd._common.opencv import cv2
from sklearn_kpd.exceptions import PhotographError
from sklearn_kpd.images import Array
from sklearn_kpd.keypoints import FloatArray
from sklearn_kpd.photographs.video import Frame, VideoReader

#: Colours of a crop, as Pillow calls them, and their channels.
COLORS = {"gray": ("L", 1), "rgb": ("RGB", 3)}

# MPO is what telephones write: a JPEG with more pictures behind it.
_JPEG_FORMATS = ("JPEG", "MPO")
# What JPEG can leave out while it is decoded.
_JPEG_REDUCTIONS = (8, 4, 2)
_TIFF_SIZE = (ExifTags.Base.ImageWidth, ExifTags.Base.ImageLength)
# EXIF orientations that swap height and width.
_TURNED = (5, 6, 7, 8)


def photograph_size(path: Any) -> tuple[int, int]:
    """Height and width of a photograph as a viewer shows it, from its first bytes.

    Raises
    ------
    PhotographError
        If the file is not there, or is no photograph.
    """
    with _opened(path) as image:
        width, height = image.size
        if image.format == "TIFF":  # some versions of Pillow have turned the size already
            width, height = (image.tag_v2[tag] for tag in _TIFF_SIZE)
        turned = image.getexif().get(ExifTags.Base.Orientation) in _TURNED
    return (width, height) if turned else (height, width)


def read_photograph(path: Any, color: str, largest_reduction: int = 1) -> tuple[Array, int]:
    """Pixels of a photograph as a viewer shows it.

    Parameters
    ----------
    path : str or PathLike
        JPEG, PNG, TIFF, WebP or another format that Pillow reads. Transparency is left out; 16
        bits become 8.
    color : {"gray", "rgb"}
        What to make of its colours.
    largest_reduction : int, default=1
        A JPEG may be decoded at a half, a quarter or an eighth of its size, but not at less than
        one part of this many.

    Returns
    -------
    pixels : ndarray of shape (height, width, channels), uint8
        As a viewer shows the photograph, reduced.
    factor : int
        By which it is reduced: pixel i of the result is made of the pixels from i * factor on.

    Raises
    ------
    PhotographError
        If the file is not there, is damaged, or is no photograph.
    """
    mode, n_channels = COLORS[color]
    with _opened(path) as image:
        factor = 1
        if image.format in _JPEG_FORMATS:
            factor = _draft(image, mode, largest_reduction)
        turned = ImageOps.exif_transpose(image)
        pixels = np.asarray(_in_mode(turned, mode))
    return pixels.reshape(*pixels.shape[:2], n_channels), factor


def read_reduced(
    source: Any, color: str, longest: int, videos: dict[Any, VideoReader] | None = None
) -> tuple[Array, FloatArray]:
    """Photograph whose longer side has at most so many pixels; smaller ones stay as they are.

    Parameters
    ----------
    source : str, PathLike, Frame or ndarray
        The photograph.
    color : {"gray", "rgb"}
        What to make of its colours.
    longest : int
        Pixels.
    videos : dict, optional
        Keeps readers of videos, so that frames in order are decoded once.

    Returns
    -------
    pixels : ndarray of shape (height, width, channels), uint8
        The photograph.
    scale : ndarray of shape (2,)
        How many pixels of the photograph one of these is wide and high.
    """
    factor = 1
    if isinstance(source, Frame):
        videos = {} if videos is None else videos
        reader = videos.setdefault(source.path, VideoReader(source.path))
        pixels = in_color(reader.read(source.number), color)
    elif isinstance(source, np.ndarray):
        pixels = in_color(source, color)
    else:
        largest = max(1, max(photograph_size(source)) // longest)
        pixels, factor = read_photograph(source, color, largest)
    read = np.array(pixels.shape[1::-1])
    width, height = np.maximum(1, np.round(read * min(1, longest / read.max()))).astype(int)
    small = cv2.resize(pixels, (int(width), int(height)), interpolation=cv2.INTER_AREA)
    return small.reshape(height, width, -1), factor * read / (width, height)


def in_color(pixels: Array, color: str) -> Array:
    """Give an array of pixels the channels of a colour.

    Parameters
    ----------
    pixels : ndarray of shape (height, width) or (height, width, 1, 3 or 4), uint8
        A fourth channel, transparency, is left out.
    color : {"gray", "rgb"}
        Grey is the luma of ITU-R BT.601, as in Pillow.

    Returns
    -------
    ndarray of shape (height, width, 1 or 3), uint8
        Grey levels or colours.
    """
    pixels = pixels.reshape(*pixels.shape[:2], -1)[..., :3]
    if color == "gray":
        if pixels.shape[2] == 1:
            return pixels
        luma = pixels.astype(np.uint32) @ np.array([19595, 38470, 7471], np.uint32) + 0x8000
        return (luma >> 16).astype(np.uint8)[..., np.newaxis]
    return np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels


def _draft(image: Any, mode: str, largest_reduction: int) -> int:
    """Have a JPEG decoded at a fraction of its size, and tell which."""
    width, height = image.size
    upright = image.getexif().get(ExifTags.Base.Orientation, 1) == 1
    for factor in _JPEG_REDUCTIONS:
        # the last pixel is made of what is left, and must not come first when it is turned
        whole = upright or (width % factor == 0 and height % factor == 0)
        if whole and factor <= min(largest_reduction, width, height):
            image.draft(mode, (width // factor, height // factor))
            break
    return next(f for f in (1, 2, 4, 8) if image.size == (-(-width // f), -(-height // f)))


def _in_mode(image: Any, mode: str) -> Any:
    if image.mode.startswith("I"):  # 16 bits, or 32 that hold them
        levels = np.asarray(image, dtype=np.int64)
        if levels.size and (levels.min() < 0 or levels.max() > 65535):
            raise ValueError(f"its pixels reach from {levels.min()} to {levels.max()}")
        image = Image.fromarray(np.round(levels / 257).astype(np.uint8))
    elif image.mode == "F":
        raise ValueError("its pixels are floats: save it with 8 or 16 bits")
    elif image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")  # as Pillow asks, with a warning
    return image.convert(mode)


@contextmanager
def _opened(path: Any) -> Iterator[Any]:
    """Open a file; whatever goes wrong with it becomes an error that names it."""
    try:
        # not by its name, with which Pillow 13 maps grey TIFFs that are turned to garbage
        with open_regular(path) as file, Image.open(file) as image:
            yield image
    except FileNotFoundError as error:
        raise PhotographError(f"{path}: no such file.") from error
    except UnidentifiedImageError as error:
        raise PhotographError(f"{path}: no photograph that can be read.") from error
    except Exception as error:  # a damaged file makes Pillow raise nearly anything
        raise PhotographError(
            f"{path}: cannot be read: {type(error).__name__}: {str(error)[:200]}."
        ) from error
