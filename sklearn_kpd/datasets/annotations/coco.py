"""COCO keypoints, in the dialects that data sets and annotation tools write, and results lists."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from sklearn_kpd.datasets.annotations._images import Images
from sklearn_kpd.datasets.annotations._records import Annotated, Annotations, Point
from sklearn_kpd.datasets.annotations._strict import (
    box_from_size,
    check_names,
    edges_from_indices,
    image_size,
    member,
    outline,
    point,
    read_json,
    short,
)
from sklearn_kpd.exceptions import AnnotationError

#: v of a point: not labelled, labelled but hidden, visible.
_ABSENT, _HIDDEN, _VISIBLE = 0, 1, 2


def is_this(path: Path, head: bytes) -> bool:
    """Whether the content begins as COCO's JSON does, or as a list of its results."""
    kind, keys = outline(head)
    if kind == "[":
        return {"image_id", "keypoints"} <= keys.keys()
    return (keys.get("images") == "[" or keys.get("annotations") == "[") and "data" not in keys


def read(path: Path, images: Images) -> Annotations:
    """Read a file: one object for each annotation that is no crowd.

    What has v = 0 is not labelled, whatever its coordinates, and what has v = 1 is hidden. Where
    a file has no v = 2 at all, as some data sets, v = 1 says no more than 'labelled'. A point
    (0, 0) with v = 2 is a point. What num_keypoints says is not looked at: many files have it
    wrong.
    """
    content = read_json(path)
    if isinstance(content, list):
        return _read_results(path, content)
    files = _files(path, member(content, "images", list, str(path)))
    categories = _Categories(path, content.get("categories"))
    objects, left_out, seen = [], categories.left_out, set()
    for at, annotation in enumerate(member(content, "annotations", list, str(path))):
        where = f"{path}, annotations[{at}]"
        image_id = _identifier(member(annotation, "image_id", (int, float, str), where), where)
        if "id" in annotation:
            where += f" (id {short(annotation['id'])})"
        seen.add(image_id)
        if annotation.get("iscrowd"):
            left_out.append((where, "it is a crowd (iscrowd)"))
        elif image_id not in files:
            left_out.append((where, f"no image has the id {image_id}"))
        else:
            name, size = files[image_id]
            box = annotation.get("bbox")
            category, names = categories.of(annotation, where)
            points, hidden = _points(annotation.get("keypoints") or [], names, where)
            objects.append(
                Annotated(
                    image=name,
                    points=points,
                    hidden=hidden,
                    where=where,
                    box=box_from_size(box, where) if box else None,
                    category=category,
                    image_size=size,
                )
            )
    left_out += [
        (f"{path}, image {short(files[key][0])}", "it has no annotation")
        for key in files
        if key not in seen
    ]
    return Annotations(
        objects=_without_flags(objects),
        names=categories.names(),
        skeleton=categories.skeleton,
        left_out=left_out,
    )


def _read_results(path: Path, content: list[Any]) -> Annotations:
    """What a network found, in COCO's form: every point counts, its third number is no v.

    The file names neither images nor keypoints: the images' ids and the keypoints' numbers stand
    for the names.
    """
    objects = []
    names: tuple[str, ...] = ()
    for at, item in enumerate(content):
        where = f"{path}, item {at}"
        values = member(item, "keypoints", list, where)
        if names and len(values) != 3 * len(names):
            raise AnnotationError(
                f"{where}: {len(values)} numbers where the items before have {3 * len(names)}."
            )
        names = names or _numbered(values, where)
        objects.append(
            Annotated(
                image=_identifier(member(item, "image_id", (int, float, str), where), where),
                points={
                    name: point(values[3 * k], values[3 * k + 1], name, where)
                    for k, name in enumerate(names)
                },
                where=where,
                box=box_from_size(item["bbox"], where) if item.get("bbox") else None,
            )
        )
    return Annotations(objects=objects, names={None: names})


def _identifier(value: Any, where: str) -> str:
    """An id, which some tools write as text: 12 and "12" are one."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise AnnotationError(f"{where}: {short(value)} is no id.")
    if isinstance(value, float):
        if not value.is_integer():
            raise AnnotationError(f"{where}: {short(value)} is no id.")
        value = int(value)
    return str(value)


def _files(path: Path, images: list[Any]) -> dict[str, tuple[str, tuple[int, int] | None]]:
    """Name and size of each image by its id."""
    found: dict[str, tuple[str, tuple[int, int] | None]] = {}
    keys: dict[str, str] = {}
    for at, image in enumerate(images):
        where = f"{path}, images[{at}]"
        key = _identifier(member(image, "id", (int, float, str), where), where)
        name = member(image, "file_name", str, where)
        height, width = image.get("height"), image.get("width")
        entry = name, image_size(height, width, where) if height or width else None
        if found.setdefault(key, entry) != entry:
            raise AnnotationError(
                f"{where}: the images {short(found[key][0])} and {short(name)} both have the id "
                f"{key}, so that nothing tells whose an annotation is; give each an id of its own."
            )
        if keys.setdefault(name, key) != key:
            raise AnnotationError(
                f"{where}: the images with the ids {keys[name]} and {key} are both called "
                f"{short(name)}; put their folders before the names."
            )
    return found


class _Categories:
    """Names of the keypoints of each category."""

    def __init__(self, path: Path, categories: Any) -> None:
        self.left_out: list[tuple[str, str]] = []
        self.skeleton: list[tuple[str, str]] = []
        self._by_id: dict[str, str] = {}
        self._names: dict[str | None, tuple[str, ...] | None] = {}
        if categories is None:
            self._names[None] = None
            return
        for at, category in enumerate(_a_list(categories, f"{path}, categories")):
            where = f"{path}, categories[{at}]"
            key = _identifier(member(category, "id", (int, float, str), where), where)
            name = category.get("name", key)
            if not isinstance(name, str):
                raise AnnotationError(f"{where}: 'name' may not be {short(name)}.")
            if key in self._by_id or name in self._names:
                raise AnnotationError(
                    f"{where}: another category has the id {key} or the name {short(name)} too."
                )
            keypoints = category.get("keypoints", ())
            names = check_names(_a_list(keypoints, f"{where}, keypoints"), where)
            self._by_id[key] = name
            self._names[name] = names or None  # None: numbered by the first annotation
            edges, left_out = edges_from_indices(
                category.get("skeleton") or [], names, f"{where}, skeleton"
            )
            self.skeleton += [edge for edge in edges if edge not in self.skeleton]
            self.left_out += left_out

    def of(self, annotation: dict[str, Any], where: str) -> tuple[str | None, tuple[str, ...]]:
        """Category of an annotation, and the names of its keypoints."""
        category = None
        if None not in self._names:
            key = _identifier(annotation.get("category_id"), f"{where}, category_id")
            category = self._by_id.get(key) or self._unknown(key, where)
        names = self._names[category]
        keypoints = annotation.get("keypoints")
        if names is None and keypoints:
            names = self._names[category] = _numbered(keypoints, where)
        return category, names or ()

    def _unknown(self, key: str, where: str) -> str:
        """A category that the file does not have: clear where all have the same keypoints."""
        if len(set(self._names.values())) != 1:
            raise AnnotationError(
                f"{where}: no category has the id {key}, and those of the file have different "
                "keypoints; add the category."
            )
        self._names[key] = next(iter(self._names.values()))
        self._by_id[key] = key
        return key

    def names(self) -> dict[str | None, tuple[str, ...]]:
        return {category: names or () for category, names in self._names.items()}


def _a_list(value: Any, where: str) -> Any:
    if not isinstance(value, (list, tuple)):
        raise AnnotationError(f"{where}: {short(value)} stands where a list should.")
    return value


def _numbered(keypoints: Any, where: str) -> tuple[str, ...]:
    """Numbers for keypoints that the file gives no names."""
    if not isinstance(keypoints, list) or not keypoints or len(keypoints) % 3:
        raise AnnotationError(
            f"{where}: 'keypoints' must be x, y, v for each keypoint, not {short(keypoints)}."
        )
    return tuple(map(str, range(len(keypoints) // 3)))


def _points(
    values: Any, names: tuple[str, ...], where: str
) -> tuple[dict[str, Point], frozenset[str]]:
    """Labelled points by name, and which of them are hidden."""
    if values and len(_a_list(values, f"{where}, keypoints")) != 3 * len(names):
        raise AnnotationError(
            f"{where}: {len(values)} numbers in 'keypoints' where its category names "
            f"{len(names)} keypoints, which makes {3 * len(names)}."
        )
    points: dict[str, Point] = {}
    hidden: set[str] = set()
    for name, x, y, v in zip(names, values[::3], values[1::3], values[2::3], strict=bool(values)):
        if isinstance(v, bool) or v not in (_ABSENT, _HIDDEN, _VISIBLE):
            raise AnnotationError(
                f"{where}, keypoint {name}: v is {short(v)}; it may be 0 (not labelled), 1 "
                "(hidden) or 2 (visible)."
            )
        if v == _ABSENT:
            continue
        points[name] = point(x, y, name, where)
        if v == _HIDDEN:
            hidden.add(name)
    return points, frozenset(hidden)


def _without_flags(objects: list[Annotated]) -> list[Annotated]:
    """The objects, none hidden, if no point is visible: v is then a flag for 'labelled'."""
    if any(len(item.hidden) < len(item.points) for item in objects):
        return objects
    return [replace(item, hidden=frozenset()) for item in objects]
