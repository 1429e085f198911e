"""VGG Image Annotator, versions 1 and 2: exports as JSON and CSV, and saved projects."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from sklearn_kpd.datasets.annotations import _strict, _tables
from sklearn_kpd.datasets.annotations._images import Images
from sklearn_kpd.datasets.annotations._records import Annotated, Annotations, Box, Point
from sklearn_kpd.exceptions import AnnotationError

_CSV_COLUMNS = [
    "filename",
    "file_size",
    "file_attributes",
    "region_count",
    "region_id",
    "region_shape_attributes",
    "region_attributes",
]

#: Which attribute of a region tells the name of a point, its object, whether it is visible.
_NAME = ("keypoint", "landmark", "bodypart", "joint", "part", "point", "name", "label")
_OBJECT = ("object", "objectid", "person", "instance", "individual", "face", "animal", "id")
_VISIBLE = ("visible", "visibility")
_HIDDEN = ("hidden", "occluded")

#: What a point is called that has no attribute at all.
_UNNAMED = "point"

_YES = {"yes": True, "true": True, "no": False, "false": False}


class _Region(NamedTuple):
    """A shape on an image, with attributes that are free text."""

    where: str
    shape: Mapping[str, Any]
    attributes: Mapping[str, Any]


def is_this(path: Path, head: bytes) -> bool:
    """Whether the content has the columns, or the keys, of VIA."""
    text = _tables.head_text(head)
    first = text.partition("\n")[0].strip().lstrip("#").replace('"', "")
    keys = re.findall(r'"(\w+)"\s*:', text)
    return first.split(",") == _CSV_COLUMNS or (
        text.lstrip().startswith("{")
        and ("_via_img_metadata" in keys or {"filename", "size"} <= set(keys[:8]))
        and ("_via_settings" in keys or "regions" in keys)
    )


def read(path: Path, images: Images) -> Annotations:
    """Read a file: the points of an object on an image belong together.

    VIA has no keypoints, only regions with attributes that are called as people like. A point's
    name is in ``keypoint`` (or ``landmark``, ``bodypart``, ``joint``, ``part``, ``point``,
    ``name``, ``label``), its object in ``object`` (or ``person``, ``face`` ...), and ``visible``
    or ``hidden`` says yes or no; a rectangle of an object is its box. Points without any
    attribute have no name, and each is an object of its own.
    """
    text = _tables.read_text(path)
    files = _json_files(path) if text.lstrip().startswith("{") else _csv_files(text, path)
    objects: list[Annotated] = []
    left_out: list[tuple[str, str]] = []
    for name, regions in files:
        objects.extend(_objects(name.replace("\\", "/"), regions, left_out))
    names = tuple(dict.fromkeys(name for item in objects for name in item.points))
    return Annotations(objects, {None: names}, left_out=left_out, names_are_all=False)


def _json_files(path: Path) -> Iterator[tuple[str, list[_Region]]]:
    files = _mapping(_strict.read_json(path), str(path))
    if "_via_img_metadata" in files:
        files = _mapping(files["_via_img_metadata"], f"{path}, _via_img_metadata")
    for key, entry in files.items():
        where = f"{path}, {_strict.short(key)}"
        entry = _mapping(entry, where)
        name, regions = entry.get("filename"), entry.get("regions")
        if not isinstance(name, str) or not isinstance(regions, list | dict):
            raise AnnotationError(f"{where}: filename or regions is missing.")
        if isinstance(regions, dict):  # as version 1 writes them
            regions = list(regions.values())
        yield (
            name,
            [
                _region(region, f"{where}, region {number}")
                for number, region in enumerate(regions)
            ],
        )


def _region(region: Any, where: str) -> _Region:
    region = _mapping(region, where)
    return _Region(
        where,
        _mapping(region.get("shape_attributes"), f"{where}, shape_attributes"),
        _mapping(region.get("region_attributes"), f"{where}, region_attributes"),
    )


def _mapping(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise AnnotationError(f"{where}: an object of JSON must stand here.")
    return value


def _csv_files(text: str, path: Path) -> Iterator[tuple[str, list[_Region]]]:
    header, rows = _tables.split_table(text, path)
    if [name.lstrip("#") for name in header.fields] != _CSV_COLUMNS:
        raise AnnotationError(f"{path}: the columns must be {', '.join(_CSV_COLUMNS)}.")
    files: dict[tuple[str, str], list[_Region]] = {}
    counts: dict[tuple[str, str], int] = {}
    for row in rows:
        where = f"{path}, line {row.line}"
        if len(row.fields) != len(_CSV_COLUMNS):
            raise AnnotationError(f"{where}: {len(row.fields)} fields in place of 7.")
        name, size, _, count, number, shape, attributes = row.fields
        regions = files.setdefault((name, size), [])
        n_regions = _strict.whole_number(count, f"{where}, region_count")
        if counts.setdefault((name, size), n_regions) != n_regions:
            raise AnnotationError(f"{where}: region_count changes within {name!r}.")
        if n_regions:
            where = f"{where}, region {number}"
            regions.append(_Region(where, _cell(shape, where), _cell(attributes, where)))
    for (name, size), regions in files.items():
        if len(regions) != counts[name, size]:
            raise AnnotationError(
                f"{path}: {name!r} has {len(regions)} regions where region_count says "
                f"{counts[name, size]}; the file is cut off or damaged."
            )
        yield name, regions


def _cell(text: str, where: str) -> Mapping[str, Any]:
    try:
        return _mapping(json.loads(text), where)
    except (ValueError, RecursionError) as error:
        if isinstance(error, AnnotationError):
            raise
        raise AnnotationError(f"{where}: no JSON ({error}).") from error


def _objects(
    image: str, regions: list[_Region], left_out: list[tuple[str, str]]
) -> Iterator[Annotated]:
    groups: dict[str, list[_Region]] = {}
    for region in regions:
        kind = region.shape.get("name")
        if kind not in ("point", "rect"):
            left_out.append((region.where, f"a {kind}, neither point nor rectangle"))
        elif kind == "point" and not any(map(_text, region.attributes.values())):
            yield Annotated(image=image, points={_UNNAMED: _point(region)}, where=region.where)
        else:
            groups.setdefault(_attribute(region, _OBJECT), []).append(region)
    for label, group in groups.items():
        where = f"{group[0].where}, object {label}" if label else group[0].where
        points: dict[str, Point] = {}
        hidden = set()
        boxes: list[Box | None] = []
        for region in group:
            if region.shape["name"] == "rect":
                boxes.append(_box(region))
                continue
            name = _name(region)
            if name in points:
                raise AnnotationError(
                    f"{region.where}: a second point {name!r} on {image!r}"
                    + (f" in the object {label!r}" if label else "")
                    + "; tell the objects apart by an attribute 'object'."
                )
            points[name] = _point(region)
            if _is_hidden(region):
                hidden.add(name)
        if len(boxes) > 1 and (points or label):
            raise AnnotationError(
                f"{where}: {len(boxes)} rectangles for one object on {image!r}; tell the objects "
                "apart by an attribute 'object'."
            )
        for box in boxes or [None]:
            yield Annotated(
                image=image, points=points, where=where, hidden=frozenset(hidden), box=box
            )


def _text(value: Any) -> str:
    """Text of an attribute; of boxes to tick, VIA keeps which are ticked."""
    if isinstance(value, dict):
        return ",".join(key for key, ticked in value.items() if ticked)
    return "" if value is None else str(value).strip()


def _attribute(region: _Region, names: tuple[str, ...]) -> str:
    keys = list(region.attributes)
    at = _tables.find_column(keys, names)
    return "" if at is None else _text(region.attributes[keys[at]])


def _name(region: _Region) -> str:
    name = _attribute(region, _NAME)
    if not name and len(region.attributes) == 1:
        name = _text(next(iter(region.attributes.values())))
    if not name:
        raise AnnotationError(
            f"{region.where}: none of the attributes {', '.join(region.attributes)} names the "
            "point; call the one that does 'keypoint'."
        )
    return name


def _is_hidden(region: _Region) -> bool:
    for names, hidden_if in ((_VISIBLE, False), (_HIDDEN, True)):
        answer = _attribute(region, names).lower()
        if answer:
            if answer not in _YES:
                raise AnnotationError(
                    f"{region.where}: {_strict.short(answer)} is neither yes nor no."
                )
            return _YES[answer] is hidden_if
    return False


def _point(region: _Region) -> Point:
    return _number(region, "cx"), _number(region, "cy")


def _box(region: _Region) -> Box | None:
    numbers = [region.shape.get(key) for key in ("x", "y", "width", "height")]
    return _strict.box_from_size(numbers, region.where)


def _number(region: _Region, key: str) -> float:
    return _strict.number(region.shape.get(key), f"{region.where}, {key}")
