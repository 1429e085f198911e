"""Files of Kaggle's Facial Keypoints Detection."""

import gzip
import hashlib
import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.utils import Bunch

from sklearn_kpd._common.files import read_regular
from sklearn_kpd.datasets._cache import cached
from sklearn_kpd.datasets._parse import parse
from sklearn_kpd.keypoints import (
    KAGGLE_KEYPOINTS,
    check_keypoints,
    columns_from_names,
    named_keypoints,
)

#: To be raised when what is kept in the cache changes.
_CACHE_FORM = 1

#: Bytes of text that are parsed at once.
_PIECE = 2**18

#: Bytes of a file; Kaggle's have a quarter of a gigabyte.
_LARGEST = 2**31
_LARGEST_LOOKUP = 2**26

#: What a packed file may unpack to: so many bytes, and so many times its own size (Kaggle's: 3.6).
_SIZE_LIMIT = 2**26
_RATIO_LIMIT = 50

_ENCRYPTED = 0x1

#: Side of Kaggle's images; labels go beyond the centre of the last pixel, up to 95.94.
_SIDE = 96

_DESCR = """\
Kaggle's Facial Keypoints Detection, read from {path}.

{n} grey images of 96 x 96 pixels, one face each, grey levels 0 to 255.
{labels}
"""


def load_kaggle(path: str | Path, *, return_X_y: bool = False, cache: bool = True) -> Any:
    """Read a file of Kaggle's Facial Keypoints Detection.

    Parameters
    ----------
    path : str or Path
        ``training.csv`` or ``test.csv``, or such a file packed, as ``.zip``, ``.csv.gz`` or, where
        pyarrow is installed, ``.parquet``.
    return_X_y : bool, default=False
        Return ``(data, target)`` in place of a Bunch.
    cache : bool, default=True
        Keep what was read in the folder ``sklearn_kpd`` of
        :func:`scikit-learn's data home <sklearn.datasets.get_data_home>`, so that the next time
        the same content is there at once. An entry that somebody else has made, or changed, is
        made anew. The four newest files are kept.

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
    OSError
        If there is no such file, if it is no regular one, or has more than two gigabytes.
    ValueError
        If the file is not what it should be. The message names the file, the row (the first
        row of data is row 1) and what is wrong.

    Examples
    --------
    >>> import tempfile
    >>> from sklearn_kpd.datasets import load_kaggle, make_faces
    >>> X, y = make_faces(3, random_state=0)
    >>> images = [" ".join(map(str, image.ravel())) for image in X]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     y.assign(Image=images).to_csv(f"{folder}/training.csv", index=False)
    ...     faces = load_kaggle(f"{folder}/training.csv", cache=False)
    >>> faces.data.shape, faces.target.shape
    ((3, 96, 96, 1), (3, 30))
    """
    path = Path(path)
    content = _read_file(path)
    kind = path.suffix.lower().removeprefix(".")
    kind = kind if kind in _UNPACK else "csv"

    def make() -> dict[str, np.ndarray]:
        return parse(path, _UNPACK[kind](path, content))

    # The key is the hash of the very bytes that are parsed: a file that changes in the meantime
    # cannot leave a wrong entry. BLAKE2 is fast without special instructions, too.
    digest = hashlib.blake2b(content, digest_size=32).hexdigest()
    key = f"kaggle-{_CACHE_FORM}-{kind}-{digest}"
    arrays = cached(key, make, content) if cache else make()
    data, target = arrays["data"], None
    if "target" in arrays:
        target = pd.DataFrame(arrays["target"], columns=columns_from_names(KAGGLE_KEYPOINTS))
    if return_X_y:
        return data, target
    return Bunch(
        data=data,
        target=target,
        keypoint_names=list(KAGGLE_KEYPOINTS),
        image_ids=arrays["image_ids"],
        DESCR=_DESCR.format(path=path.name, n=len(data), labels=_labels_in_words(target)),
    )


def _read_file(path: Path) -> bytes:
    if path.is_dir():
        raise ValueError(
            f"{path} is a folder: name the file in it, such as {path / 'training.zip'}."
        )
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file.")
    return read_regular(path, _LARGEST)


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    while piece := file.read(_PIECE):
        yield piece


def _as_it_is(path: Path, content: bytes) -> Iterator[bytes]:
    return _pieces(io.BytesIO(content))


def _unzipped(path: Path, content: bytes) -> Iterator[bytes]:
    with _damage_named(path):
        archive = zipfile.ZipFile(io.BytesIO(content))
    member = csv_member(path, archive, len(content))
    with _damage_named(path), archive.open(member) as file:
        yield from _pieces(file)


def _gunzipped(path: Path, content: bytes) -> Iterator[bytes]:
    limit = _SIZE_LIMIT + _RATIO_LIMIT * len(content)
    size = 0
    pieces = _pieces(gzip.GzipFile(fileobj=io.BytesIO(content)))  # type: ignore[arg-type]
    while True:
        with _damage_named(path, "gzip"):
            piece = next(pieces, b"")
        if not piece:
            return
        size += len(piece)
        if size > limit:
            raise ValueError(
                f"{path}: {len(content):,} bytes would become more than {limit:,} bytes, which is "
                "out of proportion. If you trust the file, unpack it."
            )
        yield piece


def _from_parquet(path: Path, content: bytes) -> Iterator[bytes]:
    try:
        with _damage_named(path, "Parquet"):
            table = pd.read_parquet(io.BytesIO(content))
    except ImportError as error:
        raise ImportError(
            f"{path}: Parquet needs pyarrow: pip install pyarrow, or write the table as CSV."
        ) from error
    if "Image" in table:
        table["Image"] = [
            image if isinstance(image, str) else " ".join(map(str, np.ravel(image)))
            for image in table["Image"]
        ]
    return _pieces(io.BytesIO(table.to_csv(index=False).encode()))


_UNPACK = {"csv": _as_it_is, "zip": _unzipped, "gz": _gunzipped, "parquet": _from_parquet}


@contextmanager
def _damage_named(path: Path, kind: str = "zip") -> Iterator[None]:
    try:
        yield
    except ImportError:
        raise
    except Exception as error:  # a damaged file makes its reader raise nearly anything
        reason = str(error)[:200].replace("\n", " ") or type(error).__name__
        raise ValueError(f"{path}: no whole {kind} file: {reason}.") from error


def csv_member(path: Path, archive: zipfile.ZipFile, size: int) -> zipfile.ZipInfo:
    members = [
        member
        for member in archive.infolist()
        if member.filename.lower().endswith(".csv") and not member.filename.startswith("__MACOSX")
    ]
    if len(members) != 1:
        names = ", ".join(name[:40] for name in archive.namelist()[:5])
        raise ValueError(
            f"{path}: holds {len(members)} CSV files ({names}); "
            "one is needed. Kaggle's download holds training.zip and test.zip: unpack it."
        )
    member = members[0]
    if member.flag_bits & _ENCRYPTED:
        raise ValueError(f"{path}: the CSV file in it is encrypted: unpack it.")
    # zipfile unpacks other methods without a bound on memory.
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{path}: the CSV file in it is not packed by deflate: unpack it.")
    # zipfile unpacks no more than the size that the archive tells.
    if member.file_size > _SIZE_LIMIT + _RATIO_LIMIT * size:
        raise ValueError(
            f"{path}: {size:,} bytes would become {member.file_size:,} bytes, which is out of "
            "proportion. If you trust the file, unpack it."
        )
    return member


def _labels_in_words(target: pd.DataFrame | None) -> str:
    if target is None:
        return "A file of test images: no labels."
    complete = int(target.notna().all(axis=1).sum())
    return f"15 keypoints in pixels; {complete} rows have them all, in the others some are NaN."


def make_submission(
    y_pred: Any, image_ids: Any, lookup: str | Path, *, keypoint_names: Any = "kaggle15"
) -> pd.DataFrame:
    """Table of predictions in Kaggle's submission format.

    Parameters
    ----------
    y_pred : DataFrame, or array-like of shape (n, 2 * k) or (n, k, 2)
        Predicted keypoints in pixels. The columns of a DataFrame go by their names.
    image_ids : array-like of shape (n,), int
        ImageId of each row.
    lookup : str or Path
        Kaggle's ``IdLookupTable.csv``: which values are asked for.
    keypoint_names : sequence of str or str, default="kaggle15"
        Names of the keypoints of an array, in its order, such as the ``keypoint_names_`` of the
        regressor. By default Kaggle's 15, in the order of its files.

        .. versionadded:: 0.2

    Returns
    -------
    DataFrame
        RowId and Location, one row for each that is asked for. A location beyond 0 or 96 is
        brought there: Kaggle's labels lie between 0.7 and 95.9, so that this brings it nearer.

    Raises
    ------
    ValueError
        If the table has other columns, or asks for an image or a coordinate that is not there;
        if an id stands twice, or there are not as many names as keypoints.

    Examples
    --------
    >>> from sklearn_kpd.datasets import make_submission
    >>> make_submission(y_pred, faces.image_ids, "IdLookupTable.csv")  # doctest: +SKIP
    """
    table = _read_lookup(lookup)
    _check_once(table["RowId"], f"{lookup}: RowId")
    _check_once(image_ids, "image_ids:")
    keypoints = check_keypoints(y_pred)
    values, names = keypoints.values, keypoints.names
    if len(values) != len(image_ids):
        raise ValueError(f"There are {len(values)} predictions for {len(image_ids)} image_ids.")
    if names is None:
        known = isinstance(keypoint_names, str)
        names = named_keypoints(keypoint_names) if known else tuple(keypoint_names)
    columns = columns_from_names(names)
    if values.shape[1] != len(columns):
        raise ValueError(
            f"The predictions have {values.shape[1]} columns, but {len(names)} keypoints have "
            f"{len(columns)}: pass a DataFrame, or keypoint_names for an array of other keypoints "
            "than Kaggle's 15."
        )
    rows, places = _places(table, image_ids, columns, lookup, "the predictions")
    location = np.clip(values[rows, places], 0, _SIDE)
    return pd.DataFrame({"RowId": table["RowId"], "Location": location})


def requested_labels(lookup: str | Path, image_ids: Any) -> pd.DataFrame:
    """Which coordinates Kaggle asks for, image by image.

    It asks for what an image is labelled with, and so tells the labelling scheme, which
    :meth:`KeypointRegressor.predict <sklearn_kpd.KeypointRegressor.predict>` takes.

    Parameters
    ----------
    lookup : str or Path
        Kaggle's ``IdLookupTable.csv``.
    image_ids : array-like of shape (n,), int
        ImageId of each row.

    Returns
    -------
    DataFrame of shape (n, 30), bool
        Columns of Kaggle's 15 keypoints, in the order of its files.

    Raises
    ------
    ValueError
        If the table has other columns, or asks for an image or a coordinate that is not there, or
        if an id stands twice in `image_ids`.

    Notes
    -----
    .. versionadded:: 0.2

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklearn_kpd.datasets import requested_labels
    >>> lookup = Path(tempfile.mkdtemp(), "IdLookupTable.csv")
    >>> _ = lookup.write_text('''RowId,ImageId,FeatureName
    ... 1,7,nose_tip_x
    ... 2,7,nose_tip_y
    ... ''')
    >>> requested_labels(lookup, [6, 7]).sum(axis=1).tolist()
    [0, 2]
    """
    table = _read_lookup(lookup)
    _check_once(image_ids, "image_ids:")
    columns = columns_from_names(KAGGLE_KEYPOINTS)
    requested = np.zeros((len(image_ids), len(columns)), dtype=bool)
    requested[_places(table, image_ids, columns, lookup, "Kaggle's")] = True
    return pd.DataFrame(requested, columns=columns)


def _read_lookup(lookup: str | Path) -> pd.DataFrame:
    try:
        table = pd.read_csv(io.BytesIO(read_regular(lookup, _LARGEST_LOOKUP)))
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise ValueError(f"{lookup}: no CSV file: {error}.") from error
    absent = [c for c in ("RowId", "ImageId", "FeatureName") if c not in table.columns]
    if absent:
        raise ValueError(f"{lookup}: the column {absent[0]!r} is missing.")
    known = pd.to_numeric(table["RowId"], errors="coerce").notna()
    if not known.all():
        at = int(np.flatnonzero(~known)[0])
        raise ValueError(
            f"{lookup}, row {at + 1}: RowId {table['RowId'].iloc[at]!r} is no number."
        )
    return table


def _check_once(ids: Any, where: str) -> None:
    ids = pd.Index(ids)
    if ids.has_duplicates:
        raise ValueError(f"{where} {ids[ids.duplicated()][0]} stands there more than once.")


def _places(
    table: pd.DataFrame, image_ids: Any, columns: list[str], lookup: str | Path, among: str
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Row and column of each coordinate that the lookup table asks for."""
    rows = pd.Index(image_ids).get_indexer(pd.Index(table["ImageId"]))
    places = pd.Index(columns).get_indexer(pd.Index(table["FeatureName"]))
    for found, column, what in (
        (rows, "ImageId", "no such image among those that were given"),
        (places, "FeatureName", f"no such coordinate among {among}"),
    ):
        if (found < 0).any():
            at = int(np.flatnonzero(found < 0)[0])
            raise ValueError(
                f"{lookup}, row {at + 1}: {column} {table[column].iloc[at]!r}: {what}."
            )
    return rows, places
