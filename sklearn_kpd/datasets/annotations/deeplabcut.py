"""DeepLabCut: labels of its own (CollectedData) and what it marked itself, as CSV and HDF5."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import h5py

from sklearn_kpd._common.files import open_regular
from sklearn_kpd._common.texts import unshielded_path
from sklearn_kpd.datasets.annotations import _hdf5, _strict, _tables
from sklearn_kpd.datasets.annotations._images import Images
from sklearn_kpd.datasets.annotations._records import Annotated, Annotations
from sklearn_kpd.exceptions import AnnotationError

#: What the rows of the header begin with, without and with several animals.
_HEADERS = (
    ["scorer", "bodyparts", "coords"],
    ["scorer", "individuals", "bodyparts", "coords"],
)

#: Coordinates; a likelihood is none of a label's.
_COORDS = ("x", "y", "likelihood")

#: The key that DeepLabCut writes its tables under.
_KEY = "df_with_missing"

#: The individual that stands for body parts that no animal has.
_SINGLE = "single"


class _Row(NamedTuple):
    """One image or frame: where it stands, what it is called, the numbers of its columns."""

    where: str
    name: tuple[str | int, ...]
    values: Sequence[float]


def is_this(path: Path, head: bytes) -> bool:
    """Whether the content begins as a table of DeepLabCut does, or a folder holds its labels."""
    if path.is_dir():
        return bool(_labels_below(path))
    if head.startswith(_hdf5.SIGNATURE):
        return _KEY in (_hdf5.keys(path) or ())
    lines = _tables.head_text(head).splitlines()[:4]
    names = [line.split(",")[0].strip().strip('"') for line in lines]
    return any(names[: len(header)] == header for header in _HEADERS)


def read(path: Path, images: Images) -> Annotations:
    """Read a table: one object for each animal on each image.

    Points of which nothing is written are not labelled, and DeepLabCut has no mark for hidden
    ones. In what it marked itself the points stand as they are: a likelihood says how sure a
    network was, not what a person saw. Rows are named by the paths of their images, or by the
    number of the frame in a video that the file does not name.

    Of a project, or a folder of it, the labels of all videos are read, those that stand in a
    file of HDF5 and in its copy as CSV once.
    """
    if path.is_dir():
        return _read_project(path)
    return _read_file(path)


def _read_file(path: Path) -> Annotations:
    with open_regular(path) as file:
        is_hdf5 = file.read(len(_hdf5.SIGNATURE)) == _hdf5.SIGNATURE
    columns, rows = _read_hdf5(path) if is_hdf5 else _read_csv(path)
    return _annotations(path, columns, rows)


def _labels_below(folder: Path) -> list[Path]:
    """The files of labels of a project, or of a folder of it."""
    places = ["CollectedData*", "labeled-data/*/CollectedData*"]
    if folder.name == "labeled-data":
        places.append("*/CollectedData*")
    found = (file for place in places for file in sorted(folder.glob(place)))
    return [file for file in found if file.suffix.lower() in (".csv", ".h5")]


def _read_project(folder: Path) -> Annotations:
    merged = Annotations([], {})
    seen: dict[str | None, Path] = {}
    for file in _labels_below(folder):
        twin = file.with_suffix(".h5")
        if file != twin and twin.is_file():
            merged.left_out.append((str(file), f"a copy of {twin.name}"))
            continue
        found = _read_file(file)
        if merged.names not in ({}, found.names):
            raise AnnotationError(f"{file}: its body parts are not those of the files before.")
        merged.names = found.names
        merged.left_out += found.left_out
        merged.objects += found.objects
        for image in dict.fromkeys(item.image for item in found.objects):
            if image in seen:
                raise AnnotationError(
                    f"{file}: {image} is labelled in {seen[image]}, too; keep one of them."
                )
            seen[image] = file
    return merged


def _read_hdf5(path: Path) -> tuple[list[tuple[str, ...]], list[_Row]]:
    with _hdf5.opened(path) as file:
        group = file.get(_KEY)
        if not isinstance(group, h5py.Group):
            raise AnnotationError(f"{path}: there is no table {_KEY!r}.")
        frame = _hdf5.read_frame(group, path)
    rows = [
        _Row(f"{path}, row {number}", name, values)
        for number, (name, values) in enumerate(
            zip(frame.rows, frame.values.tolist(), strict=True), start=1
        )
    ]
    return frame.columns, rows


def _read_csv(path: Path) -> tuple[list[tuple[str, ...]], list[_Row]]:
    lines = _tables.split_rows(_tables.read_text(path), ",", path)
    names = [row.fields[0] for row in lines[:4]]
    header = next((h for h in _HEADERS if names[: len(h)] == h), None)
    if header is None:
        raise AnnotationError(
            f"{path}: the first lines must begin with scorer, (individuals,) bodyparts, coords; "
            f"they begin with {', '.join(map(_strict.short, names))}."
        )
    levels = [row.fields for row in lines[: len(header)]]
    width = len(levels[-1])
    # The line of the scorer is too short in some files: it must name one scorer, no more.
    levels[0] += levels[0][-1:] * (width - len(levels[0]))
    if any(len(level) != width for level in levels):
        raise AnnotationError(f"{path}: the lines of the header are not equally long.")
    # In newer files the path of an image takes three columns, and only the first has a name.
    n_index = next((at for at in range(1, width) if levels[-1][at]), width)
    columns = list(zip(*(level[n_index:] for level in levels), strict=True))
    rows = []
    for row in lines[len(header) :]:
        where = f"{path}, line {row.line}"
        index, fields = row.fields[:n_index], row.fields[n_index:]
        # A row of an image without labels may be shorter, as DeepLabCut writes it.
        if len(row.fields) < n_index or (
            len(fields) != len(columns)
            and (len(fields) > len(columns) or not all(map(_tables.is_empty, fields)))
        ):
            raise AnnotationError(
                f"{where}: {len(row.fields)} fields where the header has {width}; the file is "
                "cut off or damaged here."
            )
        values = [
            _tables.number(field, f"{where}, column {' '.join(column[1:])}")
            for field, column in zip(fields, columns, strict=False)
        ]
        values += [math.nan] * (len(columns) - len(values))
        name: tuple[str | int, ...] = tuple(map(unshielded_path, index))
        if n_index == 1 and index[0].isdecimal():
            name = (int(index[0]),)
        rows.append(_Row(where, name, values))
    return columns, rows


def _annotations(path: Path, columns: list[tuple[str, ...]], rows: list[_Row]) -> Annotations:
    parts = _parts(path, columns)
    categories = _categories(parts)
    objects, left_out, seen = [], [], set()
    for row in rows:
        image, frame = _image(row)
        if (image, frame) in seen:
            raise AnnotationError(f"{row.where}: {image or frame} is there a second time.")
        seen.add((image, frame))
        for individual, places in parts.items():
            where = f"{row.where}, {individual}" if individual else row.where
            points = {}
            for name, (x, y) in places.items():
                found = _tables.point(row.values[x], row.values[y], f"{where}, {name}")
                if found:
                    points[name] = found
            if points or len(parts) == 1:
                objects.append(
                    Annotated(
                        image=image,
                        points=points,
                        where=where,
                        category=categories[individual],
                        frame=frame,
                        track=individual or None,
                    )
                )
            else:
                left_out.append((where, "none of its points is labelled"))
    names: dict[str | None, dict[str, None]] = {}
    for individual, places in parts.items():
        names.setdefault(categories[individual], {}).update(dict.fromkeys(places))
    return Annotations(
        objects=objects,
        names={category: tuple(parts) for category, parts in names.items()},
        left_out=left_out,
    )


def _parts(path: Path, columns: list[tuple[str, ...]]) -> dict[str, dict[str, tuple[int, int]]]:
    """For each individual, where the x and the y of each body part stand."""
    if not columns or len(columns[0]) not in (3, 4):
        raise AnnotationError(f"{path}: the columns must have three or four levels.")
    scorers = list(dict.fromkeys(column[0] for column in columns))
    if len(scorers) > 1:
        raise AnnotationError(
            f"{path}: points of {len(scorers)} scorers, {scorers[0]!r} and {scorers[1]!r}; keep "
            "one of them in a file."
        )
    found: dict[str, dict[str, dict[str, int]]] = {}
    for at, column in enumerate(columns):
        individual, part, coord = ("", *column[1:])[-3:]
        axes = found.setdefault(individual, {}).setdefault(part, {})
        if coord not in _COORDS or coord in axes:
            problem = "is there twice" if coord in axes else "is none of x, y, likelihood"
            raise AnnotationError(f"{path}: the column {' '.join(column)!r} {problem}.")
        axes[coord] = at
    for individual, places in found.items():
        for part, axes in places.items():
            if not {"x", "y"} <= axes.keys():
                raise AnnotationError(
                    f"{path}: {f'{individual} {part}'.strip()!r} has no x or no y."
                )
    return {
        individual: {part: (axes["x"], axes["y"]) for part, axes in places.items()}
        for individual, places in found.items()
    }


def _categories(parts: dict[str, dict[str, tuple[int, int]]]) -> dict[str, str | None]:
    """Animals have their body parts in common; those of 'single' are of another kind."""
    if _SINGLE not in parts or len(parts) == 1:
        return dict.fromkeys(parts)
    return {individual: _SINGLE if individual == _SINGLE else "animal" for individual in parts}


def _image(row: _Row) -> tuple[str | None, int | None]:
    """Path of the image, or number of the frame."""
    if len(row.name) == 1 and isinstance(row.name[0], int):
        return None, row.name[0]
    return "/".join(str(level) for level in row.name).replace("\\", "/"), None
