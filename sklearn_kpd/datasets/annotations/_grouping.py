"""Which points belong to which object, where a file keeps them apart."""

from collections.abc import Sequence
from dataclasses import dataclass

from sklearn_kpd.datasets.annotations._records import Box, Point
from sklearn_kpd.datasets.annotations._strict import box_around
from sklearn_kpd.exceptions import AnnotationError


@dataclass(frozen=True)
class Mark:
    """A single labelled point."""

    name: str
    at: Point
    where: str
    hidden: bool = False


@dataclass(frozen=True)
class Shape:
    """An outline of an object; two corners are the ends of a rectangle's diagonal."""

    label: str
    corners: Sequence[Point]
    where: str

    @property
    def box(self) -> Box:
        """The smallest box that holds it."""
        return box_around(self.corners)

    def contains(self, point: Point) -> bool:
        """Whether a point is inside or on the edge of its box, and inside where it is none."""
        left, top, right, bottom = self.box
        x, y = point
        if not (left <= x <= right and top <= y <= bottom):
            return False
        if len(self.corners) == 2:
            return True
        inside = False
        before = self.corners[-1]
        for corner in self.corners:
            (x0, y0), (x1, y1) = before, corner
            if (y0 > y) != (y1 > y) and x < x0 + (y - y0) * (x1 - x0) / (y1 - y0):
                inside = not inside
            before = corner
        return inside or point in self.corners


@dataclass(frozen=True)
class Group:
    """The points of one object, and its outline if there is one."""

    marks: list[Mark]
    shape: Shape | None

    @property
    def where(self) -> str:
        """Place of the outline, or of the first point."""
        return self.shape.where if self.shape else self.marks[0].where

    @property
    def box(self) -> Box | None:
        """The smallest box that holds the outline."""
        return self.shape.box if self.shape else None

    @property
    def category(self) -> str | None:
        """Label of the outline."""
        return self.shape.label if self.shape else None

    @property
    def points(self) -> dict[str, Point]:
        """Points by name."""
        return {mark.name: mark.at for mark in self.marks}

    @property
    def hidden(self) -> frozenset[str]:
        """Names of the hidden points."""
        return frozenset(mark.name for mark in self.marks if mark.hidden)


def group(marks: Sequence[Mark], shape: Shape | None = None) -> Group:
    """Points that the file says belong together; none may be there twice."""
    seen: dict[str, Mark] = {}
    for mark in marks:
        if mark.name in seen:
            raise AnnotationError(
                f"{mark.where}: the keypoint {mark.name!r} is there twice for one object, first "
                f"at {seen[mark.name].where.rsplit(', ', 1)[-1]}; remove one, or tell the objects "
                "apart."
            )
        seen[mark.name] = mark
    return Group(list(marks), shape)


def group_by_place(marks: Sequence[Mark], shapes: Sequence[Shape]) -> list[Group]:
    """Groups of points of which the file does not say whose they are.

    Points that are each inside of exactly one outline belong to it, if no name comes twice in
    any. Otherwise all are one object's, if no name comes twice at all. Otherwise it cannot be
    told, which is an error.
    """
    if not marks:
        return []
    holders = [[shape for shape in shapes if shape.contains(mark.at)] for mark in marks]
    if all(len(found) == 1 for found in holders):
        groups = []
        for shape in shapes:
            inside = [m for m, found in zip(marks, holders, strict=True) if found[0] is shape]
            if inside:
                groups.append(group(inside, shape))
        return groups
    repeated = _repeated(marks)
    if repeated is None:
        return [group(marks)]
    raise AnnotationError(
        f"{repeated.where}: the keypoint {repeated.name!r} is there for several objects of one "
        "image, and nothing tells whose it is; put a box around each object that holds its "
        "points alone, or group them in the tool."
    )


def _repeated(marks: Sequence[Mark]) -> Mark | None:
    names: set[str] = set()
    for mark in marks:
        if mark.name in names:
            return mark
        names.add(mark.name)
    return None
