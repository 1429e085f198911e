"""The corrected labels, in the format that they came in: chosen before the work, checked after."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sklearn_kpd._common.files import replacing_path
from sklearn_kpd.keypoints import FloatArray, columns_from_names
from sklearn_kpd.label_quality._review.kaggle import changes_of, write_kaggle

#: Formats of annotations that can be written, and the endings of their files.
FORMATS = {
    "coco": ".json",
    "dlib": ".xml",
    "cvat": ".xml",
    "label_studio": ".json",
    "deeplabcut": ".csv",
    "csv": ".csv",
}
_KEEP_HIDDEN = ("coco", "cvat", "csv")
_FRACTIONS_LOST = 0.5


@dataclass(frozen=True)
class Output:
    """Where corrected labels go.

    Attributes
    ----------
    source : Path
        What they were read from.
    path : Path
        The file to write.
    ending : str
        That its name must have.
    format : str
        "kaggle", or one of FORMATS.
    annotations : Bunch or None
        What load_annotations has read.
    images : ndarray or None
        Those of Kaggle's file.
    """

    source: Path
    path: Path
    ending: str
    format: str
    annotations: Any = None
    images: Any = None


def choose_output(source: Path, out: Path | None, annotations: Any, images: Any) -> Output:
    """Say how corrected labels will be written, or why they cannot be.

    Parameters
    ----------
    source : Path
        What the labels were read from.
    out : Path or None
        Where to, if the user has said so.
    annotations : Bunch or None
        What load_annotations has read; None for a file of Kaggle's.
    images : ndarray or None
        Those of Kaggle's file.

    Raises
    ------
    ValueError
        If the format cannot be written; the message says which can.
    """
    if annotations is None:
        packed = source.name.lower().endswith(".csv.gz")
        ending = ".csv.gz" if packed else source.suffix.lower()
        path = out or _named(source, ending)
        if not path.name.lower().endswith(ending):
            raise ValueError(f"{path}: the name must end in {ending}, as that of {source} does.")
        return Output(source, path, ending, "kaggle", images=images)
    own = _own_format(annotations)
    others = {"deeplabcut"} if "frame" in annotations else {"coco"}
    formats = {FORMATS[name]: name for name in (*others, *filter(None, [own]))}
    if out is None and own is None:
        ending, other = next(iter(formats.items()))
        raise ValueError(
            f"{source} has the format {annotations.format}, which can be read but not written"
            f"{' for frames of a video' if 'frame' in annotations else ''}: give --out "
            f"{_named(source, ending).name} to have the corrected labels in the format {other}."
        )
    path = out or _named(source, FORMATS[str(own)])
    format = formats.get(path.suffix.lower())
    if format is None:
        can = " or ".join(f"{ending} ({name})" for ending, name in formats.items())
        raise ValueError(f"{path}: the name must end in {can}.")
    chosen = Output(source, path, path.suffix.lower(), format, annotations)
    _check_format(chosen)
    return chosen


def _own_format(annotations: Any) -> str | None:
    """Format that the labels came in, if they can be written in it."""
    name = str(annotations.format)
    return name if name in FORMATS and "frame" not in annotations else None


def _named(source: Path, ending: str) -> Path:
    """Name beside the source, with '_corrected' before the ending."""
    if source.is_dir():
        source = Path(os.path.abspath(source))  # "." has no name
        return source.with_name(f"{source.name}_corrected{ending}")
    name = source.name
    stem = name[: -len(ending)] if name.lower().endswith(ending) else source.stem
    return source.with_name(f"{stem}_corrected{ending}")


def _check_format(output: Output) -> None:
    """Refuse before the work what the format cannot hold."""
    values = output.annotations.target.to_numpy()
    if output.format == "dlib" and (values % 1 > 0).any():
        other = _named(output.source, ".json").name
        raise ValueError(
            f"{output.source} has fractions of pixels, but dlib's files are written in whole "
            f"ones: give --out {other} to have the corrected labels in the format coco."
        )


def warnings_of(output: Output) -> list[str]:
    """What the corrected file will lack, in sentences, to be told before the work."""
    found = output.annotations
    if found is None:
        return []
    kept = ["photographs", "keypoints"]
    kept += [] if output.format == "deeplabcut" else ["boxes"]
    kept += ["marks of hidden keypoints"] if output.format in _KEEP_HIDDEN else []
    texts = [
        f"{output.path.name} will hold {', '.join(kept[:-1])} and {kept[-1]}; what else "
        f"{output.source} holds stays there alone."
    ]
    if len(set(found.category)) > 1:
        names = ", ".join(sorted({str(name) for name in found.category})[:4])
        texts.append(f"All objects ({names}) will be in one category, 'object'.")
    if output.format == "deeplabcut" and len(set(found.get("track", ()))) > 1:
        texts.append("Individuals will be numbered anew in each image, in their order.")
    if output.format == "dlib":
        texts.append("dlib's files have whole pixels: what you set is rounded.")
    return texts


def write_corrected(output: Output, before: FloatArray, after: FloatArray, names: Any) -> None:
    """Write corrected labels, and read them again before they take their place.

    Parameters
    ----------
    output : Output
        Where to, and how.
    before, after : ndarray of shape (n, k, 2)
        Labels as they were read, and as they are to be; NaN where not labelled.
    names : sequence of str
        Of the keypoints.

    Raises
    ------
    ValueError
        If what was written does not read as it should. No file is written then.
    OSError
        If the file cannot be written.
    """
    before, after = (labels.reshape(len(labels), -1) for labels in (before, after))
    columns = columns_from_names(names)
    with replacing_path(output.path, output.ending) as temporary:
        if output.format == "kaggle":
            changes = changes_of(before, after, columns)
            write_kaggle(output.source, Path(temporary), changes)
            same = _reads_as_kaggle(temporary, output, after)
        else:
            table = pd.DataFrame(after, columns=columns)
            _save(temporary, output, table)
            same = _reads_as(temporary, output, table)
        if not same:
            raise ValueError(
                f"{output.path} would not read as it should, and was not written: has "
                f"{output.source} changed since? The journal has all your corrections."
            )


def _save(path: str, output: Output, y: pd.DataFrame) -> None:
    from sklearn_kpd.datasets import save_annotations

    found = output.annotations
    X = found.data.assign(frame=found.frame) if "frame" in found else found.data
    categories = {name for name in found.category if name is not None}
    category = categories.pop() if len(set(found.category)) == 1 and categories else "object"
    save_annotations(X, y, path, output.format, visibility=found.visibility, category=category)


def _reads_as_kaggle(path: str, output: Output, expected: FloatArray) -> bool:
    from sklearn_kpd.datasets import load_kaggle

    X, y = load_kaggle(path, return_X_y=True, cache=False)
    found = y.to_numpy()
    if output.ending == ".parquet":  # whose columns may be of half precision
        expected, found = expected.round(2), found.round(2)
    return np.array_equal(X, output.images) and np.array_equal(found, expected, equal_nan=True)


def _reads_as(path: str, output: Output, expected: pd.DataFrame) -> bool:
    """Whether the labels of all objects that have some are there, image by image."""
    from sklearn_kpd.datasets import load_annotations

    found = output.annotations
    groups = found.frame.astype(int) if "frame" in found else pd.factorize(found.data["path"])[0]
    order = np.argsort(groups, kind="stable")
    values = expected.to_numpy()[order]
    values = values[~np.isnan(values).all(axis=1)]
    there = load_annotations(path, format=output.format).target
    there = there.reindex(columns=expected.columns).to_numpy()
    there = there[~np.isnan(there).all(axis=1)]
    tolerance = _FRACTIONS_LOST if output.format == "dlib" else 0
    return there.shape == values.shape and np.allclose(
        there, values, rtol=0, atol=tolerance, equal_nan=True
    )
