"""Points of one face in a file of their own (``.pts``), as 300-W, 300-VW and Menpo give them."""

import re
from pathlib import Path

from sklearn_kpd.datasets.annotations import _strict, _tables
from sklearn_kpd.datasets.annotations._images import Images
from sklearn_kpd.datasets.annotations._records import Annotated, Annotations, Point
from sklearn_kpd.exceptions import AnnotationError

_HEAD = re.compile(rb"\s*version\s*:\s*[0-9.]+\s+n_points\s*:")
_LAYOUT = re.compile(
    r"\s*version\s*:\s*(?P<version>\S+)\s+n_points\s*:\s*(?P<n>\S+)\s+\{(?P<points>[^{}]*)\}\s*"
)


def is_this(path: Path, head: bytes) -> bool:
    """Whether the content begins with a version and a number of points."""
    return bool(_HEAD.match(head.removeprefix(b"\xef\xbb\xbf")))


def read(path: Path, images: Images) -> Annotations:
    """Read a file: one face, its points called ``0``, ``1``, ``2`` ...

    By convention the numbers count from 1, and the centre of the first pixel is (1, 1). There is
    no mark for a point that is not labelled. The image has the same stem.
    """
    text = _tables.read_text(path)
    layout = _LAYOUT.fullmatch(text)
    if layout is None:
        raise AnnotationError(
            f"{path}: a version, n_points and the points in braces must stand in the file; it is "
            "cut off or damaged."
        )
    first = text.count("\n", 0, layout.start("points")) + 1
    points: dict[str, Point] = {}
    for number, line in enumerate(layout["points"].split("\n"), start=first):
        fields = line.split()
        if not fields:
            continue
        where = f"{path}, line {number}"
        if len(fields) != 2:
            raise AnnotationError(f"{where}: {len(fields)} numbers where x and y must stand.")
        x, y = (_tables.number(field, where) for field in fields)
        found = _tables.point(x, y, where)
        if found:
            points[str(len(points))] = found
        else:
            raise AnnotationError(f"{where}: no numbers.")
    n_points = _strict.whole_number(layout["n"], f"{path}, n_points")
    if len(points) != n_points:
        raise AnnotationError(f"{path}: n_points is {n_points}, but {len(points)} points follow.")
    face = Annotated(image=path.stem, points=points, where=str(path))
    return Annotations(objects=[face], names={None: tuple(points)}, origin="one")
