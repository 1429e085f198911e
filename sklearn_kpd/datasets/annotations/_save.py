"""Writing X and y in the formats of annotation tools."""

import csv
import io
import json
import math
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree.ElementTree import Element, ElementTree, SubElement, indent

import numpy as np
import numpy.typing as npt
import pandas as pd

from sklearn_kpd._common.files import replacing
from sklearn_kpd._common.texts import shielded, shielded_path, text_of_path
from sklearn_kpd.datasets.annotations._frames import tracked
from sklearn_kpd.datasets.annotations._images import shown_size
from sklearn_kpd.datasets.annotations._records import WRITTEN, Box, Point
from sklearn_kpd.keypoints import FloatArray, check_keypoints

_BOX = ["left", "top", "right", "bottom"]

#: Who labelled, where a format asks.
_SCORER = "sklearn_kpd"


class _Row(NamedTuple):
    """One object: points by name, None where not labelled, and which are hidden."""

    points: dict[str, Point | None]
    hidden: frozenset[str]
    box: Box | None


class _Photograph(NamedTuple):
    """The objects of one image; its name as the file is to have it, its size if it is there."""

    path: str
    name: str
    size: tuple[int, int] | None
    rows: list[_Row]


class _Content(NamedTuple):
    """All that is written."""

    photographs: list[_Photograph]
    names: tuple[str, ...]
    category: str


def save_annotations(
    X: Any,
    y: Any,
    path: Any,
    format: str,
    *,
    visibility: Any = None,
    category: str = "object",
) -> None:
    """Write keypoints for an annotation tool, or for whatever reads its format.

    What is written and read again by :func:`load_annotations` is the same, to the last digit that
    the format keeps: all of them, but for dlib's, which keeps whole pixels. Rows come back
    grouped by photograph.

    Parameters
    ----------
    X : DataFrame, or array-like of path-like
        Photographs: a column path and, if there are boxes, left, top, right, bottom. With a column
        frame, frames of one video, which "deeplabcut" alone can hold.
    y : DataFrame or array-like of shape (n, 2 * n_keypoints)
        Pixels, NaN where not labelled. Keypoints of an array are called by their numbers.
    path : path-like
        The file to write. Names of photographs that exist are written as seen from its folder.
    format : {"coco", "dlib", "cvat", "label_studio", "deeplabcut", "csv"}
        "label_studio" writes predictions, which Label Studio imports as pre-annotations, for a
        labelling configuration with ``KeyPointLabels name="keypoints"`` and ``RectangleLabels
        name="bbox"`` on ``Image name="image"``; it needs the photographs, for their sizes.
        "deeplabcut" writes CollectedData with all objects of an image as individuals; of a video,
        what DeepLabCut calls tracks, a row a frame, with the likelihood 1 for every point: it says
        that there is one, not how sure it is. Boxes are kept by all but "deeplabcut"; "dlib" needs
        one for each object.
    visibility : array-like of shape (n, n_keypoints) or None, default=None
        1 where a labelled keypoint is hidden, kept by "coco", "cvat" and "csv".
    category : str, default="object"
        What the objects are.

    Raises
    ------
    ValueError
        If the format cannot hold what is given.

    Notes
    -----
    In tables, which spreadsheets open, no text is left that they would take for a formula: before
    ``=``, ``+``, ``-`` or ``@`` a path begins with ``./``, which is the same path, and a name with
    an apostrophe. The bytes of a file's name that are no UTF-8 are written as in an address
    (``%FF``). :func:`load_annotations` takes all of it back.

    .. versionadded:: 0.2

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import pandas as pd
    >>> from sklearn_kpd.datasets import load_annotations, save_annotations
    >>> X = pd.DataFrame({"path": ["cat.jpg", "dog.jpg"]})
    >>> y = pd.DataFrame({"nose_x": [15.25, None], "nose_y": [30.5, None]})
    >>> file = Path(tempfile.mkdtemp(), "annotations.json")
    >>> save_annotations(X, y, file, "coco", category="animal")
    >>> load_annotations(file, return_X_y=True)[1]
       nose_x  nose_y
    0   15.25    30.5
    1     NaN     NaN
    """
    if format not in _WRITERS:
        raise ValueError(f"format={format!r} is unknown; it may be one of {', '.join(_WRITERS)}.")
    path = Path(path)
    if isinstance(X, pd.DataFrame) and "frame" in X and X["frame"].notna().any():
        if format != "deeplabcut":
            raise ValueError(
                f"The format {format} names photographs; frames of a video are written by "
                "'deeplabcut'."
            )
        names, points = _names_and_points(y, len(X))
        text = tracked(X, names, points, _SCORER)
    else:
        text = _WRITERS[format](_content(X, y, path.parent, visibility, category))
    with replacing(path) as file:
        file.write(text.encode())


def _content(X: Any, y: Any, folder: Path, visibility: Any, category: str) -> _Content:
    """Check what is given, and group it by photograph."""
    paths, boxes = _paths_and_boxes(X)
    names, points = _names_and_points(y, len(paths))
    hidden = np.zeros(points.shape[:2], dtype=bool)
    if visibility is not None:
        hidden = np.asarray(visibility) == 1
        if hidden.shape != points.shape[:2]:
            raise ValueError(
                f"visibility has the shape {hidden.shape}; for these y it needs "
                f"{points.shape[:2]}."
            )
    photographs: dict[str, _Photograph] = {}
    for file, box, values, is_hidden in zip(paths, boxes, points, hidden, strict=True):
        if file not in photographs:
            size = shown_size(Path(file)) if os.path.isfile(file) else None
            photographs[file] = _Photograph(text_of_path(file), _name(file, folder), size, [])
        labelled = ~np.isnan(values[:, 0])
        photographs[file].rows.append(
            _Row(
                {
                    name: (float(x), float(y)) if known else None
                    for name, (x, y), known in zip(names, values, labelled, strict=True)
                },
                frozenset(np.array(names, dtype=object)[labelled & is_hidden]),
                None if np.isnan(box).any() else tuple(map(float, box)),  # type: ignore[arg-type]
            )
        )
    return _Content(list(photographs.values()), names, category)


def _names_and_points(y: Any, n_rows: int) -> tuple[tuple[str, ...], FloatArray]:
    keypoints = check_keypoints(y)
    points = keypoints.values.reshape(len(keypoints.values), -1, 2)
    names = keypoints.names or tuple(map(str, range(points.shape[1])))
    if n_rows != len(points):
        raise ValueError(f"X has {n_rows} rows, y has {len(points)}.")
    halves = np.isnan(points[..., 0]) != np.isnan(points[..., 1])
    if halves.any():
        row, k = np.argwhere(halves)[0]
        raise ValueError(f"Row {row} of y has only one coordinate of {names[k]!r}.")
    return names, points


def _paths_and_boxes(X: Any) -> tuple[list[str], npt.NDArray[np.float64]]:
    if isinstance(X, pd.DataFrame):
        if "path" not in X:
            raise ValueError(f"X has no column 'path'; it has {', '.join(map(str, X))}.")
        column = X["path"]
        if set(_BOX) & set(X) and not set(_BOX) <= set(X):
            raise ValueError("X has some of the columns left, top, right, bottom, but not all.")
        boxes = X[_BOX].to_numpy(dtype=float) if set(_BOX) <= set(X) else None
    else:
        column, boxes = X, None
    paths = []
    for row, path in enumerate(column):
        if not isinstance(path, (str, os.PathLike)) or not str(path):
            raise ValueError(f"Row {row} of X names no photograph: {path!r}.")
        paths.append(os.fspath(path))
    if boxes is None:
        boxes = np.full((len(paths), 4), np.nan)
    wrong = np.isinf(boxes).any(axis=1) | (boxes[:, :2] > boxes[:, 2:]).any(axis=1)
    wrong |= np.isnan(boxes).any(axis=1) != np.isnan(boxes).all(axis=1)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise ValueError(f"Row {row} of X has no sensible box: {boxes[row].tolist()}.")
    return paths, boxes


def _name(file: str, folder: Path) -> str:
    """Path of an image as seen from a folder; as it is, if there is no such image."""
    name = file
    if os.path.isfile(file):
        with suppress(ValueError):  # on another drive
            name = Path(os.path.relpath(file, folder)).as_posix()
    text = text_of_path(name)
    if text != name and os.path.lexists(folder / text):
        raise ValueError(
            f"{text} would stand for two photographs, that of this name and one whose name is no "
            "UTF-8: rename one of them."
        )
    return text


def _coco(content: _Content) -> str:
    images, annotations = [], list[dict[str, Any]]()
    for number, photograph in enumerate(content.photographs, start=1):
        image: dict[str, Any] = {"id": number, "file_name": photograph.name}
        if photograph.size:
            image["height"], image["width"] = photograph.size
        images.append(image)
        for row in photograph.rows:
            annotation: dict[str, Any] = {
                "id": len(annotations) + 1,
                "image_id": number,
                "category_id": 1,
                "iscrowd": 0,
                "num_keypoints": sum(point is not None for point in row.points.values()),
                "keypoints": [
                    value
                    for name, point in row.points.items()
                    for value in (
                        (0, 0, 0) if point is None else (*point, 2 - (name in row.hidden))
                    )
                ],
            }
            if row.box:
                left, top, right, bottom = row.box
                annotation["bbox"] = [left, top, _extent(left, right), _extent(top, bottom)]
                annotation["area"] = (right - left) * (bottom - top)
            annotations.append(annotation)
    category = {
        "id": 1,
        "name": content.category,
        "supercategory": "",
        "keypoints": list(content.names),
        "skeleton": [],
    }
    whole = {"images": images, "annotations": annotations, "categories": [category]}
    return json.dumps(whole, ensure_ascii=False, allow_nan=False, indent=1)


def _extent(start: float, end: float) -> float:
    """The length that, added to the start, gives the end to the last digit, or nearly so."""
    return _nearest(end - start, lambda length: start + length, end)


def _nearest(guess: float, then: Callable[[float], float], goal: float) -> float:
    """The number next to a guess from which arithmetic leads to a goal."""
    down = up = guess
    for _ in range(4):
        for candidate in (down, up):
            if then(candidate) == goal:
                return candidate
        down, up = math.nextafter(down, -math.inf), math.nextafter(up, math.inf)
    return guess


def _dlib(content: _Content) -> str:
    root = Element("dataset")
    SubElement(root, "name").text = content.category
    images = SubElement(root, "images")
    for photograph in content.photographs:
        image = SubElement(images, "image", file=photograph.name)
        if photograph.size:
            image.set("width", str(photograph.size[1]))
            image.set("height", str(photograph.size[0]))
        for row in photograph.rows:
            if row.box is None:
                raise ValueError(
                    f"dlib needs a box for each object, and one on {photograph.path} has none; "
                    "fill left, top, right, bottom of X."
                )
            left, top, right, bottom = map(round, row.box)
            edges = {"top": top, "left": left, "width": right - left, "height": bottom - top}
            box = SubElement(image, "box", {key: str(value) for key, value in edges.items()})
            for name, point in sorted(row.points.items()):
                if point is not None:
                    x, y = map(round, point)
                    SubElement(box, "part", name=name, x=str(x), y=str(y))
    return _xml(root)


def _xml(root: Element) -> str:
    indent(root)
    with io.BytesIO() as file:
        ElementTree(root).write(file, encoding="utf-8", xml_declaration=True)
        return file.getvalue().decode("utf-8") + "\n"


def _cvat(content: _Content) -> str:
    root = Element("annotations")
    SubElement(root, "version").text = "1.1"
    labels = SubElement(SubElement(SubElement(root, "meta"), "task"), "labels")
    kinds = [(content.category, "skeleton", ""), (f"{content.category} box", "rectangle", "")]
    kinds += [(name, "points", content.category) for name in content.names]
    for name, kind, parent in kinds:
        label = SubElement(labels, "label")
        SubElement(label, "name").text = name
        SubElement(label, "type").text = kind
        SubElement(label, "attributes")
        if parent:
            SubElement(label, "parent").text = parent
    group = 0
    for number, photograph in enumerate(content.photographs):
        image = SubElement(root, "image", id=str(number), name=photograph.name)
        if photograph.size:
            image.set("width", str(photograph.size[1]))
            image.set("height", str(photograph.size[0]))
        for row in photograph.rows:
            group += 1
            tied = {"source": "manual", "group_id": str(group)}
            if row.box:
                edges = dict(zip(("xtl", "ytl", "xbr", "ybr"), map(repr, row.box), strict=True))
                said = {"label": f"{content.category} box", "occluded": "0"}
                SubElement(image, "box", {**said, **tied, **edges})
            item = SubElement(image, "skeleton", {"label": content.category, **tied})
            for name, point in row.points.items():
                x, y = point or (0.0, 0.0)
                SubElement(
                    item,
                    "points",
                    label=name,
                    outside=str(int(point is None)),
                    occluded=str(int(name in row.hidden)),
                    points=f"{x!r},{y!r}",
                )
    return _xml(root)


def _label_studio(content: _Content) -> str:
    tasks = []
    for number, photograph in enumerate(content.photographs, start=1):
        if photograph.size is None:
            raise ValueError(
                f"Label Studio keeps percents of the image, but {photograph.path} is not there or "
                "cannot be read."
            )
        if len(photograph.rows) > 1 and any(row.box is None for row in photograph.rows):
            raise ValueError(
                "Label Studio ties the points of an object to its box; one of the "
                f"{len(photograph.rows)} objects on {photograph.path} has none: fill left, top, "
                "right, bottom of X."
            )
        result = [
            item
            for at, row in enumerate(photograph.rows)
            for item in _results(row, f"object{at}", content.category, photograph.size)
        ]
        predictions = [{"model_version": _SCORER, "result": result}]
        tasks.append(
            {"id": number, "data": {"image": photograph.name}, "predictions": predictions}
        )
    return json.dumps(tasks, ensure_ascii=False, allow_nan=False, indent=1)


def _results(
    row: _Row, key: str, category: str, size: tuple[int, int]
) -> Iterator[dict[str, Any]]:
    """A rectangle, and the points that it is the parent of."""
    height, width = size
    common = {
        "to_name": "image",
        "image_rotation": 0,
        "original_width": width,
        "original_height": height,
    }
    if row.box:
        left, top, right, bottom = row.box
        value: dict[str, Any] = {
            "x": _percent(left, width),
            "y": _percent(top, height),
            "width": _percent(right - left, width),
            "height": _percent(bottom - top, height),
            "rotation": 0,
            "rectanglelabels": [category],
        }
        yield {"id": key, "type": "rectanglelabels", "from_name": "bbox", "value": value, **common}
    for name, point in row.points.items():
        if point is None:
            continue
        value = {
            "x": _percent(point[0], width),
            "y": _percent(point[1], height),
            "width": 0.5,  # of the dot that is drawn
            "keypointlabels": [name],
        }
        item = {"type": "keypointlabels", "from_name": "keypoints", "value": value, **common}
        yield {"id": f"{key} {name}", **item, **({"parentID": key} if row.box else {})}


def _percent(value: float, size: int) -> float:
    return _nearest(value * 100 / size, lambda percent: percent * size / 100, value)


def _deeplabcut(content: _Content) -> str:
    most = max(len(photograph.rows) for photograph in content.photographs)
    individuals = [f"individual{at}" for at in range(1, most + 1)]
    columns = [
        (animal, name, axis) for animal in individuals for name in content.names for axis in "xy"
    ]
    levels = {
        "scorer": [_SCORER] * len(columns),
        "individuals": [column[0] for column in columns],
        "bodyparts": [shielded(column[1]) for column in columns],
        "coords": [column[2] for column in columns],
    }
    if most == 1:
        del levels["individuals"]
    with io.StringIO() as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([level, "", "", *values] for level, values in levels.items())
        for photograph in content.photographs:
            points = [point for row in photograph.rows for point in row.points.values()]
            points += [None] * (most * len(content.names) - len(points))
            values = [
                value for point in points for value in (map(repr, point) if point else ("", ""))
            ]
            place = map(shielded_path, _labeled_data(photograph.path))
            writer.writerow([*place, *values])
        return file.getvalue()


def _labeled_data(path: str) -> tuple[str, str, str]:
    """Where DeepLabCut has an image: labeled-data, the name of the video, the image."""
    *_, folder, name = "", "", *path.replace("\\", "/").split("/")
    if not folder:
        raise ValueError(
            f"DeepLabCut keeps images in labeled-data/<video>/<image>, but {path} is in no folder."
        )
    return "labeled-data", folder, name


def _csv(content: _Content) -> str:
    with io.StringIO() as file:
        writer = csv.writer(file, lineterminator="\n")
        columns = [f"{name}_{key}" for name in content.names for key in ("x", "y", "visible")]
        writer.writerow([*WRITTEN, *map(shielded, columns)])
        for photograph in content.photographs:
            for row in photograph.rows:
                fields = [
                    shielded_path(photograph.name),
                    *map(repr, row.box or ()),
                    *[""] * (0 if row.box else 4),
                ]
                fields.append(shielded(content.category))
                for name, point in row.points.items():
                    fields += (
                        [*map(repr, point), str(2 - (name in row.hidden))]
                        if point
                        else ["", "", "0"]
                    )
                writer.writerow(fields)
        return file.getvalue()


_WRITERS: dict[str, Callable[[_Content], str]] = {
    "coco": _coco,
    "dlib": _dlib,
    "cvat": _cvat,
    "label_studio": _label_studio,
    "deeplabcut": _deeplabcut,
    "csv": _csv,
}
