"""Files of Kaggle's Facial Keypoints Detection."""

import csv
import io
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

from sklearn_kpd.keypoints import KAGGLE_KEYPOINTS, columns_from_names

#: Height and width of Kaggle's images.
IMAGE_SIZE = (96, 96)

_N_PIXELS = IMAGE_SIZE[0] * IMAGE_SIZE[1]

_DESCR = """\
Kaggle's Facial Keypoints Detection, read from {path}.

{n} grey images of 96 x 96 pixels, one face each, grey levels 0 to 255.
{labels}
"""


def load_kaggle(path: str | Path, *, return_X_y: bool = False) -> Any:
    """Read a file of Kaggle's Facial Keypoints Detection.

    Parameters
    ----------
    path : str or Path
        ``training.csv``, ``training.zip``, ``test.csv`` or ``test.zip``.
    return_X_y : bool, default=False
        Return ``(data, target)`` in place of a Bunch.

    Returns
    -------
    Bunch
        data : ndarray of shape (n, 96, 96, 1), uint8
            Grey images.
        target : DataFrame of shape (n, 30), or None
            Keypoints in pixels, NaN where not labelled; None for a file of test images.
        keypoint_names : list of str
            The 15 names.
        image_ids : ndarray of shape (n,), int
            The column ImageId, or 1, 2, 3 ... if there is none.
        DESCR : str
            What was read.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is not what it should be. The message names the file, the row (the first
        row of data is row 1) and what is wrong.

    Examples
    --------
    >>> from sklearn_kpd.datasets import load_kaggle
    >>> faces = load_kaggle("training.zip")  # doctest: +SKIP
    >>> faces.data.shape, faces.target.shape  # doctest: +SKIP
    ((7049, 96, 96, 1), (7049, 30))
    """
    path = Path(path)
    columns = columns_from_names(KAGGLE_KEYPOINTS)
    images: list[np.ndarray] = []
    labels: list[list[float]] = []
    ids: list[int] = []
    with _open(path) as file:
        # 96 x 96 pixels take at most 37 kB, below the csv module's limit of 131 kB a field.
        rows = csv.reader(file)
        try:
            header = [name.strip() for name in next(rows, [])]
            has_labels = _check_header(path, header, columns)
            positions = [header.index(column) for column in columns] if has_labels else []
            image_at = header.index("Image")
            id_at = header.index("ImageId") if "ImageId" in header else None
            for number, row in enumerate(filter(None, rows), start=1):
                where = f"{path}, row {number}"
                if len(row) != len(header):
                    raise ValueError(
                        f"{where}: {len(row)} fields where the header has {len(header)}."
                    )
                labels.append([_coordinate(row[at], header[at], where) for at in positions])
                ids.append(number if id_at is None else _image_id(row[id_at], where))
                images.append(_pixels(row[image_at], where))
        except csv.Error as error:
            raise ValueError(f"{path}, row {len(images) + 1}: {error}.") from error
        except UnicodeDecodeError as error:
            raise ValueError(f"{path}: no text file in UTF-8: {error}.") from error
    if not images:
        raise ValueError(f"{path}: a header, but no row of data.")
    data = np.stack(images).reshape(-1, *IMAGE_SIZE, 1)
    target = pd.DataFrame(labels, columns=columns, dtype=np.float64) if has_labels else None
    if return_X_y:
        return data, target
    return Bunch(
        data=data,
        target=target,
        keypoint_names=list(KAGGLE_KEYPOINTS),
        image_ids=np.array(ids),
        DESCR=_DESCR.format(path=path.name, n=len(data), labels=_describe(target)),
    )


@contextmanager
def _open(path: Path) -> Iterator[Any]:
    if path.is_dir():
        raise ValueError(
            f"{path} is a folder: name the file in it, such as {path / 'training.zip'}."
        )
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file.")
    if path.suffix.lower() != ".zip":
        with path.open(newline="", encoding="utf-8-sig") as file:
            yield file
        return
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if name.lower().endswith(".csv")]
            names = [name for name in names if not name.startswith("__MACOSX")]
            if len(names) != 1:
                raise ValueError(
                    f"{path}: holds {len(names)} CSV files ({', '.join(archive.namelist()[:5])}); "
                    "one is needed. Kaggle's download holds training.zip and test.zip: unpack it."
                )
            with archive.open(names[0]) as member:
                yield io.TextIOWrapper(member, newline="", encoding="utf-8-sig")
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise ValueError(f"{path}: no whole zip file: {error}.") from error


def _check_header(path: Path, header: list[str], columns: list[str]) -> bool:
    """Whether there are labels."""
    if not header:
        raise ValueError(f"{path}: the file is empty.")
    if "Image" not in header:
        raise ValueError(
            f"{path}: the column 'Image' is missing; the columns are {', '.join(header[:5])} ..."
        )
    repeated = sorted({name for name in header if header.count(name) > 1})
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


def _coordinate(text: str, column: str, where: str) -> float:
    if not text.strip():
        return np.nan
    try:
        value = float(text)
    except ValueError:
        value = np.inf
    if np.isinf(value):
        raise ValueError(f"{where}: column {column!r} holds {_short(text)}, no number.")
    return value


def _image_id(text: str, where: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError(
            f"{where}: column 'ImageId' holds {_short(text)}, no whole number."
        ) from None


def _pixels(text: str, where: str) -> np.ndarray:
    words = text.split()
    if len(words) != _N_PIXELS:
        raise ValueError(f"{where}: {len(words)} pixels, where 96 x 96 = {_N_PIXELS} are needed.")
    try:
        levels = np.array(words, dtype=np.int64)
    except (ValueError, OverflowError):
        # a number too large for int64 is all digits
        no_digits = (word for word in words if not word.lstrip("+-").isdecimal())
        wrong = next(no_digits, max(words, key=len))
        raise ValueError(
            f"{where}: pixel {words.index(wrong) + 1} is {_short(wrong)}, no whole number "
            "in 0..255."
        ) from None
    if levels.min() < 0 or levels.max() > 255:
        at = int(np.flatnonzero((levels < 0) | (levels > 255))[0])
        raise ValueError(f"{where}: pixel {at + 1} is {levels[at]}, out of 0..255.")
    return levels.astype(np.uint8)


def _short(text: str) -> str:
    return repr(text if len(text) <= 20 else text[:20] + "...")


def _describe(target: pd.DataFrame | None) -> str:
    if target is None:
        return "A file of test images: no labels."
    complete = int(target.notna().all(axis=1).sum())
    return f"15 keypoints in pixels; {complete} rows have them all, in the others some are NaN."


def make_submission(y_pred: Any, image_ids: Any, lookup: str | Path) -> pd.DataFrame:
    """Table of predictions in Kaggle's submission format.

    Parameters
    ----------
    y_pred : array-like of shape (n, 30) or (n, 15, 2)
        Predicted keypoints in pixels, in the order of Kaggle's columns.
    image_ids : array-like of shape (n,), int
        ImageId of each row.
    lookup : str or Path
        Kaggle's ``IdLookupTable.csv``: which values are asked for.

    Returns
    -------
    DataFrame
        RowId and Location, one row for each that is asked for.

    Raises
    ------
    ValueError
        If the table has other columns, or asks for an image or a coordinate that is not there.

    Examples
    --------
    >>> from sklearn_kpd.datasets import make_submission
    >>> make_submission(y_pred, faces.image_ids, "IdLookupTable.csv")  # doctest: +SKIP
    """
    try:
        table = pd.read_csv(lookup)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise ValueError(f"{lookup}: no CSV file: {error}.") from error
    absent = [c for c in ("RowId", "ImageId", "FeatureName") if c not in table.columns]
    if absent:
        raise ValueError(f"{lookup}: the column {absent[0]!r} is missing.")
    columns = columns_from_names(KAGGLE_KEYPOINTS)
    values = np.asarray(y_pred, dtype=np.float64).reshape(len(image_ids), -1)
    if values.shape[1] != len(columns):
        raise ValueError(
            f"The predictions have {values.shape[1]} columns; Kaggle's {len(columns)} are needed."
        )
    rows = pd.Index(image_ids).get_indexer(pd.Index(table["ImageId"]))
    places = pd.Index(columns).get_indexer(pd.Index(table["FeatureName"]))
    for found, column, what in ((rows, "ImageId", "no such image"),
                                (places, "FeatureName", "no such coordinate")):  # fmt: skip
        if (found < 0).any():
            at = int(np.flatnonzero(found < 0)[0])
            raise ValueError(
                f"{lookup}, row {at + 1}: {column} {table[column].iloc[at]!r}: {what} among the "
                "predictions."
            )
    return pd.DataFrame({"RowId": table["RowId"], "Location": values[rows, places]})
