"""MTFL and its sister layout: five points of a face in each line."""

from pathlib import Path

from sklearn_kpd.datasets.annotations import _tables
from sklearn_kpd.datasets.annotations._images import Images
from sklearn_kpd.datasets.annotations._records import Annotated, Annotations
from sklearn_kpd.exceptions import AnnotationError

#: Left and right as the viewer sees them: 'left_eye' is the one on the left of the image.
NAMES = ("left_eye", "right_eye", "nose", "left_mouth_corner", "right_mouth_corner")

_N_FIELDS = 15

#: Gender, smile, glasses and pose go from 1 to these.
_ATTRIBUTES = (2, 2, 2, 5)


def is_this(path: Path, head: bytes) -> bool:
    """Whether the first line is a path and 14 numbers."""
    fields = _tables.head_text(head).partition("\n")[0].split()
    return (
        len(fields) == _N_FIELDS
        and not _tables.is_number(fields[0])
        and all(map(_tables.is_number, fields[1:]))
    )


def read(path: Path, images: Images) -> Annotations:
    """Read a list: one face a line.

    MTFL writes ``path``, five x, five y, and four attributes; the layout that comes with the same
    faces ``name``, left, right, top and bottom of a box, and x and y in turn. In both, left is
    the viewer's left, other than in most data sets. All points are labelled.
    """
    objects = []
    is_mtfl: bool | None = None
    for line, fields in _tables.split_rows(_tables.read_text(path), " ", path):
        where = f"{path}, line {line}"
        if len(fields) != _N_FIELDS:
            raise AnnotationError(
                f"{where}: {len(fields)} fields where {_N_FIELDS} must stand; the line is cut off "
                "or damaged, or the path of the image holds a blank."
            )
        if any(map(_tables.is_empty, fields[1:])):
            raise AnnotationError(f"{where}: a number is missing.")
        numbers = [_tables.number(field, where) for field in fields[1:]]
        if is_mtfl is None:
            is_mtfl = _are_attributes(numbers[10:])
        read_line = _mtfl if is_mtfl else _with_box
        points, box = read_line(numbers, where)
        objects.append(
            Annotated(
                image=fields[0].replace("\\", "/"),
                points=dict(zip(NAMES, points, strict=True)),
                where=where,
                box=box,
            )
        )
    return Annotations(objects=objects, names={None: NAMES})


_Line = tuple[list[tuple[float, float]], tuple[float, float, float, float] | None]


def _mtfl(numbers: list[float], where: str) -> _Line:
    if not _are_attributes(numbers[10:]):
        raise AnnotationError(
            f"{where}: the line does not end with gender, smile, glasses (1 or 2) and pose (1 to "
            "5)."
        )
    return list(zip(numbers[:5], numbers[5:10], strict=True)), None


def _with_box(numbers: list[float], where: str) -> _Line:
    left, right, top, bottom = numbers[:4]
    points = list(zip(numbers[4::2], numbers[5::2], strict=True))
    width, height = right - left, bottom - top
    if not (width > 0 and height > 0) or any(
        not (left - width <= x <= right + width and top - height <= y <= bottom + height)
        for x, y in points
    ):
        raise AnnotationError(
            f"{where}: neither MTFL's four attributes at the end of the line, nor a box (left, "
            "right, top, bottom) around the points at its beginning."
        )
    return points, (left, top, right, bottom)


def _are_attributes(numbers: list[float]) -> bool:
    return all(
        value.is_integer() and 1 <= value <= largest
        for value, largest in zip(numbers, _ATTRIBUTES, strict=True)
    )
