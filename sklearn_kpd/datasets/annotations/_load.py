"""Reading annotations of any format into X and y."""

import os
from collections.abc import Iterable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

from sklearn_kpd._common.files import open_regular
from sklearn_kpd._common.texts import paths_column
from sklearn_kpd.datasets.annotations._images import (
    Images,
    parts_of,
    stored_and_shown_size,
)
from sklearn_kpd.datasets.annotations._records import Annotated, Annotations
from sklearn_kpd.exceptions import AnnotationError
from sklearn_kpd.keypoints import columns_from_names

#: Modules by the name of the format.
FORMATS = {
    "coco": "coco",
    "dlib": "dlib",
    "cvat": "cvat",
    "datumaro": "datumaro",
    "label_studio": "label_studio",
    "labelme": "labelme",
    "supervisely": "supervisely",
    "stanford_extra": "stanford_extra",
    "ljson": "ljson",
    "pts": "pts",
    "wflw": "wflw",
    "mtfl": "mtfl",
    "yolo": "yolo",
    "via": "via",
    "deeplabcut": "deeplabcut",
    "sleap": "sleap",
    "openpose": "openpose",
    "mediapipe": "mediapipe",
    "csv": "wide",
}

#: What is added to the coordinates, by what has the coordinates (0, 0): to count from the centre
#: of the first pixel, and from its outer corner, about which a change of size is a factor.
_SHIFTS = {None: 0.0, "center": 0.0, "corner": -0.5, "one": -1.0}
_TO_CORNER = {None: 0.0, "center": 0.5, "corner": 0.0, "one": -0.5}

_HEAD = 65536

#: Endings of files that may be annotations: others in a folder are passed over in silence.
_TEXTS = (".json", ".ljson", ".xml", ".csv", ".txt", ".pts", ".h5", ".hdf5", ".slp", ".tsv")


def load_annotations(
    path: Any,
    *,
    format: str | None = None,
    images: Any = None,
    category: str | None = None,
    origin: str | None = None,
    missing_value: float | None = None,
    return_X_y: bool = False,
) -> Any:
    """Read keypoint labels of an annotation tool or a data set.

    Nothing is guessed: what the file does not tell apart, or what contradicts itself, is an error
    that names the place; what the file holds and is no object to train on is told in
    ``left_out``.

    Parameters
    ----------
    path : path-like
        A file of annotations, or a folder of files of one format.
    format : str or None, default=None
        One of "coco", "dlib", "cvat", "datumaro", "label_studio", "labelme", "supervisely",
        "stanford_extra", "ljson", "pts", "wflw", "mtfl", "yolo", "via", "deeplabcut", "sleap",
        "openpose", "mediapipe", "csv". By default it is found from the content.
    images : path-like or None, default=None
        Folder of the photographs; every one that has labels must be below it. By default they
        are looked for beside the annotations, and need not be there.
    category : str or None, default=None
        Kind of object to read. Needed where a file has several whose keypoints differ.
    origin : {None, "center", "corner", "one"}, default=None
        What has the coordinates (0, 0) in the file: the centre of the first pixel, its outer
        corner, or, for "one", the pixel before the first, as in MATLAB. By default what the
        documentation of the format says; where it says nothing, numbers stay as they stand.
    missing_value : float or None, default=None
        For tables (format "csv") alone: a point both of whose coordinates are this number is not
        labelled; with NaN, only empty fields are not. By default (0, 0) and (-1, -1) are an error
        where nothing tells which they are.
    return_X_y : bool, default=False
        Whether to return ``(data, target)`` in place of everything.

    Returns
    -------
    Bunch, or (X, y)
        data : DataFrame of shape (n_objects, 5)
            Columns path, left, top, right, bottom: the photograph, and the edges of the object's
            box in its pixels, NaN where there is no box.
        target : DataFrame of shape (n_objects, 2 * n_keypoints)
            Columns ``<name>_x``, ``<name>_y``: pixels of the photograph as a viewer shows it,
            NaN where not labelled.
        keypoint_names : list of str
            Names of the keypoints, in the order of `target`.
        visibility : DataFrame of shape (n_objects, n_keypoints), int8
            0 not labelled, 1 labelled but hidden, 2 visible.
        category : ndarray of shape (n_objects,), object
            Kind of each object, or None.
        frame, track : ndarray of shape (n_objects,)
            Number of the frame in the video, and which object it is, where the file says so.
        skeleton : list of pairs of str
            Keypoints that a line joins.
        flip_pairs : list of pairs of str
            Keypoints that a mirror exchanges, only where the file says so.
        missing_images : list of str
            Photographs that were not found; their paths in `data` are as the file has them.
        left_out : DataFrame with columns where, reason
            What the file holds and `data` does not.
        format : str
            Format that was read.
        DESCR : str
            What was read.

    Raises
    ------
    AnnotationError
        If the content is not what it should be, or leaves open what a number means.

    Notes
    -----
    Where a photograph has another size than the annotations say, in the same proportions, the
    coordinates are scaled to it; with other proportions it is another photograph, an error.

    .. versionadded:: 0.2

    Examples
    --------
    >>> import json, tempfile
    >>> from pathlib import Path
    >>> from sklearn_kpd.datasets import load_annotations
    >>> file = Path(tempfile.mkdtemp(), "annotations.json")
    >>> _ = file.write_text(json.dumps({
    ...     "images": [{"id": 1, "file_name": "cat.jpg"}],
    ...     "categories": [{"id": 1, "name": "cat", "keypoints": ["nose", "tail"]}],
    ...     "annotations": [{"image_id": 1, "category_id": 1, "bbox": [10, 20, 80, 60],
    ...                      "keypoints": [15, 30.5, 2, 0, 0, 0]}],
    ... }))
    >>> X, y = load_annotations(file, return_X_y=True)
    >>> X[["left", "top", "right", "bottom"]].values.tolist()
    [[10.0, 20.0, 90.0, 80.0]]
    >>> y
       nose_x  nose_y  tail_x  tail_y
    0    15.0    30.5     NaN     NaN
    """
    path = Path(path)
    if origin not in _SHIFTS:
        raise ValueError(f"origin={origin!r} may be None, 'center', 'corner' or 'one'.")
    if format is not None and format not in FORMATS:
        raise ValueError(f"format={format!r} is unknown; it may be one of {', '.join(FORMATS)}.")
    if not path.exists():
        raise FileNotFoundError(f"There is no file or folder {path}.")
    finder = Images(None if images is None else Path(images))
    if finder.root is not None and not finder.root.is_dir():
        raise FileNotFoundError(f"images={str(images)!r} is no folder.")
    found, name = _read(path, format, finder, missing_value)
    objects, names = _of_category(path, found, category)
    origin = origin or found.origin
    objects, missing, n_scaled = _on_photographs(path, objects, finder, _TO_CORNER[origin])
    shift = _SHIFTS[origin]
    bunch = _bunch([_shifted(item, shift) for item in objects], names)
    bunch.skeleton = [pair for pair in found.skeleton if set(pair) <= set(names)]
    if found.flip_pairs is not None:
        bunch.flip_pairs = [pair for pair in found.flip_pairs if set(pair) <= set(names)]
    bunch.missing_images = missing
    bunch.left_out = pd.DataFrame(found.left_out, columns=["where", "reason"], dtype=object)
    bunch.format = name
    bunch.DESCR = _description(path, name, bunch, n_scaled)
    return (bunch.data, bunch.target) if return_X_y else bunch


def _module(name: str) -> ModuleType:
    return import_module(f"sklearn_kpd.datasets.annotations.{FORMATS[name]}")


def _read(
    path: Path, format: str | None, finder: Images, missing_value: float | None
) -> tuple[Annotations, str]:
    """Read a file or a folder; also the name of its format."""
    formats = [format] if format else _formats_of(path, b"" if path.is_dir() else _head(path))
    if not path.is_dir():
        if len(formats) != 1:
            raise AnnotationError(_no_format(path, formats))
        return _read_one(path, formats[0], finder, missing_value), formats[0]
    if len(formats) == 1 and _module(formats[0]).is_this(path, b""):
        return _read_one(path, formats[0], finder, missing_value), formats[0]
    files, left_out = _files_below(path, format)
    formats = sorted({name for names in files.values() for name in names})
    if len(formats) != 1:
        raise AnnotationError(_no_format(path, formats))
    found = _merged([_read_one(file, formats[0], finder, missing_value) for file in files], path)
    found.left_out += left_out
    return found, formats[0]


def _read_one(path: Path, format: str, finder: Images, missing_value: float | None) -> Annotations:
    options = {}
    if missing_value is not None:
        if format != "csv":
            raise ValueError(
                f"missing_value= is for tables (csv); {path} has the format {format}."
            )
        options = {"missing_value": missing_value}
    found = _module(format).read(path, finder, **options)
    found.objects = [replace(item, file=path) for item in found.objects]
    return found


def _head(path: Path) -> bytes:
    with open_regular(path) as file:
        return file.read(_HEAD)


def _formats_of(path: Path, head: bytes) -> list[str]:
    return [name for name in FORMATS if _module(name).is_this(path, head)]


def _no_format(path: Path, formats: Iterable[str]) -> str:
    if formats:
        return f"{path}: this may be {' or '.join(formats)}; say which by format=."
    return (
        f"{path}: no format of annotations that is known here; if it is one of "
        f"{', '.join(FORMATS)}, say so by format=."
    )


def _files_below(
    folder: Path, format: str | None
) -> tuple[dict[Path, list[str]], list[tuple[str, str]]]:
    """Files of annotations below a folder, with their formats; what else may be one."""
    found, left_out = {}, []
    for file in sorted(folder.rglob("*")):
        if file.suffix.lower() not in _TEXTS or not file.is_file():
            continue
        head = _head(file)
        formats = _formats_of(file, head)
        if format is not None:
            formats = [name for name in formats if name == format]
        if formats:
            found[file] = formats
        else:
            reason = "it is no file of the format" if format else "its format is not known"
            left_out.append((str(file), reason))
    return found, left_out


def _merged(parts: list[Annotations], folder: Path) -> Annotations:
    """One from several: names must agree where they are the whole list, and add up else."""
    merged = Annotations(objects=[], names={})
    for part in parts:
        for category, names in part.names.items():
            before = merged.names.setdefault(category, names)
            if before == names:
                continue
            if part.names_are_all and before and names:
                place = part.objects[0].where if part.objects else str(folder)
                raise AnnotationError(
                    f"{place}: {len(names)} keypoints, {_listed(names)}, where the files before "
                    f"have {len(before)}, {_listed(before)}; read them apart."
                )
            merged.names[category] = tuple(dict.fromkeys(before + names))
        merged.objects += part.objects
        merged.left_out += part.left_out
        merged.skeleton += [pair for pair in part.skeleton if pair not in merged.skeleton]
        if part.flip_pairs is not None:
            pairs = merged.flip_pairs or []
            merged.flip_pairs = pairs + [pair for pair in part.flip_pairs if pair not in pairs]
    merged.names_are_all = all(part.names_are_all for part in parts)
    origins = {part.origin for part in parts}
    if len(origins) > 1:
        raise AnnotationError(
            f"{folder}: its files count pixels from different places; read them apart, or say by "
            "origin= what has the coordinates (0, 0)."
        )
    merged.origin = origins.pop()
    return merged


def _listed(names: Iterable[Any]) -> str:
    """Names for an error message, the first few."""
    texts = [str(name) for name in names]
    return ", ".join(texts[:6]) + (", ..." if len(texts) > 6 else "")


def _of_category(
    path: Path, found: Annotations, category: str | None
) -> tuple[list[Annotated], tuple[str, ...]]:
    """Objects that have keypoints, all of one kind, and the names of these."""
    if category is not None and category not in found.names:
        known = [repr(name) for name in found.names if name is not None]
        raise ValueError(
            f"category={category!r} is none of {path}: it has {_listed(known) or 'no categories'}."
        )
    objects = []
    for item in found.objects:
        if category is not None and item.category != category:
            found.left_out.append((item.where, f"its category is {item.category!r}"))
        elif not found.names.get(item.category):
            found.left_out.append((item.where, f"the category {item.category!r} has no keypoints"))
        else:
            objects.append(item)
    if not objects:
        reasons = dict.fromkeys(reason for _, reason in found.left_out)
        left_out = f" (left out: {_listed(reasons)})" if reasons else ""
        raise AnnotationError(f"{path}: no object with keypoints{left_out}.")
    lists: dict[tuple[str, ...], str | None] = {}
    for item in objects:
        lists.setdefault(found.names[item.category], item.category)
    if len(lists) == 1:
        return objects, next(iter(lists))
    if not found.names_are_all:
        return objects, tuple(dict.fromkeys(name for names in lists for name in names))
    kinds = "; ".join(f"{name!r} has {_listed(names)}" for names, name in lists.items())
    raise AnnotationError(
        f"{path}: the categories have different keypoints ({kinds}); say which to read by "
        "category=."
    )


def _on_photographs(
    path: Path, objects: list[Annotated], finder: Images, to_corner: float
) -> tuple[list[Annotated], list[str], int]:
    """The objects with their photographs' paths, in pixels of these.

    Also the photographs that were not found, and how many objects were scaled.
    """
    paths = _paths(objects, finder)
    missing = list(dict.fromkeys(name for (_, name), found in paths.items() if found is None))
    if missing and finder.root is not None:
        raise AnnotationError(
            f"{path}: {len(missing)} of {len(paths)} images are not below images="
            f"{str(finder.root)!r}, the first is {missing[0]}; without images= the labels are "
            "read with the names that the file has."
        )
    sizes = {found: stored_and_shown_size(found) for found in paths.values() if found}
    on_photographs, n_scaled = [], 0
    for item in objects:
        found = paths.get(_key(item))
        if found is None:
            on_photographs.append(item)
            continue
        factors = _factors(item, found, sizes[found])
        if factors != (1.0, 1.0):
            n_scaled += 1
            item = _shifted(_scaled(_shifted(item, to_corner), *factors), -to_corner)
        on_photographs.append(replace(item, image=os.path.normpath(found)))
    return on_photographs, missing, n_scaled


def _key(item: Annotated) -> tuple[Path | None, str | None]:
    """What tells a photograph from the others: its name, seen from one folder."""
    return item.file and item.file.parent, item.image


def _paths(objects: list[Annotated], finder: Images) -> dict[Any, Path | None]:
    """Photograph of each key, None where there is none; never one for two names."""
    paths: dict[Any, Path | None] = {}
    names: dict[Path, str] = {}
    for item in objects:
        if item.image is None or item.file is None or _key(item) in paths:
            continue
        found = paths[_key(item)] = finder.find(item.image, item.file)
        if found is None:
            continue
        other = names.setdefault(found.resolve(), item.image)
        if parts_of(other) != parts_of(item.image):
            raise AnnotationError(
                f"{item.where}: the images {other} and {item.image} would both be {found}; "
                "give the folder that their names start from by images=."
            )
    return paths


def _factors(
    item: Annotated, found: Path, sizes: tuple[tuple[int, int], tuple[int, int]] | None
) -> tuple[float, float]:
    """What x and y are multiplied by, from pixels of the file to pixels of the photograph."""
    if sizes is None or item.image_size is None or item.image_size == sizes[1]:
        return 1.0, 1.0
    (said_height, said_width), (height, width) = item.image_size, sizes[1]
    says = f"{item.where}: its image has {said_width} × {said_height} pixels in the file, but"
    if item.image_size == sizes[0]:
        raise AnnotationError(
            f"{says} {found} is shown turned by its EXIF data, {width} × {height}; turn the "
            "image's pixels and remove the EXIF orientation, if it was annotated unturned."
        )
    x, y = width / said_width, height / said_height
    # One of the two sizes may have been rounded, to half a pixel of an image worth labelling.
    smaller = abs(x - y) <= 0.5 / said_width + 0.5 / said_height
    larger = abs(1 / x - 1 / y) <= 0.5 / width + 0.5 / height
    if not (smaller or larger) or abs(x / y - 1) > 0.1:
        raise AnnotationError(
            f"{says} {found} has {width} × {height}: not the image that was annotated."
        )
    return x, y


def _scaled(item: Annotated, x: float, y: float) -> Annotated:
    points = {name: (px * x, py * y) for name, (px, py) in item.points.items()}
    box = item.box and (item.box[0] * x, item.box[1] * y, item.box[2] * x, item.box[3] * y)
    return replace(item, points=points, box=box)


def _shifted(item: Annotated, by: float) -> Annotated:
    if not by:
        return item
    points = {name: (x + by, y + by) for name, (x, y) in item.points.items()}
    left, top, right, bottom = item.box or (0, 0, 0, 0)
    box = item.box and (left + by, top + by, right + by, bottom + by)
    return replace(item, points=points, box=box)


def _bunch(objects: list[Annotated], names: tuple[str, ...]) -> Bunch:
    n, at = len(objects), {name: k for k, name in enumerate(names)}
    points = np.full((n, len(names), 2), np.nan)
    visibility = np.zeros((n, len(names)), dtype=np.int8)
    boxes = np.full((n, 4), np.nan)
    for row, item in enumerate(objects):
        for name, point in item.points.items():
            points[row, at[name]] = point
            visibility[row, at[name]] = 1 if name in item.hidden else 2
        if item.box is not None:
            boxes[row] = item.box
    data = pd.DataFrame(boxes, columns=["left", "top", "right", "bottom"])
    data.insert(0, "path", paths_column(item.image for item in objects))
    bunch = Bunch(
        data=data,
        target=pd.DataFrame(points.reshape(n, -1), columns=columns_from_names(names)),
        keypoint_names=list(names),
        visibility=pd.DataFrame(visibility, columns=list(names)),
        category=np.array([item.category for item in objects], dtype=object),
    )
    if any(item.frame is not None for item in objects):
        bunch.frame = np.array([item.frame for item in objects], dtype=object)
    if any(item.track is not None for item in objects):
        bunch.track = np.array([item.track for item in objects], dtype=object)
    return bunch


def _description(path: Path, format: str, bunch: Bunch, n_scaled: int) -> str:
    n, k = len(bunch.data), len(bunch.keypoint_names)
    lines = [
        f"{n} objects with {k} keypoints on {bunch.data['path'].nunique()} images, read from "
        f"{path} (format {format}).",
        f"{len(bunch.left_out)} things are left out, see left_out.",
    ]
    if bunch.missing_images:
        lines.append(f"{len(bunch.missing_images)} images were not found, see missing_images.")
    if n_scaled:
        lines.append(
            f"{n_scaled} objects are on photographs of another size than the file says: their "
            "coordinates are scaled to them."
        )
    return "\n".join(lines)
