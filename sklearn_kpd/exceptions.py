"""Errors of our own."""


class DivergedError(FloatingPointError):
    """The loss became NaN or infinite during `fit`."""
