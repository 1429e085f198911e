"""CSV text in Kaggle's form to arrays, a piece at a time and without a giant in between."""

import codecs
import csv
import itertools
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from sklearn_kpd.keypoints import KAGGLE_KEYPOINTS, columns_from_names

#: Height and width of Kaggle's images.
IMAGE_SIZE = (96, 96)

_N_PIXELS = IMAGE_SIZE[0] * IMAGE_SIZE[1]

#: The longest row, in bytes. Kaggle's have less than 40 kB; without a limit, a file without line
#: ends would be read into memory whole.
_ROW_LIMIT = 2**20

_WHOLE_NUMBER = re.compile(rb"[+-]?[0-9]{1,18}")


def parse(path: Path, pieces: Iterable[bytes]) -> dict[str, np.ndarray]:
    """Read the text of a file.

    Parameters
    ----------
    path : Path
        Where the text is from, for the error messages.
    pieces : iterable of bytes
        The text, cut anywhere.

    Returns
    -------
    dict
        data : ndarray of shape (n, 96, 96, 1), uint8
        image_ids : ndarray of shape (n,), int64
        target : ndarray of shape (n, 30), float64; not there for a file of test images

    Raises
    ------
    ValueError
        If the text is not what it should be.
    """
    lines = filter(None, _lines(path, pieces))
    columns = columns_from_names(KAGGLE_KEYPOINTS)
    first = next(lines, b"").removeprefix(codecs.BOM_UTF8)
    header = [name.decode().strip() for name in _fields(f"{path}, header", first, lines)]
    has_labels = _check_header(path, header, columns)
    positions = [header.index(column) for column in columns] if has_labels else []
    image_at = header.index("Image")
    id_at = header.index("ImageId") if "ImageId" in header else None
    # Grows in place, and becomes the array as it is.
    pixels = bytearray()
    labels: list[list[float]] = []
    ids: list[int] = []
    for number, line in enumerate(lines, start=1):
        where = f"{path}, row {number}"
        row = _fields(where, line, lines)
        if len(row) != len(header):
            raise ValueError(f"{where}: {len(row)} fields where the header has {len(header)}.")
        labels.append([_coordinate(row[at], header[at], where) for at in positions])
        ids.append(number if id_at is None else _image_id(row[id_at], where))
        pixels.extend(_pixels(row[image_at], where))
    if not ids:
        raise ValueError(f"{path}: a header, but no row of data.")
    arrays: dict[str, np.ndarray] = {
        "data": np.frombuffer(pixels, dtype=np.uint8).reshape(-1, *IMAGE_SIZE, 1),
        "image_ids": np.array(ids, dtype=np.int64),
    }
    if has_labels:
        arrays["target"] = np.array(labels, dtype=np.float64)
    return arrays


def _lines(path: Path, pieces: Iterable[bytes]) -> Iterator[bytes]:
    r"""Lines without their ends, which may be \n, \r\n (an empty line in between) or \r."""
    rest = b""
    for piece in pieces:
        *lines, rest = (rest + piece.replace(b"\r", b"\n")).split(b"\n")
        if len(rest) > _ROW_LIMIT:
            raise ValueError(f"{path}: a line is longer than {_ROW_LIMIT} bytes; no row is.")
        yield from lines
    yield rest


def _fields(where: str, line: bytes, lines: Iterator[bytes]) -> list[bytes]:
    """Fields of the row that begins with a line; quotes may carry it on over the next lines."""
    if b'"' not in line and line.isascii():
        return line.split(b",")
    try:
        row = next(csv.reader(_decoded(where, itertools.chain([line], lines))))
    except csv.Error as error:
        raise ValueError(f"{where}: {error}.") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{where}: no text in UTF-8: {error}.") from error
    return [field.encode() for field in row]


def _decoded(where: str, lines: Iterable[bytes]) -> Iterator[str]:
    length = 0
    for line in lines:
        length += len(line)
        if length > _ROW_LIMIT:
            raise ValueError(f"{where}: longer than {_ROW_LIMIT} bytes; is a quote left open?")
        yield line.decode() + "\n"


def _check_header(path: Path, header: list[str], columns: list[str]) -> bool:
    """Whether there are labels."""
    if header == [""]:
        raise ValueError(f"{path}: the file is empty.")
    if "Image" not in header:
        shown = ", ".join(name[:40] for name in header[:5])
        raise ValueError(f"{path}: the column 'Image' is missing; the columns are {shown} ...")
    repeated = sorted(name for name, count in Counter(header).items() if count > 1)
    if repeated:
        raise ValueError(f"{path}: the column {repeated[0]!r} is there more than once.")
    missing = [column for column in columns if column not in header]
    if missing and len(missing) < len(columns):
        raise ValueError(f"{path}: columns are missing: {', '.join(missing)}.")
    if missing and "ImageId" not in header:
        raise ValueError(
            f"{path}: neither the 30 columns of keypoints nor the column 'ImageId' are there; "
            "it is no file of Kaggle's."
        )
    return not missing


def _coordinate(text: bytes, column: str, where: str) -> float:
    if not text or text.isspace():
        return math.nan
    try:
        value = float(text)
    except ValueError:
        value = math.inf
    # Python takes 1_000 for a number.
    if math.isinf(value) or b"_" in text:
        raise ValueError(f"{where}: column {column!r} holds {_short(text)}, no number.")
    return value


def _image_id(text: bytes, where: str) -> int:
    if not _WHOLE_NUMBER.fullmatch(text.strip()):
        raise ValueError(f"{where}: column 'ImageId' holds {_short(text)}, no whole number.")
    return int(text)


def _pixels(text: bytes, where: str) -> np.ndarray:
    levels = _plain_pixels(text)
    if levels is None:
        words = text.split()
        if len(words) != _N_PIXELS:
            raise ValueError(
                f"{where}: {len(words)} pixels, where 96 x 96 = {_N_PIXELS} are needed."
            )
        levels = _plain_pixels(b" ".join(words))
    if levels is None:
        pixels = [_pixel(word, f"{where}: pixel {n}") for n, word in enumerate(words, start=1)]
        levels = np.array(pixels, dtype=np.uint8)
    return levels


def _plain_pixels(text: bytes) -> np.ndarray | None:
    """Pixels of numbers with one to three digits and one space in between; None for others."""
    characters = np.frombuffer(b" " + text + b" ", dtype=np.uint8)
    spaces = np.flatnonzero(characters == ord(" "))
    digits = characters - np.uint8(ord("0"))  # others wrap around to 10 and more
    is_digit = digits < 10
    if len(spaces) != _N_PIXELS + 1 or len(spaces) + np.count_nonzero(is_digit) != len(characters):
        return None
    ends = spaces[1:]
    lengths = ends - spaces[:-1] - 1
    if lengths.min() < 1 or lengths.max() > 3:
        return None
    digits *= is_digit  # a space counts as 0
    hundreds = digits[ends - 3] * (lengths == 3)
    rest = 10 * digits[ends - 2] + digits[ends - 1]
    levels = 100 * hundreds + rest
    # Above 255, they have wrapped around.
    return None if hundreds.max() > 2 or (levels < rest).any() else levels


def _pixel(word: bytes, where: str) -> int:
    if not _WHOLE_NUMBER.fullmatch(word):
        raise ValueError(f"{where} is {_short(word)}, no whole number in 0..255.")
    level = int(word)
    if not 0 <= level <= 255:
        raise ValueError(f"{where} is {level}, out of 0..255.")
    return level


def _short(text: bytes) -> str:
    shown = text.decode(errors="replace")
    return repr(shown if len(shown) <= 20 else shown[:20] + "...")
