"""YOLO-pose: a file of text for each image, and a ``data.yaml`` that describes them."""

import os
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from sklearn_kpd._common.files import open_regular
from sklearn_kpd.datasets.annotations import _images, _strict, _tables, _yaml
from sklearn_kpd.datasets.annotations._images import Images
from sklearn_kpd.datasets.annotations._records import Annotated, Annotations, Box, Point
from sklearn_kpd.exceptions import AnnotationError

_YAML = (".yaml", ".yml")

#: What the description of the data set must name, and what X-AnyLabeling calls its own.
_MARK = "kpt_shape"
_CLASSES_FILE = "pose_classes.yaml"

_SPLITS = ("train", "val", "test")

#: Class and box before the keypoints.
_N_BOX = 5

#: Relative coordinates may leave 0..1 by so much, as Ultralytics allows.
_TOLERANCE = 0.01

#: How many folders above a file of labels its ``data.yaml`` may stand.
_LEVELS = 4


#: The images of a folder by their names without endings.
_ByStem = Callable[[Path], dict[str, list[Path]]]


class _Layout(NamedTuple):
    """What a file of labels looks like."""

    n_keypoints: int
    n_values: int
    classes: dict[int, str]
    keypoint_names: dict[int, tuple[str, ...]]
    flip: list[int] | None

    def names(self, number: int) -> tuple[str, ...]:
        default = tuple(str(at) for at in range(self.n_keypoints))
        return self.keypoint_names.get(number, default)


def is_this(path: Path, head: bytes) -> bool:
    """Whether it is a description of a data set, its folder, or a file of labels."""
    if path.is_dir():
        return _description(path) is not None
    if path.suffix.lower() in _YAML:
        return f"{_MARK}:".encode() in head or path.name == _CLASSES_FILE
    return path.suffix.lower() == ".txt" and _is_labels(head)


def read(path: Path, images: Images) -> Annotations:
    """Read a data set by its ``data.yaml`` or its folder, or one file of labels.

    Coordinates are relative to the image, as viewers show it, which must be there. Of three
    values for a keypoint the last is 0 (not labelled), 1 (hidden) or 2 (visible); of two, (0, 0)
    is not labelled. Without ``kpt_names`` the keypoints are called ``0``, ``1``, ``2`` ...
    """
    left_out: list[tuple[str, str]] = []
    description = _description(path) if path.is_dir() else path
    if description is not None and description.suffix.lower() in _YAML:
        layout = _read_description(description)
        files = _label_files(description, left_out)
    else:
        above = [path.parent, *path.parents[1:_LEVELS]]
        description = next(filter(None, map(_description, above)), None)
        layout = _guess(path) if description is None else _read_description(description)
        files = [path]
    by_stem = cache(_by_stem)
    objects: list[tuple[int, Annotated]] = []
    for file in files:
        objects.extend(_read_labels(file, layout, images, by_stem))
    numbers = layout.classes or {number: str(number) for number in {n for n, _ in objects}}
    flip_pairs = None
    if layout.flip is not None:
        flip_pairs = list(
            dict.fromkeys(
                (layout.names(number)[at], layout.names(number)[other])
                for number in numbers
                for at, other in enumerate(layout.flip)
                if at < other
            )
        )
    return Annotations(
        objects=[item for _, item in objects],
        names={name: layout.names(number) for number, name in numbers.items()},
        flip_pairs=flip_pairs,
        left_out=left_out,
    )


def _description(folder: Path) -> Path | None:
    """The file in a folder that describes a data set."""
    try:
        files = sorted(file for file in folder.iterdir() if file.suffix.lower() in _YAML)
        for file in files:
            if file.name == _CLASSES_FILE or f"{_MARK}:".encode() in _head(file):
                return file
    except OSError:
        pass
    return None


def _read_description(path: Path) -> _Layout:
    content = _yaml.read_yaml(path)
    if path.name == _CLASSES_FILE:
        classes = _strict.member(content, "classes", dict, str(path))
        names = {
            number: _strict.check_names(parts or (), f"{path}, {name}")
            for number, (name, parts) in enumerate(classes.items())
        }
        if len({len(parts) for parts in names.values()}) != 1:
            raise AnnotationError(f"{path}: the classes do not have equally many keypoints.")
        n_values = 3 if content.get("has_visible") else 2
        return _Layout(len(names[0]), n_values, dict(enumerate(classes)), names, None)
    shape = _strict.member(content, _MARK, list, str(path))
    if len(shape) != 2 or not all(type(n) is int for n in shape) or shape[1] not in (2, 3):
        raise AnnotationError(
            f"{path}: {_MARK} is {_strict.short(shape)}; it must be [number of keypoints, 2 or 3]."
        )
    n_keypoints, n_values = shape
    if not 0 < n_keypoints <= 10_000:
        raise AnnotationError(f"{path}: {_MARK} says {n_keypoints} keypoints.")
    flip = content.get("flip_idx")
    if flip is not None and (
        not isinstance(flip, list)
        or not all(type(at) is int for at in flip)
        or sorted(flip) != list(range(n_keypoints))
        or any(flip[other] != at for at, other in enumerate(flip))
    ):
        raise AnnotationError(
            f"{path}: flip_idx is {_strict.short(flip)}; it must say for each of the "
            f"{n_keypoints} keypoints which one a mirror puts in its place."
        )
    # Where the names are not indented, YAML reads them beside their key.
    names_of_classes = content.get("names") or {k: v for k, v in content.items() if k.isdecimal()}
    classes = {
        number: str(name) for number, name in _numbered(names_of_classes, f"{path}, names").items()
    }
    return _Layout(
        n_keypoints, n_values, classes, _keypoint_names(content, n_keypoints, classes, path), flip
    )


def _keypoint_names(
    content: dict[str, Any], n_keypoints: int, classes: dict[int, str], path: Path
) -> dict[int, tuple[str, ...]]:
    where = f"{path}, kpt_names"
    found = content.get("kpt_names") or {}
    if isinstance(found, list) and not any(isinstance(item, list) for item in found):
        found = {str(number): found for number in classes}  # one list for all classes
    names = {}
    for number, parts in _numbered(found, where).items():
        if not isinstance(parts, list) or len(parts) != n_keypoints:
            raise AnnotationError(
                f"{where}: class {number} must have {n_keypoints} names, as {_MARK} says."
            )
        names[number] = _strict.check_names([str(part) for part in parts], where)
    return names


def _numbered(value: Any, where: str) -> dict[int, Any]:
    """A list, or a mapping from numbers."""
    if isinstance(value, list):
        return dict(enumerate(value))
    if not isinstance(value, dict):
        raise AnnotationError(f"{where}: {_strict.short(value)} is no list and no mapping.")
    return {_strict.whole_number(key, where): item for key, item in value.items()}


def _label_files(description: Path, left_out: list[tuple[str, str]]) -> list[Path]:
    """Files of labels of all splits, each once."""
    folder = description.parent
    content = _yaml.read_yaml(description)
    found: dict[Path, None] = {}
    named = [(split, name) for split in _SPLITS for name in _names(content.get(split))]
    for split, name in named:
        labels = _labels(folder, _names(content.get("path")), name)
        if labels is None:
            left_out.append((f"{description}, {split}", f"there are no labels for {name!r}"))
        else:
            found.update(dict.fromkeys(labels))
    # Where nothing lies as the description says, what lies below it is taken.
    files = list(found) or [file for file in _below(folder) if _is_labels(_head(file))]
    if not files:
        raise AnnotationError(
            f"{description}: there are no files of labels, neither for "
            f"{', '.join(name for _, name in named) or 'any split'} nor elsewhere below its "
            "folder; labels/ must stand where images/ stands."
        )
    return files


def _names(value: Any) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [str(item).replace("\\", "/") for item in values if item is not None]


def _labels(folder: Path, roots: list[str], name: str) -> list[Path] | None:
    """Files of labels of a folder, or a list, of images; None if it is not there.

    The root that a description names is that of another machine; the end of it may be here.
    """
    tails: list[tuple[str, ...]] = [()]
    for root in roots:
        parts = _images.parts_of(root)
        tails = [parts[start:] for start in range(len(parts) + 1)]
    # os.path's functions say False where a name is too long, or holds what no name may.
    for tail in tails:
        place = folder.joinpath(*tail, *_images.parts_of(name))
        if place.suffix == ".txt" and os.path.isfile(place):
            lines = _tables.read_text(place).split("\n")
            listed = [place.parent.joinpath(*_images.parts_of(line.strip())) for line in lines]
            files = (_exchanged(image, "images", "labels").with_suffix(".txt") for image in listed)
            return [file for file in files if os.path.isfile(file)]
        labels = _exchanged(place, "images", "labels")
        if labels != place and os.path.isdir(labels):
            return list(_below(labels))
    return None


def _exchanged(path: Path, name: str, other: str) -> Path:
    """The path with the last folder of one name called by another."""
    parts = list(path.parts)
    if name not in parts:
        return path
    parts[len(parts) - 1 - parts[::-1].index(name)] = other
    return Path(*parts)


def _below(folder: Path) -> Iterator[Path]:
    for root, folders, files in os.walk(folder):
        folders.sort()
        for file in sorted(files):
            path = Path(root, file)
            if path.suffix.lower() == ".txt" and path.is_file():
                yield path


def _head(path: Path) -> bytes:
    with open_regular(path) as file:
        return file.read(65536)


def _is_labels(head: bytes) -> bool:
    """Whether the first line that is no comment is a class, a relative box, and keypoints."""
    lines = _tables.head_text(head).splitlines()
    fields = next((line.split() for line in lines if line.split("#")[0].strip()), [])
    return (
        len(fields) > _N_BOX
        and fields[0].isdecimal()
        and all(_tables.is_number(field) and "," not in field for field in fields[1:])
        and all(0 <= float(field) <= 1 + _TOLERANCE for field in fields[1:_N_BOX])
    )


def _objects_of(path: Path) -> Iterator[tuple[str, list[float]]]:
    """The place and the numbers of each object in a file of labels."""
    for number, line in enumerate(_tables.read_text(path).splitlines(), start=1):
        fields = line.split("#")[0].split()
        if fields:
            where = f"{path}, line {number}"
            yield where, [_strict.number_from_text(field, where) for field in fields]


def _guess(path: Path) -> _Layout:
    """Layout of a file that nothing describes: only visibilities tell keypoints for sure."""
    rows = [values for _, values in _objects_of(path)]
    n_numbers = {len(values) - _N_BOX for values in rows}
    visible = {value for values in rows for value in values[_N_BOX + 2 :: 3]}
    if len(n_numbers) != 1 or min(n_numbers) % 3 or not visible <= {0, 1, 2} or visible <= {0}:
        raise AnnotationError(
            f"{path}: without a data.yaml that gives {_MARK}, in the folder or above it, the "
            "numbers may be keypoints or the corners of a shape; add one."
        )
    return _Layout(min(n_numbers) // 3, 3, {}, {}, None)


def _read_labels(
    path: Path, layout: _Layout, images: Images, by_stem: _ByStem
) -> Iterator[tuple[int, Annotated]]:
    """The objects of an image, each with the number of its class."""
    size: tuple[int, int] | None = None
    image = path.stem
    for where, values in _objects_of(path):
        if size is None:
            image, size = _image(path, where, images, by_stem)
        height, width = size
        n_numbers = layout.n_keypoints * layout.n_values
        if len(values) != _N_BOX + n_numbers:
            raise AnnotationError(
                f"{where}: {len(values)} numbers; for {layout.n_keypoints} keypoints of "
                f"{layout.n_values} values there must be {_N_BOX + n_numbers}."
            )
        number = _strict.whole_number(values[0], f"{where}, class")
        if layout.classes and number not in layout.classes:
            raise AnnotationError(f"{where}: class {number} has no name in the data.yaml.")
        x, y, w, h = (
            _relative(value, f"{where}, box") * n
            for value, n in zip(values[1:_N_BOX], (width, height, width, height), strict=True)
        )
        box: Box = (x - w / 2, y - h / 2, x + w / 2, y + h / 2)
        points: dict[str, Point] = {}
        hidden = set()
        for at, name in enumerate(layout.names(number)):
            start = _N_BOX + at * layout.n_values
            x, y, visible = (*values[start : start + layout.n_values], 2.0)[:3]
            place = f"{where}, keypoint {name}"
            if visible not in (0, 1, 2):
                raise AnnotationError(
                    f"{place}: visible is {visible:g}; it must be 0 (not labelled), 1 (hidden) or "
                    "2 (visible)."
                )
            if visible == 0 or (layout.n_values == 2 and x == y == 0):
                continue
            points[name] = (_relative(x, place) * width, _relative(y, place) * height)
            if visible == 1:
                hidden.add(name)
        category = layout.classes.get(number, str(number))
        yield (
            number,
            Annotated(image, points, where, frozenset(hidden), box, category, (height, width)),
        )


def _relative(value: float, where: str) -> float:
    if not -_TOLERANCE <= value <= 1 + _TOLERANCE:
        raise AnnotationError(
            f"{where}: {value:g} is not within 0..1; coordinates must be relative to the image."
        )
    return value


def _image(
    labels: Path, where: str, images: Images, by_stem: _ByStem
) -> tuple[str, tuple[int, int]]:
    """The image of a file of labels, and its height and width."""
    folder = _exchanged(labels.parent, "labels", "images")
    found = [] if images.root else by_stem(folder).get(labels.stem, [])
    if len(found) > 1:
        raise AnnotationError(f"{where}: the image may be {found[0]} or {found[1]}; remove one.")
    # Elsewhere, it stands below images/ as the labels stand below labels/.
    name = str(found[0] if found else folder / labels.stem)
    size = _images.shown_size(found[0]) if found else None
    return name, size or images.size(name, where, labels)


def _by_stem(folder: Path) -> dict[str, list[Path]]:
    """The images of a folder by their names without endings."""
    found: dict[str, list[Path]] = {}
    if folder.is_dir():
        for path in sorted(folder.absolute().iterdir()):
            if path.suffix.lower() in _images.SUFFIXES:
                found.setdefault(path.stem, []).append(path)
    return found
