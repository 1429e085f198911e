"""OpenCV, or an error that says what to do on a machine without a screen."""

import os
from typing import Any

try:
    import cv2
except ImportError as error:
    if "lib" not in str(error):
        raise
    raise ImportError(
        f"OpenCV could not be loaded ({error}). On a machine without a screen, install the "
        "build that needs none: pip uninstall -y opencv-python; pip install "
        "--force-reinstall opencv-python-headless"
    ) from error

__all__ = ["cv2", "file_name"]


def file_name(path: str | os.PathLike[str]) -> Any:
    """Name of a file as OpenCV takes it: text that is no UTF-8 ends the process, bytes do not.

    Examples
    --------
    >>> from sklearn_kpd._common.opencv import file_name
    >>> file_name("video.mp4")
    'video.mp4'
    """
    name = os.fspath(path)
    try:
        name.encode()
    except UnicodeEncodeError:
        return os.fsencode(name)  # of which its types know nothing
    return name
