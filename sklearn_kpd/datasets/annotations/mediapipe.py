"""MediaPipe's results, as people save them: JSON of its messages or of its tasks."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sklearn_kpd.datasets.annotations import _strict
from sklearn_kpd.datasets.annotations._images import Images
from sklearn_kpd.datasets.annotations._records import Annotated, Annotations, Point
from sklearn_kpd.exceptions import AnnotationError

#: Names of the 33 landmarks of a pose, as the documentation gives them.
POSE = (
    "nose",
    "left_eye_inner",
    "left_eye",
    "left_eye_outer",
    "right_eye_inner",
    "right_eye",
    "right_eye_outer",
    "left_ear",
    "right_ear",
    "mouth_left",
    "mouth_right",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "left_pinky",
    "right_pinky",
    "left_index",
    "right_index",
    "left_thumb",
    "right_thumb",
    "left_hip",
    "right_hip",
    "left_knee",
    "right_knee",
    "left_ankle",
    "right_ankle",
    "left_heel",
    "right_heel",
    "left_foot_index",
    "right_foot_index",
)

#: Where the landmarks of an image stand, and of what they are; those of the world are in metres.
_KEYS = {
    "landmarks": None,
    "poselandmarks": "pose",
    "facelandmarks": "face",
    "multifacelandmarks": "face",
    "handlandmarks": "hand",
    "multihandlandmarks": "hand",
    "lefthandlandmarks": "left_hand",
    "righthandlandmarks": "right_hand",
}


def is_this(path: Path, head: bytes) -> bool:
    """Whether the content holds landmarks with x, y and z."""
    keys = re.findall(rb'"(\w*[lL]andmarks)"\s*:', head)
    return (
        head.lstrip().startswith(b"{")
        and any(_plain(key.decode()) in _KEYS for key in keys)
        and bool(re.search(rb'\{\s*"x"\s*:[^{}]*"y"\s*:[^{}]*"z"\s*:', head))
    )


def read(path: Path, images: Images) -> Annotations:
    """Read the landmarks of an image: one object for each pose, face or hand.

    Landmarks are relative to the image, and need its size: ``image_width`` and ``image_height``
    in the file, or the image that ``image`` names, or else the one with the file's stem. The 33
    of a pose have their names, others are called ``0``, ``1``, ``2`` ...; how visible a landmark
    may be is a guess of the network, not a label.
    """
    content = _strict.read_json(path)
    if not isinstance(content, dict):
        raise AnnotationError(f"{path}: an object with landmarks must stand in the file.")
    image = content.get("image", path.stem)
    if not isinstance(image, str):
        raise AnnotationError(f"{path}: image is {_strict.short(image)}, no path.")
    found = [
        (kind, f"{path}, {key} {number}", landmarks)
        for key, value in content.items()
        if _plain(key) in _KEYS
        for kind in [_KEYS[_plain(key)]]
        for number, landmarks in enumerate(_lists(value, f"{path}, {key}"))
    ]
    if not found:
        return Annotations([], {}, names_are_all=False)
    if "image_width" in content or "image_height" in content:
        height, width = _strict.image_size(
            content.get("image_height"), content.get("image_width"), str(path)
        )
    else:
        height, width = images.size(image, str(path), path)
    names: dict[str | None, tuple[str, ...]] = {}
    objects = []
    for kind, where, landmarks in found:
        known = POSE if len(landmarks) == len(POSE) else tuple(map(str, range(len(landmarks))))
        category = kind or ("pose" if known is POSE else None)
        if names.setdefault(category, known) != known:
            raise AnnotationError(
                f"{where}: {len(landmarks)} landmarks where others of the kind have "
                f"{len(names[category])}."
            )
        points: dict[str, Point] = {}
        for name, landmark in zip(known, landmarks, strict=True):
            x, y = (_coordinate(landmark, axis, f"{where}, {name}") for axis in "xy")
            points[name] = x * width, y * height
        objects.append(
            Annotated(image, points, where, category=category, image_size=(height, width))
        )
    return Annotations(objects, names)


def _plain(key: str) -> str:
    return key.replace("_", "").lower()


def _lists(value: Any, where: str) -> Iterator[list[Any]]:
    """The lists of landmarks in one of the layouts: one list or several, bare or as a message."""
    if isinstance(value, dict):
        yield _strict.member(value, "landmark", list, where)
        return
    if not isinstance(value, list):
        raise AnnotationError(f"{where}: {_strict.short(value)} stands where landmarks should.")
    if value and isinstance(value[0], dict) and "landmark" not in value[0]:
        yield value
        return
    for number, item in enumerate(value):
        if isinstance(item, list):
            yield item
        else:
            yield _strict.member(item, "landmark", list, f"{where} {number}")


def _coordinate(landmark: Any, axis: str, where: str) -> float:
    if not isinstance(landmark, dict):
        raise AnnotationError(f"{where}: {_strict.short(landmark)} is no landmark.")
    value = _strict.number(landmark.get(axis), f"{where}, {axis}")
    if abs(value) > 100:
        raise AnnotationError(
            f"{where}: {axis} is {value:g}, but landmarks are relative to the image."
        )
    return value
