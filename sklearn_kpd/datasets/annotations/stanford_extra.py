"""StanfordExtra's JSON: dogs with 24 joints."""

from pathlib import Path

from sklearn_kpd.datasets.annotations._images import Images
from sklearn_kpd.datasets.annotations._records import Annotated, Annotations
from sklearn_kpd.datasets.annotations._strict import (
    box_from_size,
    image_size,
    member,
    number,
    outline,
    read_json,
    short,
)
from sklearn_kpd.exceptions import AnnotationError

#: The joints in the order of the files, which do not name them: from the data set's
#: keypoint_definitions.csv.
NAMES = (
    *(
        f"{leg} leg: {joint}"
        for leg in ("Left front", "Left rear", "Right front", "Right rear")
        for joint in ("paw", "middle joint", "top")
    ),
    "Tail start",
    "Tail end",
    "Base of left ear",
    "Base of right ear",
    "Nose",
    "Chin",
    "Left ear tip",
    "Right ear tip",
    "Left eye",
    "Right eye",
    "Withers",
    "Throat",
)


def is_this(path: Path, head: bytes) -> bool:
    """Whether the content begins as StanfordExtra's JSON does."""
    kind, keys = outline(head)
    return kind == "[" and {"img_path", "joints"} <= keys.keys()


def read(path: Path, images: Images) -> Annotations:
    """Read the file: one object for each entry.

    What has v = 0 is not labelled, whatever its coordinates; v = 1 says 'labelled'.
    """
    objects = []
    content = read_json(path)
    if not isinstance(content, list):
        raise AnnotationError(f"{path}: a list of dogs is needed, not {short(content)}.")
    for at, item in enumerate(content):
        where = f"{path}, item {at}"
        joints = member(item, "joints", list, where)
        if len(joints) != len(NAMES):
            raise AnnotationError(f"{where}: {len(joints)} joints where {len(NAMES)} should be.")
        points = {}
        for name, joint in zip(NAMES, joints, strict=True):
            place = f"{where}, joint {name!r}"
            if not isinstance(joint, list) or len(joint) != 3:
                raise AnnotationError(f"{place}: a joint is [x, y, v], not {short(joint)}.")
            x, y, v = joint
            if isinstance(v, bool) or v not in (0, 1):
                raise AnnotationError(f"{place}: v is {short(v)}; it may be 0 or 1.")
            if v:
                points[name] = number(x, place), number(y, place)
        box = item.get("img_bbox")
        objects.append(
            Annotated(
                image=member(item, "img_path", str, where),
                points=points,
                where=where,
                box=box_from_size(box, where) if box else None,
                image_size=image_size(item.get("img_height"), item.get("img_width"), where),
            )
        )
    return Annotations(objects=objects, names={None: NAMES})
