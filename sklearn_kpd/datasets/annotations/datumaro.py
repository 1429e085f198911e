"""Datumaro's own JSON."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from sklearn_kpd.datasets.annotations._images import Images
from sklearn_kpd.datasets.annotations._records import Annotated, Annotations, Box
from sklearn_kpd.datasets.annotations._strict import (
    box_from_size,
    check_names,
    edges_from_indices,
    image_size,
    member,
    number,
    outline,
    read_json,
    short,
    whole_number,
)
from sklearn_kpd.exceptions import AnnotationError

_ABSENT, _HIDDEN, _VISIBLE = 0, 1, 2


class _Object(NamedTuple):
    """An annotation with points: x, y, v of each, in the order of its category."""

    image: str
    size: tuple[int, int] | None
    where: str
    category: str | None
    values: list[tuple[float, float, int]]
    box: Box | None


def is_this(path: Path, head: bytes) -> bool:
    """Whether the content begins as Datumaro's JSON does."""
    kind, keys = outline(head)
    return kind == "{" and (
        keys.get("items") == "["
        or ("infos" in keys and keys.get("categories") == "{")
        or ("info" in keys and keys.get("categories") == "{")
    )


def read(path: Path, images: Images) -> Annotations:
    """Read a file: one object for each annotation of the type skeleton or points.

    A box of the same group, a number other than 0, is the object's. What has v = 0 is not
    labelled, what has v = 1 is hidden. Where a category names another number of keypoints than
    its objects have, the keypoints are numbered.
    """
    content = read_json(path)
    categories = _Categories(path, member(content, "categories", dict, str(path)))
    annotations = Annotations(objects=[], names={}, left_out=categories.left_out)
    found: list[_Object] = []
    for at, item in enumerate(member(content, "items", list, str(path))):
        where = f"{path}, items[{at}]"
        if isinstance(item, dict) and "id" in item:
            where += f" (id {short(item['id'])})"
        found += _objects(item, where, categories, annotations.left_out)
    names: dict[str | None, tuple[str, ...]] = {}
    for category in dict.fromkeys(item.category for item in found):
        mine = [item for item in found if item.category == category]
        names[category] = categories.names_of(category, mine, annotations.left_out)
    annotations.names = names
    annotations.skeleton = [
        edge
        for edge in categories.skeleton
        if any(set(edge) <= set(known) for known in names.values())
    ]
    for item in found:
        if not names[item.category]:
            continue
        triples = list(zip(names[item.category], item.values, strict=True))
        annotations.objects.append(
            Annotated(
                image=item.image,
                points={name: (x, y) for name, (x, y, v) in triples if v != _ABSENT},
                hidden=frozenset(name for name, (_, _, v) in triples if v == _HIDDEN),
                where=item.where,
                box=item.box,
                category=item.category,
                image_size=item.size,
            )
        )
    return annotations


class _Categories:
    """Labels by their indices, and the keypoints that some have."""

    def __init__(self, path: Path, categories: dict[str, Any]) -> None:
        self.skeleton: list[tuple[str, str]] = []
        self.left_out: list[tuple[str, str]] = []
        self._names: dict[str, tuple[str, ...]] = {}
        labels = categories.get("label") or {"labels": []}
        self.labels = [
            member(label, "name", str, f"{path}, categories, label {at}")
            for at, label in enumerate(member(labels, "labels", list, f"{path}, categories"))
        ]
        points = categories.get("points") or {"items": []}
        for at, item in enumerate(member(points, "items", list, f"{path}, categories")):
            where = f"{path}, categories, points {at}"
            label = self.label(item, where)
            if label is None or label in self._names:
                raise AnnotationError(f"{where}: its label_id is missing, or another's too.")
            self._names[label] = check_names(member(item, "labels", list, where), where)
            edges, _ = edges_from_indices(item.get("joints") or [], self._names[label], where)
            self.skeleton += [edge for edge in edges if edge not in self.skeleton]

    def label(self, item: Any, where: str) -> str | None:
        """Label of an annotation or a category, by its index."""
        found = item.get("label_id") if isinstance(item, dict) else None
        if found is None:
            return None
        index = whole_number(found, f"{where}, label_id")
        if index >= len(self.labels):
            raise AnnotationError(f"{where}: there is no label with the label_id {index}.")
        return self.labels[index]

    def names_of(
        self, category: str | None, found: list[_Object], left_out: list[tuple[str, str]]
    ) -> tuple[str, ...]:
        """Names of the keypoints of a category; none if its objects have not as many points."""
        names = self._names.get(category or "", ())
        n = len(found[0].values)
        other = next((item for item in found if len(item.values) != n), None)
        if other is not None:
            reason = f"{category!r} has {n} points, and {len(other.values)}: no keypoints"
            left_out += [(item.where, reason) for item in found]
            return ()
        if len(names) == n:
            return names
        if names:
            reason = f"the {len(names)} names of {category!r} do not fit {n} points"
            left_out.append((found[0].where, reason))
        return tuple(map(str, range(n)))


def _objects(
    item: Any, where: str, categories: _Categories, left_out: list[tuple[str, str]]
) -> Iterator[_Object]:
    annotations = member(item, "annotations", list, where)
    image, size = _image(item, where)
    boxes: dict[int, list[tuple[str, Box | None]]] = {}
    pointed: list[tuple[str, Any]] = []
    for at, annotation in enumerate(annotations):
        place = f"{where}, annotations[{at}]"
        kind = member(annotation, "type", str, place)
        if kind == "bbox":
            box = box_from_size(annotation.get("bbox"), place)
            boxes.setdefault(_group(annotation, place) or -1 - at, []).append((place, box))
        elif kind in ("skeleton", "points"):
            pointed.append((place, annotation))
        else:
            left_out.append((place, f"a {kind} has no keypoints"))
    if not annotations:
        left_out.append((where, "it has no annotation"))
    for place, annotation in pointed:
        mine = boxes.pop(_group(annotation, place), [])
        if len(mine) > 1:
            raise AnnotationError(f"{mine[1][0]}: another box is in its group too.")
        yield _Object(
            image,
            size,
            place,
            categories.label(annotation, place),
            list(_values(annotation, place)),
            mine[0][1] if mine else None,
        )
    for rest in boxes.values():
        left_out.extend((place, "a box without keypoints") for place, _ in rest)


def _group(annotation: dict[str, Any], where: str) -> int:
    """Number of an annotation's group; 0 is none."""
    return whole_number(annotation.get("group") or 0, f"{where}, group")


def _image(item: dict[str, Any], where: str) -> tuple[str, tuple[int, int] | None]:
    """Name and size of an item's image; without an image, the item's id stands for the name."""
    image = item.get("image") or item.get("media") or {}
    if not isinstance(image, dict):
        raise AnnotationError(f"{where}: 'image' may not be {short(image)}.")
    name = image.get("path") or member(item, "id", str, where)
    if not isinstance(name, str):
        raise AnnotationError(f"{where}: the path of the image may not be {short(name)}.")
    size = image.get("size")
    if size is None:
        return name, None
    if not isinstance(size, list) or len(size) != 2:
        raise AnnotationError(f"{where}: 'size' is [height, width], not {short(size)}.")
    return name, image_size(size[0], size[1], where)


def _values(annotation: dict[str, Any], where: str) -> Iterator[tuple[float, float, int]]:
    points = member(annotation, "points", list, where)
    step = 3 if annotation["type"] == "skeleton" else 2
    if len(points) % step:
        raise AnnotationError(f"{where}: {len(points)} numbers are no list of points.")
    n = len(points) // step
    visibility = points[2::3] if step == 3 else annotation.get("visibility", [_VISIBLE] * n)
    if not isinstance(visibility, list) or len(visibility) != n:
        raise AnnotationError(f"{where}: 'visibility' must have {n} numbers.")
    for k, v in enumerate(visibility):
        place = f"{where}, point {k}"
        if isinstance(v, bool) or v not in (_ABSENT, _HIDDEN, _VISIBLE):
            raise AnnotationError(f"{place}: the visibility is {short(v)}; it may be 0, 1 or 2.")
        x, y = points[k * step : k * step + 2]
        if v == _ABSENT:
            yield 0.0, 0.0, _ABSENT
        else:
            yield number(x, place), number(y, place), int(v)
