"""Left and right in the names of keypoints, as people write them.

A name is cut into words at separators, digits and capitals (``LFrontRoof`` is L, Front, Roof).
'left' and 'right' are sides wherever they stand, L and R where they are words beside others. Of
names without such words, two are a pair that differ in one l and r at an end of a word:
``leye`` and ``reye``, ``FL_paw`` and ``FR_paw``.
"""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

# Letters that are no capitals; those with accents count to them.
_LOWER = r"[^\W\d_A-Z]"
_WORD = re.compile(rf"[A-Z]+(?!{_LOWER})|[A-Z]?{_LOWER}+|\d+")
# 'bright', 'upright' and 'cleft' tell no side.
_SIDE = re.compile(r"(?<!c)left(?!over)|(?<!b)(?<!up)(?<!al)(?<!out)(?<!down)right(?!eous|ful)")
_OTHER = {"left": "right", "right": "left", "l": "r", "r": "l"}


class _Reading(NamedTuple):
    """Words of a name, where sides are 'left' and 'right'; and where those stand in it."""

    words: tuple[str, ...]
    sides: tuple[str, ...]
    spans: tuple[tuple[int, int], ...]


def mirror_pairs(names: Sequence[str]) -> list[tuple[int, int]]:
    """Keypoints that swap in a mirror image, by their names.

    Parameters
    ----------
    names : sequence of str
        Names of the keypoints.

    Returns
    -------
    list of (int, int)
        Indices of the left and of the right one; none where no name tells a side.

    Raises
    ------
    ValueError
        If a name has no counterpart, or more than one.

    Examples
    --------
    >>> from sklearn_kpd._sides import mirror_pairs
    >>> mirror_pairs(["LeftEye", "nose", "RightEye", "eye_corner.L", "eye_corner.R"])
    [(0, 2), (3, 4)]
    """
    readings = [_read(name) for name in names]
    index: dict[tuple[str, ...], int] = {}
    for i, reading in enumerate(readings):
        if reading.sides and index.setdefault(reading.words, i) != i:
            raise ValueError(
                f"The keypoints {names[index[reading.words]]!r} and {names[i]!r} read as the same "
                "one of a left and a right: pass flip_pairs, or flip=0."
            )
    pairs = []
    for i, reading in enumerate(readings):
        if not reading.sides:
            continue
        other = index.get(tuple(_other(word) for word in reading.words))
        if other is None:
            raise ValueError(
                f"A flip swaps left and right, but the keypoint {names[i]!r} has no counterpart "
                f"{_mirrored(names[i], reading)!r}: pass flip_pairs, or flip=0."
            )
        if reading.sides[0] == "left":
            pairs.append((i, other))
    return pairs + _letter_pairs(names, readings)


def sides(names: Sequence[str]) -> list[str]:
    """Side of each keypoint by its name: "left", "right" or "middle".

    Of two sides in one name the first counts.

    Examples
    --------
    >>> from sklearn_kpd._sides import sides
    >>> sides(["LeftEye", "nose", "right_eye_left_corner"])
    ['left', 'middle', 'right']
    """
    readings = [_read(name) for name in names]
    found = [reading.sides[0] if reading.sides else "middle" for reading in readings]
    try:
        pairs = _letter_pairs(names, readings)
    except ValueError:  # matters to a flip alone
        pairs = []
    for left, right in pairs:
        found[left], found[right] = "left", "right"
    return found


def _read(name: str) -> _Reading:
    words, sides, spans = [], [], []
    pieces = list(_pieces(name))
    for start, end in pieces:
        word = name[start:end].lower()
        if word in ("l", "r") and len(pieces) > 1:
            word = {"l": "left", "r": "right"}[word]
        words.append(word)
        if word in ("left", "right"):
            sides.append(word)
            spans.append((start, end))
    return _Reading(tuple(words), tuple(sides), tuple(spans))


def _pieces(name: str) -> Iterator[tuple[int, int]]:
    """Where the words of a name stand; 'left' and 'right' in a word are words of their own."""
    for word in _WORD.finditer(name):
        start, end = word.span()
        for side in _SIDE.finditer(word.group().lower()):
            if start < word.start() + side.start():
                yield start, word.start() + side.start()
            start = word.start() + side.end()
            yield word.start() + side.start(), start
        if start < end:
            yield start, end


def _other(word: str) -> str:
    return _OTHER[word] if word in ("left", "right") else word


def _mirrored(name: str, reading: _Reading) -> str:
    for start, end in reversed(reading.spans):
        name = name[:start] + _swapped(name[start:end]) + name[end:]
    return name


def _swapped(side: str) -> str:
    """Give the other side, in the same capitals."""
    other = _OTHER[side.lower()]
    if side.isupper():
        return other.upper()
    return other.capitalize() if side[0].isupper() else other


def _letter_pairs(names: Sequence[str], readings: list[_Reading]) -> list[tuple[int, int]]:
    """Pairs among the names without a side that differ in one letter, l and r."""
    index = {
        name: i
        for i, (name, reading) in enumerate(zip(names, readings, strict=True))
        if not reading.sides
    }
    pairs = []
    for name, i in index.items():
        others = [(other, side) for other, side in _letters_swapped(name) if other in index]
        if len(others) > 1:
            raise ValueError(
                f"The keypoint {name!r} may swap with {others[0][0]!r} or with {others[1][0]!r} "
                "in a flip: pass flip_pairs, or flip=0."
            )
        if others and others[0][1] == "l":
            pairs.append((i, index[others[0][0]]))
    return pairs


def _letters_swapped(name: str) -> Iterator[tuple[str, str]]:
    """Names with l and r exchanged at an end of a word, and the letter that was there."""
    for word in _WORD.finditer(name):
        if len(word.group()) > 1:
            for at in (word.start(), word.end() - 1):
                if name[at].lower() in ("l", "r"):
                    yield name[:at] + _swapped(name[at]) + name[at + 1 :], name[at].lower()
