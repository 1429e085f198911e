"""What a notebook shows of images on their way through a Pipeline."""

import base64
import io
from collections.abc import Iterable
from html import escape
from typing import Any

import numpy as np
from PIL import Image

from sklearn_kpd.images import Array, DeferredImages, as_images, grey_level_gain, to_grey_levels

#: As many images are shown, and no others read.
N_SHOWN = 6
_LARGEST = 96
_GREY, _COLOURS = 1, (3, 4)


def gallery(title: str, images: Any, facts: Iterable[str] = ()) -> str | None:
    """A line of text, facts, and the first images as small pictures.

    Parameters
    ----------
    title : str
        Plain text, as all that follows.
    images : array-like
        Of any form; at most `N_SHOWN` are read.
    facts : iterable of str, optional
        One a line.

    Returns
    -------
    str, or None
        HTML; None where the images cannot be shown, for which notebooks take the text.
    """
    try:
        shown = _first(images)
    except (ValueError, TypeError, OSError):
        return None
    height, width, channels = shown.shape[1:]
    if channels not in (_GREY, *_COLOURS):
        return None
    lines = [f"<b>{escape(title)}</b>", f"{height} × {width} pixels, {channels} channel(s)"]
    lines += [escape(fact) for fact in facts]
    pictures = " ".join(f'<img src="data:image/png;base64,{_png(image)}">' for image in shown)
    return f"<div>{'<br>'.join(lines)}<br>{pictures}</div>"


def _first(images: Any) -> Array:
    """The first images, uint8."""
    first = images.head(N_SHOWN) if hasattr(images, "head") else images[:N_SHOWN]
    if isinstance(first, DeferredImages):
        return first[:]  # type: ignore[index]
    pixels = as_images(first)
    levels = to_grey_levels(pixels, grey_level_gain(pixels))
    return np.clip(np.round(levels), 0, 255).astype(np.uint8)


def _png(image: Array) -> str:
    """A thumbnail as base64."""
    picture = Image.fromarray(image[..., 0] if image.shape[-1] == _GREY else image)
    picture.thumbnail((_LARGEST, _LARGEST))
    buffer = io.BytesIO()
    picture.save(buffer, format="png")
    return base64.b64encode(buffer.getvalue()).decode()
