"""LabelMe's JSON, and X-AnyLabeling's, which is the same with more fields."""

from pathlib import Path
from typing import Any

from sklearn_kpd.datasets.annotations._grouping import Group, Mark, Shape, group, group_by_place
from sklearn_kpd.datasets.annotations._images import Images
from sklearn_kpd.datasets.annotations._records import Annotated, Annotations, Point
from sklearn_kpd.datasets.annotations._strict import (
    image_size,
    member,
    number,
    outline,
    read_json,
    short,
)
from sklearn_kpd.exceptions import AnnotationError

#: Shapes that may be the outline of an object.
_OUTLINES = ("rectangle", "polygon")

#: What people write in a description or a flag for a point that cannot be seen.
_HIDDEN = ("hidden", "occluded")


def is_this(path: Path, head: bytes) -> bool:
    """Whether the content begins as LabelMe's JSON does."""
    kind, keys = outline(head)
    return kind == "{" and (keys.get("shapes") == "[" or {"imagePath", "imageData"} <= keys.keys())


def read(path: Path, images: Images) -> Annotations:
    """Read a file: one object for each group_id, or for each outline that holds points.

    There is no standard mark for hidden points; X-AnyLabeling's 'difficult' and a description or
    a flag 'hidden' or 'occluded' are taken as one.
    """
    content = read_json(path)
    image = member(content, "imagePath", str, str(path))
    height, width = content.get("imageHeight"), content.get("imageWidth")
    size = image_size(height, width, str(path)) if height or width else None
    marks: dict[Any, list[Mark]] = {}
    shapes: dict[Any, list[Shape]] = {}
    left_out = []
    for at, item in enumerate(member(content, "shapes", list, str(path))):
        where = f"{path}, shapes[{at}]"
        label = member(item, "label", str, where).strip()
        kind = item.get("shape_type") or "polygon"
        key = _key(item.get("group_id"), where)
        if kind == "point":
            marks.setdefault(key, []).append(_mark(item, label, where))
        elif kind in _OUTLINES:
            corners = _corners(item, where)
            if len(corners) > 1:
                shapes.setdefault(key, []).append(Shape(label, corners, where))
        else:
            left_out.append((where, f"a {short(kind)} has no keypoints"))
    groups, rest = _groups(path, marks, shapes)
    left_out += [(shape.where, f"{shape.label!r} has no keypoints") for shape in rest]
    objects = [
        Annotated(
            image=image,
            points=found.points,
            hidden=found.hidden,
            where=found.where,
            box=found.box,
            category=found.category,
            image_size=size,
        )
        for found in groups
    ]
    names: dict[str | None, tuple[str, ...]] = {}
    for item in objects:
        before = names.get(item.category, ())
        names[item.category] = tuple(dict.fromkeys([*before, *item.points]))
    if not objects:
        left_out.append((str(path), "none of its shapes is a point"))
    return Annotations(objects=objects, names=names, left_out=left_out, names_are_all=False)


def _key(group_id: Any, where: str) -> Any:
    if group_id is not None and (
        isinstance(group_id, bool) or not isinstance(group_id, (int, str))
    ):
        raise AnnotationError(f"{where}: 'group_id' may not be {short(group_id)}.")
    return group_id


def _corners(item: dict[str, Any], where: str) -> list[Point]:
    corners = []
    for corner in member(item, "points", list, where):
        if not isinstance(corner, list) or len(corner) != 2:
            raise AnnotationError(f"{where}: a point is [x, y], not {short(corner)}.")
        corners.append((number(corner[0], where), number(corner[1], where)))
    return corners


def _mark(item: dict[str, Any], label: str, where: str) -> Mark:
    corners = _corners(item, where)
    if len(corners) != 1 or not label:
        raise AnnotationError(
            f"{where}: a point has one pair of coordinates and a label; this has {len(corners)} "
            f"and the label {label!r}."
        )
    flags = item.get("flags")
    said = [flag for flag, on in flags.items() if on] if isinstance(flags, dict) else []
    said.append(item.get("description"))
    hidden = item.get("difficult") is True or any(
        isinstance(text, str) and text.strip().lower() in _HIDDEN for text in said
    )
    return Mark(label, corners[0], where, hidden)


def _groups(
    path: Path, marks: dict[Any, list[Mark]], shapes: dict[Any, list[Shape]]
) -> tuple[list[Group], list[Shape]]:
    """Objects, and the outlines that are none's."""
    groups = group_by_place(marks.pop(None, []), shapes.get(None, []))
    for key, points in marks.items():
        outlines = shapes.get(key, [])
        if len(outlines) > 1:
            raise AnnotationError(
                f"{outlines[1].where}: the group {key} has points and {len(outlines)} outlines; "
                "give each object a group_id of its own."
            )
        groups.append(group(points, outlines[0] if outlines else None))
    taken = {id(found.shape) for found in groups}
    rest = [shape for found in shapes.values() for shape in found if id(shape) not in taken]
    return groups, rest
