"""Labels that look wrong: in other units than pixels of the images, or not there at all."""

import warnings

import numpy as np

from sklearn_kpd.keypoints import FloatArray, out_of_frame

# Boxes that detectors put around faces leave 6 % of the points outside. Labels of images 1.5
# times as large have 30 to 45 % there, and in other units still more.
_LARGEST_SHARE_OUTSIDE = 0.1
# Of points that are shares of the image a few may lie beyond it.
_SHARE_WITHIN_UNITS = 0.99
# A point of a keypoint that is exactly there once is chance, in one row of fifty it is a code.
_SMALLEST_SHARE_OF_A_CODE = 0.02
_FEWEST_OF_A_CODE = 3
# A table of a few numbers is taken for an image too, and its y may be any numbers.
_SMALLEST_SIDE = 16
_CODES = ((0.0, 0.0), (-1.0, -1.0))
# A shift is told where it is a quarter of a pixel in most rows, four standard errors from none on
# average, and where what is left of the points' places is too little to be a lack of training.
_SMALLEST_SHIFT = 0.25
_STANDARD_ERRORS = 4
_EXPLAINED = 0.9
_FEWEST_ROWS = 20


def warn_of_suspicious_labels(values: FloatArray, image_size: tuple[int, int]) -> None:
    """Warn of labels that are likely in other units, or that stand for missing ones.

    Parameters
    ----------
    values : ndarray of shape (n, n_outputs)
        What should be pixels, NaN where not labelled. Single coordinates are not looked at.
    image_size : (int, int)
        Height and width. Images below 16 pixels are not looked at.

    Warns
    -----
    UserWarning
        If labels are shares of the image, if many lie outside of it, or if many are exactly
        (0, 0) or (-1, -1).

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_kpd._common.label_checks import warn_of_suspicious_labels
    >>> warn_of_suspicious_labels(np.array([[48.0, 57.0]]), (96, 96))
    """
    if values.shape[1] % 2 or max(image_size) < _SMALLEST_SIDE:
        return
    points = values.reshape(len(values), values.shape[1] // 2, 2)
    labelled = np.logical_not(np.isnan(points).any(axis=-1))
    if not labelled.any():
        return
    # What stands for missing labels says nothing about the units of the others.
    codes = _coded(points, labelled)
    message = _about_units(points[labelled & ~codes], image_size)
    for text in (message, _about_codes(points, labelled, codes)):
        if text is not None:
            # seen from where `fit` was called
            warnings.warn(text, UserWarning, stacklevel=5)


def warn_of_shifted_labels(values: FloatArray, found: FloatArray, *, learnt: bool = False) -> None:
    """Warn of labels that all lie to one side of what a network finds that saw mirrored copies.

    Where half of the images were mirrored, a shift of all labels to the right is one to the left
    as often, and the network learns neither: it finds the points between.

    Parameters
    ----------
    values : ndarray of shape (n, 2 * k)
        Labels of rows that were not trained on, in pixels, NaN where not labelled.
    found : ndarray of shape (n, 2 * k)
        What the network finds in them.
    learnt : bool, default=False
        Whether outputs of their own for mirror images have learnt the shift.

    Warns
    -----
    UserWarning
        If most rows' mean shifts are a quarter of a pixel or more, and that is no chance.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_kpd._common.label_checks import warn_of_shifted_labels
    >>> x = np.linspace(20, 70, 50)
    >>> warn_of_shifted_labels(np.stack([x, x], axis=1), np.stack([x, x - 1], axis=1))
    """
    off = (values - found)[:, ::2]
    labelled = ~np.isnan(off)
    rows = labelled.any(axis=1)
    if rows.sum() < _FEWEST_ROWS:
        return
    columns = labelled.any(axis=0)
    x = np.where(labelled, values[:, ::2], np.nan)[:, columns]
    if np.nanvar(off) > (1 - _EXPLAINED) * np.nanmean(np.nanvar(x, axis=0)):
        return
    shifts = np.nanmean(off[rows], axis=1)
    shift, error = float(np.median(shifts)), shifts.std() / np.sqrt(len(shifts))
    if abs(shift) < _SMALLEST_SHIFT or abs(shifts.mean()) < _STANDARD_ERRORS * error:
        return
    side = "right" if shift > 0 else "left"
    advice = (
        "With mirrored_outputs=True predictions lie there too."
        if learnt
        else "If they are right where they are, set mirrored_outputs=True."
    )
    warnings.warn(
        f"The labels of the validation rows lie {abs(shift):.2f} pixels to the {side} of what is "
        "found in images and their mirror images, on average of all keypoints. So labels and "
        "images do not fit together, and up or down they may be as far off unseen. y counts from "
        "the centre of the first pixel of the images in X: take 1 off labels that count from 1, "
        "in pixels of the image that they were set in, and resize labels that are of images of "
        f"another size. {advice}",
        UserWarning,
        stacklevel=5,  # seen from where `fit` was called
    )


def _about_units(points: FloatArray, image_size: tuple[int, int]) -> str | None:
    """Say what is odd about labelled points, (m, 2), where something is."""
    height, width = image_size
    if not len(points):
        return None
    if (np.abs(points) <= 1).all(axis=-1).mean() >= _SHARE_WITHIN_UNITS:
        return (
            f"The labels lie between {points.min():.3g} and {points.max():.3g}, as if they were "
            f"shares of the image, which has {width} x {height} pixels (width x height): y has to "
            f"be pixels, such as y * {width} for shares of the width."
        )
    share = out_of_frame(points, image_size).mean()
    if share > _LARGEST_SHARE_OUTSIDE:
        low, high = points.min(axis=0), points.max(axis=0)
        return (
            f"{100 * share:.0f} % of the labelled points lie outside the images of {width} x "
            f"{height} pixels (width x height): x goes from {low[0]:.4g} to {high[0]:.4g}, y from "
            f"{low[1]:.4g} to {high[1]:.4g}. y has to be pixels of X as it comes here. If X was "
            "resized, resize y too; if X is (n, channels, height, width), move the channels last: "
            "np.moveaxis(X, 1, -1)."
        )
    return None


def _about_codes(points: FloatArray, labelled: np.ndarray, codes: np.ndarray) -> str | None:
    """Say how many points are codes for 'not labelled', where some are."""
    if not codes.any():
        return None
    x, y = points[codes][0]
    return (
        f"{int(codes.sum())} of {int(labelled.sum())} labelled points are exactly ({x:g}, {y:g}). "
        "If that stands for 'not labelled', set them to NaN: they are trained on as points."
    )


def _coded(points: FloatArray, labelled: np.ndarray) -> np.ndarray:
    """Which points, (n, k), are one of the usual codes for 'not labelled'."""
    found = np.zeros(labelled.shape, dtype=bool)
    counts = np.maximum(labelled.sum(axis=0), 1)
    for code in _CODES:
        here = (points == code).all(axis=-1)
        share = (here.sum(axis=0) / counts).max()
        if here.sum() >= _FEWEST_OF_A_CODE and share >= _SMALLEST_SHARE_OF_A_CODE:
            found |= here
    return found
