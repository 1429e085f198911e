"""Errors and warnings of our own.

Examples
--------
>>> from sklearn_kpd.exceptions import BrokenFileError, PersistenceError
>>> issubclass(BrokenFileError, PersistenceError), issubclass(PersistenceError, ValueError)
(True, True)
"""

__all__ = [
    "AnnotationError",
    "BrokenFileError",
    "ChangedFileError",
    "DivergedError",
    "NewerFormatError",
    "NotSaveableError",
    "OtherVersionWarning",
    "PersistenceError",
    "PhotographError",
    "UnsafeFileError",
    "UntrustedTypeError",
]


class DivergedError(FloatingPointError):
    """The loss became NaN or infinite during `fit`."""


class PhotographError(ValueError):
    """A photograph is not there, is damaged, or does not hold the box that it should."""


class PersistenceError(ValueError):
    """An estimator cannot be saved, or a file cannot be loaded: the base of the others."""

    def __init__(self, message: str) -> None:
        # What is quoted from a file may be as long as it likes, and bring commands to a terminal.
        line = "".join(c if c.isprintable() else repr(c)[1:-1] for c in message[:1000])
        super().__init__(line[:1000])


class NotSaveableError(PersistenceError):
    """The estimator holds something that a file without code cannot hold."""


class BrokenFileError(PersistenceError):
    """The file is no saved estimator, is cut off, or contradicts itself."""


class ChangedFileError(BrokenFileError):
    """A part of the file is not what was saved: its size or its SHA-256 is another."""


class UnsafeFileError(BrokenFileError):
    """The file is built in a way that saving never builds one, to mislead who reads it."""


class UntrustedTypeError(PersistenceError):
    """The file names a class or a function that is neither known nor trusted."""


class NewerFormatError(PersistenceError):
    """The file was written by a later version of the package, in a format of its own."""


class OtherVersionWarning(UserWarning):
    """The file was written with other versions of the libraries that matter."""


class AnnotationError(ValueError):
    """A file of annotations cannot be read without a guess: the file, the place, what to do."""

    def __init__(self, message: str) -> None:
        super().__init__(message[:1000])  # what is quoted from a file may be as long as it likes
