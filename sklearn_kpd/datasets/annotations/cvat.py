"""CVAT's XML 1.1, for images and for videos."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree.ElementTree import Element

from sklearn_kpd.datasets.annotations._grouping import Mark, Shape, group_by_place
from sklearn_kpd.datasets.annotations._images import Images
from sklearn_kpd.datasets.annotations._records import Annotated, Annotations, Box, Point
from sklearn_kpd.datasets.annotations._strict import (
    attribute,
    image_size,
    number_from_text,
    place,
    read_xml,
    root_tag,
    short,
    whole_number,
)
from sklearn_kpd.exceptions import AnnotationError

#: An edge of a skeleton in the drawing of its label, by the ids of its nodes; and a node's label.
_EDGE = re.compile(r'data-node-from="([^"]*)"[^>]*data-node-to="([^"]*)"')
_NODE = re.compile(r'data-node-id="([^"]*)"[^>]*data-label-name="([^"]*)"')


@dataclass
class _Canvas:
    """What is drawn on one image or one frame."""

    image: str | None
    where: str
    size: tuple[int, int] | None
    frame: int | None = None
    shapes: list[tuple[Element, str | None]] = field(default_factory=list)  # and their tracks


def is_this(path: Path, head: bytes) -> bool:
    """Whether the content begins as CVAT's XML does."""
    return root_tag(head) == "annotations" and any(
        tag in head for tag in (b"<version>", b"<meta", b"<image", b"<track")
    )


def read(path: Path, images: Images) -> Annotations:
    """Read a file: one object for each skeleton, and each `points` that holds several points.

    Where every `points` holds one point, whose label is the keypoint's name, points in one box
    are one object, or all of an image if none is there twice. What is outside is not labelled,
    what is occluded is hidden. A box that no polygon of points shares is joined to a skeleton by
    its group, by its attributes, or by its label and place. Of a video every frame is read, those
    that CVAT interpolated too.
    """
    root = read_xml(path)
    labels = _Labels(path, root)
    annotations = Annotations(objects=[], names={}, skeleton=labels.skeleton)
    canvases = [*_images(path, root), *_frames(path, root, images)]
    points = [e for c in canvases for e, _ in c.shapes if e.tag == "points"]
    are_single = all(";" not in (element.get("points") or "") for element in points)
    uneven = set() if are_single else _without_counts(points, path, annotations.left_out)
    for canvas in canvases:
        canvas.shapes = [
            (element, track)
            for element, track in canvas.shapes
            if element.tag != "points" or element.get("label") not in uneven
        ]
        if not canvas.shapes:
            annotations.left_out.append((canvas.where, "it has no annotation"))
        annotations.objects += _objects(path, canvas, are_single, annotations.left_out)
    annotations.names = _names(annotations.objects, labels)
    return annotations


def _without_counts(
    points: Iterable[Element], path: Path, left_out: list[tuple[str, str]]
) -> set[str | None]:
    """Labels whose `points` hold now more, now fewer points, which no number can name."""
    counts: dict[str | None, set[int]] = {}
    for element in points:
        n = (element.get("points") or "").count(";") + 1
        counts.setdefault(element.get("label"), set()).add(n)
    uneven = {label for label, found in counts.items() if len(found) > 1}
    for element in points:
        label = element.get("label")
        if label in uneven:
            numbers = ", ".join(map(str, sorted(counts[label])[:4]))
            reason = f"{label!r} has {numbers} points in different objects: no keypoints"
            left_out.append((place(path, element), reason))
    return uneven


class _Labels:
    """Labels of a task: the points of skeletons in order, and the edges between them."""

    def __init__(self, path: Path, root: Element) -> None:
        self.order: list[str] = []
        self.parts: dict[str, list[str]] = {}
        self.skeleton: list[tuple[str, str]] = []
        for label in root.iterfind("./meta//label"):
            name, parent = label.findtext("name"), label.findtext("parent")
            if not name:
                continue
            if parent is None:
                self.order.append(name)
            elif name not in self.parts.setdefault(parent, []):
                self.parts[parent].append(name)
        for label in root.iterfind("./meta//label"):
            drawing = label.findtext("svg") or ""
            nodes = dict(_NODE.findall(drawing))
            edges = [(nodes.get(i), nodes.get(j)) for i, j in _EDGE.findall(drawing)]
            for start, end in edges:
                if start and end and (start, end) not in self.skeleton:
                    self.skeleton.append((start, end))


def _names(objects: Iterable[Annotated], labels: _Labels) -> dict[str | None, tuple[str, ...]]:
    """Names of each category: those of its label, or those that occur, in the labels' order."""
    occur: dict[str | None, dict[str, None]] = {}
    for item in objects:
        occur.setdefault(item.category, {}).update(dict.fromkeys(item.points))
    names = {}
    for category, found in occur.items():
        known = labels.parts.get(category or "", labels.order)
        ordered = [name for name in known if name in found or known is not labels.order]
        names[category] = tuple(dict.fromkeys([*ordered, *found]))
    return names


def _size(element: Element | None, width: str, height: str, where: str) -> tuple[int, int] | None:
    if element is None:
        return None
    said = [element.get(key) or element.findtext(key) for key in (height, width)]
    return None if said == [None, None] else image_size(said[0], said[1], where)


def _images(path: Path, root: Element) -> Iterable[_Canvas]:
    """Images of tasks; where two are called the same, the subset is their folder."""
    counts = Counter(image.get("name") for image in root.iterfind("image"))
    seen = set()
    for image in root.iterfind("image"):
        where = place(path, image)
        name = attribute(image, "name", where)
        if counts[name] > 1:
            name = f"{image.get('subset', '')}/{name}"
            if name in seen or not image.get("subset"):
                raise AnnotationError(
                    f"{where}: another image is called {name.strip('/')!r} too; export the tasks "
                    "apart, or give the images other names."
                )
            seen.add(name)
        size = _size(image, "width", "height", where)
        shapes: list[tuple[Element, str | None]] = [(element, None) for element in image]
        yield _Canvas(name, where, size, shapes=shapes)


def _frames(path: Path, root: Element, images: Images) -> Iterable[_Canvas]:
    """Frames of a video; of an export with images the frames are files."""
    source = root.findtext("./meta/source") or root.findtext("./meta/task/source")
    source = source or root.findtext("./meta//source")
    original = root.find("./meta//original_size")
    size = _size(original, "width", "height", f"{path}, original_size")
    frames: dict[int, _Canvas] = {}
    for track in root.iterfind("track"):
        where = place(path, track)
        name = attribute(track, "id", where)
        for element in _with_parts(path, track):
            where = place(path, element)
            number = whole_number(attribute(element, "frame", where), where)
            if number not in frames:
                file = images.find(f"frame_{number:06}", path)
                frames[number] = _Canvas(str(file) if file else source, where, size, number)
            element.set("label", track.get("label") or element.get("label") or "")
            if element.get("outside") != "1":
                frames[number].shapes.append((element, name))
    return [frames[number] for number in sorted(frames)]


def _with_parts(path: Path, track: Element) -> list[Element]:
    """Shapes of a track; the points that older files keep in tracks of their own are in them."""
    shapes = [element for element in track if element.tag != "track"]
    for inner in track.iterfind("track"):
        label = attribute(inner, "label", place(path, inner))
        parts = {part.get("frame"): part for part in inner}
        if len(parts) != len(inner):
            raise AnnotationError(f"{place(path, inner)}: a frame is there twice.")
        for shape in shapes:
            part = parts.get(shape.get("frame"))
            if shape.tag == "skeleton" and part is not None:
                part.set("label", label)
                shape.append(part)
    return shapes


def _objects(
    path: Path, canvas: _Canvas, are_single: bool, left_out: list[tuple[str, str]]
) -> Iterable[Annotated]:
    boxes = [element for element, _ in canvas.shapes if element.tag == "box"]
    objects, marks, joined = [], [], set()
    for element, track in canvas.shapes:
        where = place(path, element)
        if element.tag == "points" and are_single:
            ((_, at),) = _coordinates(element, where)
            name = attribute(element, "label", where)
            marks.append(Mark(name, at, where, element.get("occluded") == "1"))
        elif element.tag in ("skeleton", "points"):
            points, hidden = _points(path, element)
            box = _box_of(path, element, points, canvas, boxes)
            if box is not None:
                joined.add(id(box))
            label = element.get("label")
            edges = None if box is None else _shape(path, box).box
            objects.append(_annotated(canvas, points, hidden, where, label, track, edges))
        elif element.tag != "box":
            left_out.append((where, f"a {element.tag} has no keypoints"))
    outlines = [_shape(path, box) for box in boxes if id(box) not in joined]
    for found in group_by_place(marks, outlines):
        objects.append(
            _annotated(
                canvas, found.points, found.hidden, found.where, found.category, None, found.box
            )
        )
        outlines = [shape for shape in outlines if shape is not found.shape]
    left_out += [(shape.where, "no keypoints belong to the box") for shape in outlines]
    return objects


def _annotated(
    canvas: _Canvas,
    points: dict[str, Point],
    hidden: frozenset[str],
    where: str,
    category: str | None,
    track: str | None,
    box: Box | None = None,
) -> Annotated:
    return Annotated(
        image=canvas.image,
        points=points,
        hidden=hidden,
        where=where,
        box=box,
        category=category,
        image_size=canvas.size,
        frame=canvas.frame,
        track=track,
    )


def _points(path: Path, element: Element) -> tuple[dict[str, Point], frozenset[str]]:
    """Labelled points of a skeleton by their labels, of `points` by their numbers; the hidden."""
    where = place(path, element)
    if element.tag == "points":
        points = dict(_coordinates(element, where))
        return points, frozenset(points if element.get("occluded") == "1" else ())
    points, hidden, seen = {}, set(), set()
    for part in element.iterfind("points"):
        where = place(path, part)
        name = attribute(part, "label", where)
        if name in seen:
            raise AnnotationError(f"{where}: the point {name!r} is there twice in one skeleton.")
        seen.add(name)
        found = _coordinates(part, where)
        if len(found) != 1:
            raise AnnotationError(f"{where}: {len(found)} points where a skeleton has one.")
        if part.get("outside") == "1":
            continue
        points[name] = found[0][1]
        if part.get("occluded") == "1":
            hidden.add(name)
    return points, frozenset(hidden)


def _coordinates(element: Element, where: str) -> list[tuple[str, Point]]:
    """Points "x,y;x,y", numbered."""
    found = []
    for number, text in enumerate(attribute(element, "points", where).split(";")):
        x, comma, y = text.partition(",")
        if not comma:
            raise AnnotationError(f"{where}: a point is x,y, not {short(text)}.")
        found.append((str(number), (number_from_text(x, where), number_from_text(y, where))))
    return found


def _shape(path: Path, element: Element) -> Shape:
    where = place(path, element)
    left, top, right, bottom = (
        number_from_text(attribute(element, key, where), where)
        for key in ("xtl", "ytl", "xbr", "ybr")
    )
    if left > right or top > bottom:
        raise AnnotationError(f"{where}: a box ends at {right:g}, {bottom:g} before it begins.")
    label = attribute(element, "label", where)
    return Shape(label, [(left, top), (right, bottom)], where)


def _box_of(
    path: Path,
    element: Element,
    points: dict[str, Point],
    canvas: _Canvas,
    boxes: list[Element],
) -> Element | None:
    """The box of an object: the only one that is tied to it, and to it alone."""
    others = [other for other, _ in canvas.shapes if other.tag == element.tag]
    for key in (_group, _attributes):
        if key(element):
            mine = [box for box in boxes if key(box) == key(element)]
            if len(mine) == 1 and sum(key(other) == key(element) for other in others) == 1:
                return mine[0]
    mine = [box for box in boxes if _holds(path, box, element, points)]
    if len(mine) != 1:
        return None
    alone = sum(_holds(path, mine[0], other, _points(path, other)[0]) for other in others) == 1
    return mine[0] if alone else None


def _group(element: Element) -> str:
    return element.get("group_id", "0").strip("0")


def _attributes(element: Element) -> frozenset[tuple[str | None, str | None]]:
    return frozenset((found.get("name"), found.text) for found in element.iterfind("attribute"))


def _holds(path: Path, box: Element, element: Element, points: dict[str, Point]) -> bool:
    if box.get("label") != element.get("label") or not points:
        return False
    shape = _shape(path, box)
    return all(shape.contains(point) for point in points.values())
