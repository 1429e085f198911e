"""OpenPose: one file of JSON for each image."""

import re
from pathlib import Path
from typing import Any

from sklearn_kpd.datasets.annotations import _strict
from sklearn_kpd.datasets.annotations._images import Images
from sklearn_kpd.datasets.annotations._records import Annotated, Annotations, Point
from sklearn_kpd.exceptions import AnnotationError

#: Lists of a person, and what their points are called: a number after this.
_LISTS = {
    "pose_keypoints_2d": "",
    "face_keypoints_2d": "face_",
    "hand_left_keypoints_2d": "hand_left_",
    "hand_right_keypoints_2d": "hand_right_",
}


def is_this(path: Path, head: bytes) -> bool:
    """Whether the content begins with people."""
    return head.lstrip().startswith(b"{") and bool(
        re.search(rb'"people"\s*:\s*\[\s*(\]|\{\s*"(person_id|pose_keypoints(_2d)?)")', head)
    )


def read(path: Path, images: Images) -> Annotations:
    """Read the people of an image, whose name is that of the file without ``_keypoints.json``.

    The points of the body are called ``0``, ``1``, ``2`` ..., as the file does not say which model
    of the body they are of (25 points are BODY_25 or BODY_25B), those of faces and hands
    ``face_0``, ``hand_left_0``, ``hand_right_0`` ... What was not found, (0, 0) with the
    confidence 0, is not labelled. The order of the people tells nothing.
    """
    people = _strict.member(_strict.read_json(path), "people", list, str(path))
    counts: dict[str, int] = {}
    objects = []
    for number, person in enumerate(people):
        where = f"{path}, person {number}"
        points: dict[str, Point] = {}
        for key, prefix in _LISTS.items():
            values = _numbers(person, key, where)
            n_points = len(values) // 3
            # An empty list says that this part was not looked for.
            if n_points and counts.setdefault(prefix, n_points) != n_points:
                raise AnnotationError(
                    f"{where}: {n_points} points in {key} where others have {counts[prefix]}."
                )
            for at in range(n_points):
                x, y, confidence = values[3 * at : 3 * at + 3]
                if confidence:
                    points[f"{prefix}{at}"] = (x, y)
                elif x or y:
                    raise AnnotationError(
                        f"{where}, {key}, point {at}: ({x:g}, {y:g}) with the confidence 0."
                    )
        objects.append(
            Annotated(
                image=path.stem.removesuffix("_keypoints"),
                points=points,
                where=where,
                track=_track(person, where),
            )
        )
    names = tuple(
        f"{prefix}{at}" for prefix in _LISTS.values() for at in range(counts.get(prefix, 0))
    )
    return Annotations(objects, {None: names}, names_are_all=bool(names))


def _numbers(person: Any, key: str, where: str) -> list[float]:
    if key == "pose_keypoints_2d" or (isinstance(person, dict) and key in person):
        values = _strict.member(person, key, list, where)
    else:
        values = []
    if len(values) % 3:
        raise AnnotationError(
            f"{where}: {len(values)} numbers in {key}; x, y and confidence must stand in turn."
        )
    return [_strict.number(value, f"{where}, {key}") for value in values]


def _track(person: dict[str, Any], where: str) -> str | None:
    """Number of the person, which OpenPose writes as -1 where it does not follow people."""
    found = person.get("person_id", [-1])
    number = found[0] if isinstance(found, list) and len(found) == 1 else found
    if isinstance(number, bool) or not isinstance(number, int):
        raise AnnotationError(f"{where}: person_id is {_strict.short(found)}, no number.")
    return None if number < 0 else str(number)
