"""Magnitudes of the operations: what a number or a pair means, and how strength scales them."""

from numbers import Real
from typing import Any, NamedTuple

Range = tuple[float, float]
#: A number m, or the lowest and the highest value.
Magnitude = float | tuple[float, float]


class Operation(NamedTuple):
    """How to read the magnitude of one operation.

    Attributes
    ----------
    neutral : float
        Value that changes nothing.
    symmetric : bool
        Whether a number m means ``neutral - m`` to ``neutral + m``, or 0 to m.
    low, high : float
        Limits of the values.
    what : str
        What the values are, for errors.
    """

    neutral: float
    symmetric: bool
    low: float
    high: float
    what: str


#: Every operation but the flip, which has a probability and no magnitude.
OPERATIONS = {
    "rotation": Operation(0, True, -360, 360, "degrees"),
    "scale": Operation(1, True, 0.05, 20, "factors"),
    "translation": Operation(0, True, -1e6, 1e6, "pixels"),
    "aspect": Operation(1, True, 0.05, 20, "widths over heights"),
    "shear": Operation(0, True, -80, 80, "degrees"),
    "crop": Operation(0, False, 0, 0.45, "shares of the image's side"),
    "perspective": Operation(0, False, 0, 0.3, "shares of the image's side"),
    "elastic": Operation(0, False, 0, 1e6, "pixels"),
    "blur": Operation(0, False, 0, 100, "pixels"),
    "brightness": Operation(0, True, -1, 1, "shares of the grey scale"),
    "contrast": Operation(1, True, 0, 100, "factors"),
    "gamma": Operation(1, True, 0.01, 100, "exponents"),
    "shadow": Operation(0, False, 0, 1, "shares of the light"),
    "noise": Operation(0, False, 0, 1, "shares of the grey scale"),
    "cutout": Operation(0, False, 0, 1, "shares of the image's side"),
    "patches": Operation(0, False, 0, 1, "shares of the image's side"),
}

#: Operations that move keypoints; the others change pixels alone.
GEOMETRY = (
    "rotation", "scale", "aspect", "translation", "shear", "crop", "flip", "perspective",
    "elastic",
)  # fmt: skip


def resolve_ranges(magnitudes: dict[str, Magnitude], strength: float) -> dict[str, Range]:
    """Range of each operation that does anything, at a strength.

    Parameters
    ----------
    magnitudes : dict of str to float or (float, float)
        A number is symmetric about the neutral value (``scale=0.1`` is 0.9 to 1.1) or, for
        crop, perspective, elastic, blur, shadow, noise, cutout and patches, the largest value. A
        pair is the lowest and the highest value.
    strength : float
        Each range is drawn towards its neutral value by this factor; at 0 nothing is left.

    Returns
    -------
    dict of str to (float, float)
        The lowest and the highest value; none for what does nothing.

    Raises
    ------
    ValueError
        For a negative number, a pair in the wrong order or values out of their limits.

    Examples
    --------
    >>> from sklearn_kpd.augment.ranges import resolve_ranges
    >>> resolve_ranges({"rotation": 20, "scale": (1, 1.5), "noise": 0}, strength=0.5)
    {'rotation': (-10.0, 10.0), 'scale': (1.0, 1.25)}
    """
    ranges = {}
    for name, value in magnitudes.items():
        operation = OPERATIONS[name]
        low, high = _range_of(name, value, operation)
        low, high = (operation.neutral + strength * (v - operation.neutral) for v in (low, high))
        if low < operation.low or high > operation.high:
            raise ValueError(
                f"{name}={value!r} at strength={strength:g} reaches from {low:g} to {high:g}; it "
                f"holds {operation.what} and must stay within {operation.low:g} and "
                f"{operation.high:g}."
            )
        if (low, high) != (operation.neutral, operation.neutral):
            ranges[name] = (low, high)
    return ranges


def _range_of(name: str, value: Any, operation: Operation) -> Range:
    if isinstance(value, Real) and not isinstance(value, bool):
        number = float(value)
        if not number >= 0:  # NaN is refused too
            raise ValueError(
                f"{name}={value!r} is not a magnitude: it must be 0 or more, or a pair."
            )
        low = operation.neutral - number if operation.symmetric else 0.0
        return low, operation.neutral + number
    try:
        low, high = (float(v) for v in value)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{name}={value!r} must be a number of 0 or more, or a (low, high) pair of "
            f"{operation.what}."
        ) from error
    if not low <= high:
        raise ValueError(f"{name}={value!r} is a pair in the wrong order: (low, high) is needed.")
    return low, high
