"""dlib's XML, as imglab writes it."""

from pathlib import Path
from xml.etree.ElementTree import Element

from sklearn_kpd.datasets.annotations._images import Images
from sklearn_kpd.datasets.annotations._records import Annotated, Annotations
from sklearn_kpd.datasets.annotations._strict import (
    attribute,
    box_from_size,
    check_names,
    image_size,
    number_from_text,
    place,
    read_xml,
    root_tag,
)


def is_this(path: Path, head: bytes) -> bool:
    """Whether the content begins as imglab's XML does."""
    return root_tag(head) == "dataset" and b"<image" in head


def read(path: Path, images: Images) -> Annotations:
    """Read a file: one object for each box that is not marked to be ignored.

    The parts that a box lacks are not labelled; there is no mark for hidden ones.
    """
    objects, left_out = [], []
    names: dict[str | None, set[str]] = {}
    for image in read_xml(path).iter("image"):
        where = place(path, image)
        file = attribute(image, "file", where)
        size = None
        if "width" in image.attrib or "height" in image.attrib:
            size = image_size(image.get("height"), image.get("width"), where)
        boxes = image.findall("box")
        if not boxes:
            left_out.append((f"{where}, image {file}", "it has no box"))
        for box in boxes:
            where = place(path, box)
            if box.get("ignore", "0") not in ("0", "false"):
                left_out.append((where, "it is marked to be ignored"))
                continue
            edges = [attribute(box, key, where) for key in ("left", "top", "width", "height")]
            category = (box.findtext("label") or "").strip() or None
            points = _points(path, box)
            names.setdefault(category, set()).update(points)
            objects.append(
                Annotated(
                    image=file,
                    points=points,
                    where=where,
                    box=box_from_size([number_from_text(edge, where) for edge in edges], where),
                    category=category,
                    image_size=size,
                )
            )
    # dlib itself sorts the parts by their names.
    ordered = {category: tuple(sorted(found)) for category, found in names.items()}
    return Annotations(objects=objects, names=ordered, left_out=left_out, names_are_all=False)


def _points(path: Path, box: Element) -> dict[str, tuple[float, float]]:
    parts = box.findall("part")
    where = place(path, box)
    names = check_names([attribute(part, "name", where) for part in parts], where)
    return {
        name: (
            number_from_text(part.get("x"), f"{place(path, part)}, part {name}"),
            number_from_text(part.get("y"), f"{place(path, part)}, part {name}"),
        )
        for name, part in zip(names, parts, strict=True)
    }
