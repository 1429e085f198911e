"""OpenCV, or an error that says what to do on a machine without a screen."""

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

__all__ = ["cv2"]
