"""Names in files of text: bytes that are no text, and what spreadsheets take for formulas."""

import os
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

if TYPE_CHECKING:
    import pandas as pd

# What a spreadsheet computes, signs of full width too, or leaves out before it looks.
_FORMULA = r"(?:\s*[=+\-@＝＋－＠]|[\t\r\n])"
_NUMBER = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
# Text that stays text: what has been shielded is shielded once more, so that one can go back.
_TO_SHIELD = re.compile(rf"'*(?!{_NUMBER}\Z){_FORMULA}")
_PATH_TO_SHIELD = re.compile(rf"(?:\./)*(?!{_NUMBER}\Z){_FORMULA}")
# How Python holds the bytes of a file's name that are no UTF-8.
_NO_TEXT = re.compile("[\udc80-\udcff]")


def shielded(text: str) -> str:
    """A cell that a spreadsheet shows as it stands: with an apostrophe before a formula's sign.

    Numbers stay numbers, with a sign or without.

    Examples
    --------
    >>> from sklearn_kpd._common.texts import shielded
    >>> shielded("=1+1"), shielded("-5"), shielded("nose")
    ("'=1+1", '-5', 'nose')
    """
    return f"'{text}" if _TO_SHIELD.match(text) else text


def unshielded(text: str) -> str:
    """The inverse of :func:`shielded`."""
    return text[1:] if text.startswith("'") and _TO_SHIELD.match(text) else text


def shielded_path(path: str) -> str:
    """The same path in a cell that a spreadsheet shows as it stands.

    Examples
    --------
    >>> from sklearn_kpd._common.texts import shielded_path
    >>> shielded_path("=1+1.jpg"), shielded_path("photos/=1.jpg")
    ('./=1+1.jpg', 'photos/=1.jpg')
    """
    return f"./{path}" if _PATH_TO_SHIELD.match(path) else path


def unshielded_path(path: str) -> str:
    """The inverse of :func:`shielded_path`."""
    return path[2:] if path.startswith("./") and _PATH_TO_SHIELD.match(path) else path


def text_of_path(path: str) -> str:
    r"""A path as text: if it has bytes that are none, they and ``%`` as in an address.

    Examples
    --------
    >>> import os
    >>> from sklearn_kpd._common.texts import text_of_path
    >>> text_of_path("100%.jpg"), text_of_path(os.fsdecode(b"face \xff.jpg"))
    ('100%.jpg', 'face %FF.jpg')
    """
    if not _NO_TEXT.search(path):
        return path
    return _NO_TEXT.sub(lambda found: f"%{ord(found[0]) - 0xDC00:02X}", path.replace("%", "%25"))


def path_of_text(text: str) -> str:
    """The inverse of :func:`text_of_path` for what it has changed; any address's escapes go."""
    return unquote(text, errors="surrogateescape")


def paths_column(paths: Iterable[Any]) -> "pd.Series[Any]":
    """Column of a table: of text, or of objects where a path is none, which Arrow cannot hold."""
    import pandas as pd

    paths = [None if path is None else os.fspath(path) for path in paths]
    try:
        return pd.Series(paths)
    except UnicodeEncodeError:
        return pd.Series(paths, dtype=object)
