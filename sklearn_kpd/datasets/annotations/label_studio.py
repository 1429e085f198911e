"""Label Studio's JSON, JSON-MIN and CSV."""

import csv
import json
import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from sklearn_kpd.datasets.annotations._grouping import Group, Mark, Shape, group, group_by_place
from sklearn_kpd.datasets.annotations._images import SUFFIXES, Images, parts_of
from sklearn_kpd.datasets.annotations._records import Annotated, Annotations, Point
from sklearn_kpd.datasets.annotations._strict import (
    image_size,
    member,
    number,
    outline,
    read_json,
    read_text,
    short,
)
from sklearn_kpd.exceptions import AnnotationError

#: What the name of an uploaded image begins with.
_UPLOAD = re.compile(r"^[0-9a-f]{8}-")


class _Task(NamedTuple):
    """One image and what is drawn on it, in the form of a list of results."""

    where: str
    image: str | None
    results: list[Any]


def is_this(path: Path, head: bytes) -> bool:
    """Whether the content begins as an export of Label Studio does."""
    kind, keys = outline(head)
    if kind:
        is_task = "data" in keys and ({"annotations", "predictions", "completions"} & keys.keys())
        return bool(is_task) or (kind == "[" and {"annotation_id", "annotator"} <= keys.keys())
    return b"annotation_id" in head.split(b"\n", 1)[0] and b'""original_width""' in head


def read(path: Path, images: Images) -> Annotations:
    """Read a file: one object for each region that has keypoints, and each that could have.

    A keypoint belongs to the region that its parentID or a relation names; where there is
    neither, to the region around it. Coordinates are percents of the image. There is no mark for
    hidden points. Predictions are read where the file has no annotation at all.
    """
    left_out: list[tuple[str, str]] = []
    objects, names = [], dict[str | None, tuple[str, ...]]()
    for task in _tasks(path, left_out):
        image = task.image and _find(images, task.image, path)
        regions = _regions(task, left_out)
        groups, rest = _groups(regions)
        if not groups and not rest:
            left_out.append((task.where, "it has no annotation"))
        for found in [*groups, *(Group([], shape) for shape in rest)]:
            before = names.get(found.category, ())
            names[found.category] = tuple(dict.fromkeys([*before, *found.points]))
            objects.append(
                Annotated(
                    image=image,
                    points=found.points,
                    where=found.where,
                    box=found.box,
                    category=found.category,
                    image_size=regions.size,
                )
            )
    return Annotations(objects=objects, names=names, left_out=left_out, names_are_all=False)


def _find(images: Images, name: str, path: Path) -> str:
    """Name of the image, without the prefix of an upload if only so it is found."""
    if images.find(name, path) is None and parts_of(name):
        plain = _UPLOAD.sub("", parts_of(name)[-1])
        if images.find(plain, path) is not None:
            return plain
    return name


def _tasks(path: Path, left_out: list[tuple[str, str]]) -> Iterable[_Task]:
    content = _rows(path) if path.suffix.lower() == ".csv" else read_json(path)
    content = content if isinstance(content, list) else [content]
    places = []
    for at, task in enumerate(content):
        where = f"{path}, task {at}"
        if not isinstance(task, dict):
            raise AnnotationError(f"{where}: {short(task)} stands where a task should.")
        places.append(f"{where} (id {short(task['id'])})" if "id" in task else where)
    full = [task for task in content if "data" in task]
    if not full:
        for where, task in zip(places, content, strict=True):
            yield _Task(where, _image(task, where), list(_results_of_minimal(task, where)))
        return
    annotated = any(_list(task, "annotations", "") for task in full)
    for where, task in zip(places, content, strict=True):
        key = "annotations" if annotated else "predictions"
        versions = []
        for version in _list(task, key, where):
            if not isinstance(version, dict):
                raise AnnotationError(f"{where}: {short(version)} stands in {key!r}.")
            if version.get("was_cancelled"):
                left_out.append((where, "an annotation was cancelled"))
            else:
                versions.append(version)
        if len(versions) > 1:
            versions = [version for version in versions if version.get("ground_truth")] or versions
        if len(versions) > 1:
            raise AnnotationError(
                f"{where}: {len(versions)} {key}, which would give each object as many rows; keep "
                "one, or mark one as ground truth."
            )
        image = _image(member(task, "data", dict, where), where)
        results = member(versions[0], "result", list, where) if versions else []
        yield _Task(where, image, results)


def _list(task: dict[str, Any], key: str, where: str) -> list[Any]:
    found = task.get(key) or []
    if not isinstance(found, list):
        raise AnnotationError(f"{where}: {key!r} may not be {short(found)}.")
    return found


def _rows(path: Path) -> list[dict[str, Any]]:
    """Rows of a CSV, whose fields hold JSON."""
    rows = []
    try:
        for row in csv.DictReader(read_text(path).splitlines(keepends=True), strict=True):
            for key, text in row.items():
                if isinstance(text, str) and text[:1] == "[":
                    row[key] = json.loads(text)
            rows.append(row)
    except (csv.Error, ValueError, RecursionError) as error:
        if isinstance(error, AnnotationError):
            raise
        raise AnnotationError(f"{path}, row {len(rows) + 1}: {error}.") from error
    return rows


def _results_of_minimal(task: dict[str, Any], where: str) -> Iterable[dict[str, Any]]:
    """The results that JSON-MIN was made from, as far as it keeps them."""
    for values in task.values():
        for value in values if isinstance(values, list) else ():
            if isinstance(value, dict) and "original_width" in value:
                kind = next((k for k in value if k.endswith("labels")), "")
                yield {"type": kind, "value": value, **value}


def _image(data: dict[str, Any], where: str) -> str | None:
    """Name of the image among the data of a task."""
    texts = {key: text for key, text in data.items() if isinstance(text, str) and text}
    for key in ("image", "img"):
        if key in texts:
            return texts[key]
    found = {key: text for key, text in texts.items() if text.lower().endswith(SUFFIXES)}
    if len(found) != 1:
        raise AnnotationError(
            f"{where}: its data have {len(found)} images ({', '.join(found) or 'none'}); "
            "keep one, or call it 'image'."
        )
    return next(iter(found.values()))


class _Regions:
    """Keypoints and outlines of one image, by their ids, and what ties them."""

    def __init__(self) -> None:
        self.marks: dict[str, Mark] = {}
        self.shapes: dict[str, Shape] = {}
        self.parents: dict[str, set[str]] = {}
        self.size: tuple[int, int] | None = None


def _regions(task: _Task, left_out: list[tuple[str, str]]) -> _Regions:
    found = _Regions()
    relations = []
    for at, result in enumerate(task.results):
        where = f"{task.where}, result {at}"
        kind = member(result, "type", str, where)
        if kind == "relation":
            relations.append(result)
            continue
        if kind not in ("keypointlabels", "rectanglelabels", "polygonlabels"):
            left_out.append((where, f"{kind!r} has no keypoints"))
            continue
        key = str(result.get("id", f"#{at}"))
        if key in found.marks or key in found.shapes:
            raise AnnotationError(f"{where}: another result has the id {key!r} too.")
        found.size = size = _size(result, found.size, where)
        value = member(result, "value", dict, where)
        label = _label(member(value, kind, list, where), where)
        if kind == "keypointlabels":
            at_point = _percent(value.get("x"), value.get("y"), size, where)
            found.marks[key] = Mark(label, at_point, where)
            if result.get("parentID"):
                found.parents.setdefault(key, set()).add(str(result["parentID"]))
        else:
            corners = _CORNERS[kind](value, size, where)
            found.shapes[key] = Shape(label, corners, where)
    for relation in relations:
        ends = [str(relation.get("from_id")), str(relation.get("to_id"))]
        for child, parent in (ends, ends[::-1]):
            if child in found.marks and parent in found.shapes:
                found.parents.setdefault(child, set()).add(parent)
    return found


def _size(result: dict[str, Any], before: tuple[int, int] | None, where: str) -> tuple[int, int]:
    """Size of the image, which all its results have to agree on."""
    size = image_size(result.get("original_height"), result.get("original_width"), where)
    if before not in (None, size):
        raise AnnotationError(f"{where}: results of one image give it different sizes.")
    if result.get("image_rotation"):
        raise AnnotationError(
            f"{where}: the image was turned in the tool (image_rotation is "
            f"{short(result['image_rotation'])}); turn the image itself."
        )
    return size


def _label(labels: list[Any], where: str) -> str:
    if len(labels) != 1 or not isinstance(labels[0], str) or not labels[0].strip():
        raise AnnotationError(f"{where}: one label is needed, not {short(labels)}.")
    return labels[0].strip()


def _percent(x: Any, y: Any, size: tuple[int, int], where: str) -> Point:
    height, width = size
    return number(x, where) * width / 100, number(y, where) * height / 100


def _rectangle(value: dict[str, Any], size: tuple[int, int], where: str) -> list[Point]:
    """Two ends of the diagonal, or four corners if it is turned about its first corner."""
    left, top = _percent(value.get("x"), value.get("y"), size, where)
    width, height = _percent(value.get("width"), value.get("height"), size, where)
    angle = math.radians(number(value.get("rotation") or 0, where))
    if not angle:
        return [(left, top), (left + width, top + height)]
    cos, sin = math.cos(angle), math.sin(angle)
    corners = [(0.0, 0.0), (width, 0.0), (width, height), (0.0, height)]
    return [(left + x * cos - y * sin, top + x * sin + y * cos) for x, y in corners]


def _polygon(value: dict[str, Any], size: tuple[int, int], where: str) -> list[Point]:
    corners = member(value, "points", list, where)
    if len(corners) < 3 or not all(isinstance(c, list) and len(c) == 2 for c in corners):
        raise AnnotationError(f"{where}: a polygon has three or more [x, y].")
    return [_percent(x, y, size, where) for x, y in corners]


#: Corners of the outlines that may hold points.
_CORNERS = {"rectanglelabels": _rectangle, "polygonlabels": _polygon}


def _groups(regions: _Regions) -> tuple[list[Group], list[Shape]]:
    """Objects, and the outlines that have no points."""
    children: dict[str, list[Mark]] = {}
    free = []
    for key, mark in regions.marks.items():
        parents = regions.parents.get(key, set())
        unknown = parents - regions.shapes.keys()
        if unknown or len(parents) > 1:
            what = f"a region {sorted(unknown)[0]!r} that is no box" if unknown else "two regions"
            raise AnnotationError(
                f"{mark.where}: the keypoint {mark.name!r} belongs to {what}; tie it to one box."
            )
        if parents:
            children.setdefault(parents.pop(), []).append(mark)
        else:
            free.append(mark)
    without = [shape for key, shape in regions.shapes.items() if key not in children]
    groups = [group(marks, regions.shapes[key]) for key, marks in children.items()]
    groups += group_by_place(free, without)
    taken = {id(found.shape) for found in groups}
    return groups, [shape for shape in regions.shapes.values() if id(shape) not in taken]
