"""Tables of text as people write them: their rows, their numbers, the names of their columns."""

import codecs
import csv
import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from sklearn_kpd._common.columns import find_keypoints
from sklearn_kpd._common.files import read_regular
from sklearn_kpd._common.texts import unshielded
from sklearn_kpd.datasets.annotations import _strict
from sklearn_kpd.exceptions import AnnotationError

_NUMBER = re.compile(r"[+-]?([0-9]+([.][0-9]*)?|[.][0-9]+)([eE][+-]?[0-9]{1,3})?")
_DECIMAL_COMMA = re.compile(r"[+-]?[0-9]+,[0-9]+([eE][+-]?[0-9]{1,3})?")

#: What stands in a field that holds nothing, in lower case.
_EMPTY = frozenset(["", "nan", "na", "n/a", "null", "none", "<na>"])


class Row(NamedTuple):
    """Fields of one row, and the line of the file that it ends on (the first is 1)."""

    line: int
    fields: list[str]


def head_text(head: bytes) -> str:
    """Text of the first bytes of a file, of which the last character may be cut."""
    is_utf16 = head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return head.decode("utf-16" if is_utf16 else "utf-8-sig", errors="replace")


def read_text(path: Path) -> str:
    """Text of a file in UTF-8, or in UTF-16 with its mark, without zero bytes."""
    content = read_regular(path)
    is_utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = content.decode("utf-16" if is_utf16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise AnnotationError(
            f"{path}: no text in UTF-8 ({error}); save the file in that encoding."
        ) from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise AnnotationError(
            f"{path}, line {line}: a zero byte; the file is no text, or damaged."
        )
    return text


def split_rows(text: str, delimiter: str, path: Path) -> list[Row]:
    """Rows of a table, without those that are empty; a blank as delimiter stands for any run."""
    if delimiter == " ":
        lines = enumerate(text.splitlines(), start=1)
        return [Row(number, line.split()) for number, line in lines if line.strip()]
    reader = csv.reader(text.splitlines(keepends=True), delimiter=delimiter, strict=True)
    rows = []
    try:
        for fields in reader:
            if any(field.strip() for field in fields):
                rows.append(Row(reader.line_num, [unshielded(field.strip()) for field in fields]))
    except csv.Error as error:
        raise AnnotationError(f"{path}, line {reader.line_num}: {error}.") from error
    return rows


def split_table(text: str, path: Path) -> tuple[Row, list[Row]]:
    """The first row of a table with commas, which names its columns, and the others."""
    rows = split_rows(text, ",", path)
    if not rows:
        raise AnnotationError(f"{path}: the file is empty.")
    return rows[0], rows[1:]


def find_delimiter(text: str) -> str:
    r"""What separates the fields: a tab, ``;``, ``,``, or a blank for any run of blanks."""
    lines = [line for line in text.splitlines() if line.strip()][:2]
    for delimiter in "\t;,":
        if lines and all(line.count(delimiter) >= min(2, len(lines)) for line in lines):
            return delimiter
    return " "


def is_empty(text: str) -> bool:
    """Whether a field holds nothing, or one of the words for nothing."""
    return text.strip().lower() in _EMPTY


def is_number(text: str) -> bool:
    """Whether a field is a number, with a decimal point or a decimal comma."""
    text = text.strip()
    return bool(_NUMBER.fullmatch(text) or _DECIMAL_COMMA.fullmatch(text))


def number(text: str, where: str, *, decimal: str = ".") -> float:
    """Read a finite number; NaN where the field is empty."""
    if is_empty(text):
        return math.nan
    if decimal == ",":
        if "." in text and "," not in text:
            raise AnnotationError(
                f"{where}: {_strict.short(text)} has a decimal point where other numbers of the "
                "file have a decimal comma; write all of them in one way."
            )
        text = text.replace(",", ".")
    return _strict.number_from_text(text, where)


def point(x: float, y: float, where: str) -> tuple[float, float] | None:
    """Put two coordinates together; None where both are NaN."""
    if math.isnan(x) and math.isnan(y):
        return None
    if math.isnan(x) or math.isnan(y):
        missing = "x" if math.isnan(x) else "y"
        raise AnnotationError(
            f"{where}: only one of its two coordinates is there, {missing} is not; give both or "
            "none."
        )
    return x, y


class KeypointColumns(NamedTuple):
    """Where the columns of one keypoint stand in a table."""

    x: int
    y: int
    visible: int | None


def keypoint_columns(columns: Sequence[str], where: str) -> dict[str, KeypointColumns]:
    """Find the keypoints of a table by the names of its columns.

    Columns that are called ``0``, ``1``, ``2`` ... are x and y in turn. A column of an x without
    one of a y is an error; a column that is called in no such way belongs to no keypoint.
    """
    numbered = [at for at, column in enumerate(columns) if column.isdecimal()]
    if numbered and [int(columns[at]) for at in numbered] == list(range(len(numbered))):
        if len(numbered) % 2:
            raise AnnotationError(f"{where}: {len(numbered)} columns, an odd number, for x and y.")
        pairs = zip(numbered[::2], numbered[1::2], strict=True)
        return {str(k): KeypointColumns(x, y, None) for k, (x, y) in enumerate(pairs)}
    try:
        found = find_keypoints(columns)
    except ValueError as error:
        raise AnnotationError(f"{where}: {error}") from error
    places, visibility = found.coordinates.reshape(-1, 2).tolist(), found.visibility.tolist()
    return {
        name: KeypointColumns(x, y, None if visible < 0 else visible)
        for name, (x, y), visible in zip(found.names, places, visibility, strict=True)
    }


def find_column(columns: Sequence[str], names: Iterable[str]) -> int | None:
    """Index of the first of some names, written in any way, among the columns."""
    plain = [re.sub(r"[ _.#-]", "", column.lower()) for column in columns]
    return next((plain.index(name) for name in names if name in plain), None)


def check_no_repeats(columns: Sequence[str], where: str) -> None:
    """Raise if two columns have one name."""
    repeated = [name for name, count in Counter(columns).items() if count > 1 and name]
    if repeated:
        raise AnnotationError(f"{where}: the column {repeated[0]!r} is there more than once.")
