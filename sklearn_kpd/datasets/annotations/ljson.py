"""Menpo's LJSON: groups of landmarks of one image."""

from pathlib import Path
from typing import Any

from sklearn_kpd.datasets.annotations._images import Images
from sklearn_kpd.datasets.annotations._records import Annotated, Annotations
from sklearn_kpd.datasets.annotations._strict import (
    edges_from_indices,
    member,
    number,
    outline,
    read_json,
    short,
)
from sklearn_kpd.exceptions import AnnotationError


def is_this(path: Path, head: bytes) -> bool:
    """Whether the content begins as LJSON does."""
    kind, keys = outline(head)
    return (
        kind == "{"
        and "version" in keys
        and (keys.get("groups") in ("{", "[") or {"landmarks", "labels"} <= keys.keys())
    )


def read(path: Path, images: Images) -> Annotations:
    """Read the file of one image: one object for each group, of a category of its own.

    Points are (y, x), and null where not labelled. Labels name sets of points, not points: the
    keypoints are numbered. The image has the name of the file.
    """
    content = read_json(path)
    annotations = Annotations(objects=[], names={})
    for name, group in _groups(path, content).items():
        where = f"{path}, group {name}" if name else str(path)
        landmarks = member(group, "landmarks", dict, where)
        points = {}
        values = member(landmarks, "points", list, where)
        for k, point in enumerate(values):
            place = f"{where}, point {k}"
            if not isinstance(point, list) or len(point) != 2:
                raise AnnotationError(f"{place}: a point is [y, x], not {short(point)}.")
            y, x = point
            if (x is None) != (y is None):
                raise AnnotationError(f"{place}: one of y, x is null; both are, or none.")
            if x is not None:
                points[str(k)] = number(x, place), number(y, place)
        names = tuple(map(str, range(len(values))))
        edges = _from_zero(landmarks.get("connectivity") or [], names, where)
        annotations.names[name] = names
        annotations.skeleton += [edge for edge in edges if edge not in annotations.skeleton]
        annotations.objects.append(
            Annotated(image=path.stem, points=points, where=where, category=name)
        )
    return annotations


def _groups(path: Path, content: Any) -> dict[str | None, Any]:
    version = member(content, "version", int, str(path))
    if version == 2:
        return {None: content}
    if version == 3:
        return dict(member(content, "groups", dict, str(path)))
    raise AnnotationError(
        f"{path}: the version {version} of LJSON; 2 and 3 are read. Export it again with Menpo."
    )


def _from_zero(edges: Any, names: tuple[str, ...], where: str) -> list[tuple[str, str]]:
    """Edges by names; LJSON counts from 0, whether or not one of them is."""
    if isinstance(edges, list):
        edges = [*edges, [0, 0]]
    return edges_from_indices(edges, names, f"{where}, connectivity")[0][:-1]
