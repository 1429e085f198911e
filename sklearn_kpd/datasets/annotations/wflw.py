"""WFLW: 98 points of a face, its rectangle, six attributes and its image in each line."""

from pathlib import Path

from sklearn_kpd.datasets.annotations import _tables
from sklearn_kpd.datasets.annotations._images import Images
from sklearn_kpd.datasets.annotations._records import Annotated, Annotations
from sklearn_kpd.exceptions import AnnotationError

_N_POINTS = 98
_N_NUMBERS = 2 * _N_POINTS + 4 + 6


def is_this(path: Path, head: bytes) -> bool:
    """Whether the first line has 206 numbers, and the path of an image."""
    fields = _tables.head_text(head).partition("\n")[0].split()
    return len(fields) in (_N_NUMBERS, _N_NUMBERS + 1) and all(
        map(_tables.is_number, fields[:_N_NUMBERS])
    )


def read(path: Path, images: Images) -> Annotations:
    """Read a list: one face a line, its points called ``0`` to ``97``.

    All points are labelled; that a face is occluded is told of the whole face only.
    """
    names = tuple(str(number) for number in range(_N_POINTS))
    objects = []
    for line, fields in _tables.split_rows(_tables.read_text(path), " ", path):
        where = f"{path}, line {line}"
        if len(fields) == _N_NUMBERS:
            raise AnnotationError(
                f"{where}: {_N_NUMBERS} fields: the path of the image is missing; write it at the "
                "end of the line."
            )
        if len(fields) != _N_NUMBERS + 1:
            raise AnnotationError(
                f"{where}: {len(fields)} fields where WFLW has {_N_NUMBERS + 1}; the line is cut "
                "off or damaged, or the path of the image holds a blank."
            )
        numbers = [_tables.number(field, where) for field in fields[:-1]]
        left, top, right, bottom, *attributes = numbers[2 * _N_POINTS :]
        if not (left <= right and top <= bottom):
            raise AnnotationError(
                f"{where}: the rectangle {left:g} {top:g} {right:g} {bottom:g} has no inside."
            )
        if not {*attributes} <= {0, 1}:
            raise AnnotationError(f"{where}: one of the six attributes is neither 0 nor 1.")
        points = {}
        for name, x, y in zip(names, numbers[::2], numbers[1::2], strict=False):
            found = _tables.point(x, y, f"{where}, point {name}")
            if found is None:
                raise AnnotationError(f"{where}: point {name} is empty.")
            points[name] = found
        objects.append(
            Annotated(
                image=fields[-1].replace("\\", "/"),
                points=points,
                where=where,
                box=(left, top, right, bottom),
            )
        )
    return Annotations(objects=objects, names={None: names})
