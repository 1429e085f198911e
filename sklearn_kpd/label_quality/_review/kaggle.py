"""Kaggle's files with other labels: all else stays as it is, byte for byte."""

import copy
import csv
import gzip
import io
import math
import re
import shutil
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from sklearn_kpd.datasets._kaggle import csv_member

#: Values that are other, by row (the first row of data is 0) and column.
Changes = Mapping[int, Mapping[str, float]]

_LINE = re.compile(rb"[^\r\n]+")
# A quote counts at the beginning of a field alone.
_FIELD = re.compile(rb'(?:"(?:[^"]|"")*")?[^,]*')
_BOM = b"\xef\xbb\xbf"


def write_kaggle(source: Path, target: Path, changes: Changes) -> None:
    """Write a file of Kaggle's again, with some labels changed.

    Parameters
    ----------
    source : Path
        CSV, zip, gz or Parquet. Whatever it is, `target` becomes such a file.
    target : Path
        The file to write.
    changes : mapping of row to mapping of column to float
        The new values, NaN for not labelled.
    """
    kind = source.suffix.lower()
    if kind == ".zip":
        _write_zip(source, target, changes)
    elif kind == ".gz":
        target.write_bytes(
            gzip.compress(with_values(gzip.decompress(source.read_bytes()), changes))
        )
    elif kind == ".parquet":
        table = pd.read_parquet(source)
        for row, values in changes.items():
            for column, value in values.items():
                table.loc[table.index[row], column] = value
        table.to_parquet(target)
    else:
        target.write_bytes(with_values(source.read_bytes(), changes))


def _write_zip(source: Path, target: Path, changes: Changes) -> None:
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        table = csv_member(source, old, source.stat().st_size)
        for member in old.infolist():
            # writing changes what is known of a member
            with old.open(member) as file, new.open(copy.copy(member), "w") as copied:
                if member is table:
                    copied.write(with_values(file.read(), changes))
                else:
                    shutil.copyfileobj(file, copied)


def with_values(content: bytes, changes: Changes) -> bytes:
    r"""Text of a table with some fields replaced.

    Parameters
    ----------
    content : bytes
        CSV with a header.
    changes : mapping of row to mapping of column to float
        The new values.

    Returns
    -------
    bytes
        The same but for these fields.

    Examples
    --------
    >>> from sklearn_kpd.label_quality._review.kaggle import with_values
    >>> with_values(b'a,b,c\r\n1,2.50,"x"\r\n3,4,y\r\n', {0: {"b": 7.25}})
    b'a,b,c\r\n1,7.25,"x"\r\n3,4,y\r\n'
    """
    records = _records(content)
    start, end = next(records)
    header = content[start:end].removeprefix(_BOM).decode()
    places = {name.strip(): at for at, name in enumerate(next(csv.reader(io.StringIO(header))))}
    pieces, done, left = [], 0, dict(changes)
    for row, (start, end) in enumerate(records):
        if row not in left:
            continue
        fields = _fields(content, start, end)
        values = {places[column]: value for column, value in left.pop(row).items()}
        for at in sorted(values):
            first, last = fields[at]
            pieces += [content[done:first], _text(values[at])]
            done = last
        if not left:
            break
    return b"".join([*pieces, content[done:]])


def _records(content: bytes) -> Iterator[tuple[int, int]]:
    """Beginning and end of each row; empty lines are none, and quotes carry a row on."""
    start, n_quotes = -1, 0
    for line in _LINE.finditer(content):
        start = line.start() if start < 0 else start
        n_quotes += content.count(b'"', *line.span())
        if n_quotes % 2 == 0:
            yield start, line.end()
            start, n_quotes = -1, 0


def _fields(content: bytes, start: int, end: int) -> list[tuple[int, int]]:
    """Beginning and end of each field of a row."""
    fields = []
    while True:
        found = _FIELD.match(content, start, end)
        assert found is not None  # it matches nothing at all, too
        fields.append(found.span())
        if found.end() == end:
            return fields
        start = found.end() + 1


def _text(value: float) -> bytes:
    """Write a number with the digits that tell it from all others; nothing for not labelled."""
    return b"" if math.isnan(value) else repr(float(value)).encode()


def changes_of(before: np.ndarray, after: np.ndarray, columns: list[str]) -> Changes:
    """Which values are other, by row and column.

    Parameters
    ----------
    before, after : ndarray of shape (n, n_columns)
        NaN where not labelled.
    columns : list of str
        Their names.
    """
    other = ~((before == after) | (np.isnan(before) & np.isnan(after)))
    return {
        int(row): {columns[at]: float(after[row, at]) for at in np.flatnonzero(other[row])}
        for row in np.flatnonzero(other.any(axis=1))
    }
