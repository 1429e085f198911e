"""Left and right: in the names of keypoints, as people write them, and in pairs.

A name is cut into words at separators, digits and capitals (``LFrontRoof`` is L, Front, Roof).
'left' and 'right' are sides wherever they stand, L and R where they are words beside others. Of
names without such words, two are a pair that differ in one l and r at an end of a word:
``leye`` and ``reye``, ``FL_paw`` and ``FR_paw``.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from sklearn_kpd._common.named_keypoints import listed, named_keypoints

# Letters that are no capitals; those with accents count to them.
_LOWER = r"[^\W\d_A-Z]"
_WORD = re.compile(rf"[A-Z]+(?!{_LOWER})|[A-Z]?{_LOWER}+|\d+")
# 'bright', 'upright' and 'cleft' tell no side.
_SIDE = re.compile(r"(?<!c)left(?!over)|(?<!b)(?<!up)(?<!al)(?<!out)(?<!down)right(?!eous|ful)")
#: Pairs of names or of indices that swap in a mirror image, or the name of a set of keypoints.
FlipPairs = str | Sequence[tuple[str | int, str | int]] | None
_OTHER = {"left": "right", "right": "left", "l": "r", "r": "l"}


class _Reading(NamedTuple):
    """Words of a name, where sides are 'left' and 'right'; and where those stand in it."""

    words: tuple[str, ...]
    sides: tuple[str, ...]
    spans: tuple[tuple[int, int], ...]


def flip_permutation(
    n_keypoints: int,
    names: Sequence[str] | None = None,
    flip_pairs: FlipPairs = None,
) -> npt.NDArray[np.intp]:
    """Which keypoint takes each keypoint's place when the image is mirrored.

    Parameters
    ----------
    n_keypoints : int
        Number of keypoints.
    names : sequence of str, optional
        Names of the keypoints: left and right in them are swapped, in the spellings that people
        use (``left_eye``, ``eyeLeft``, ``L-Wrist``, ``lEye``, ``leye``).
    flip_pairs : str or sequence of pairs, optional
        Pairs of names or of indices that swap; all others stay. "kaggle15", "coco17", "ibug68"
        and "wflw98" are those of these sets. Goes before `names`.

    Returns
    -------
    ndarray of shape (n_keypoints,), int
        ``mirrored = points[:, permutation]``. It is its own inverse.

    Raises
    ------
    ValueError
        If neither names nor pairs say what swaps, a name has no counterpart or a pair is wrong.

    Examples
    --------
    >>> from sklearn_kpd.keypoints import flip_permutation
    >>> flip_permutation(3, ["left_eye", "nose", "right_eye"])
    array([2, 1, 0])
    """
    names = None if names is None else list(names)
    pairs: list[tuple[int, int]] = []
    if isinstance(flip_pairs, str):
        pairs = mirror_pairs(named_keypoints(flip_pairs, n_keypoints, names))
    elif flip_pairs is not None:
        pairs = [_read_pair(pair, n_keypoints, names) for pair in flip_pairs]
    elif names is not None:
        pairs = mirror_pairs(names)
    if flip_pairs is None and not pairs:
        reason = "y has no names" if names is None else f"the names {listed(names)} do not say it"
        raise ValueError(
            f"A flip has to know which keypoints swap left and right, and {reason}. Pass y as a "
            "DataFrame with columns such as 'left_eye_center_x', or flip_pairs=[(0, 1), ...] with "
            "the indices of the keypoints that swap, or 'ibug68' and the like (flip_pairs=[] if "
            "none does), or flip=0."
        )
    permutation = np.arange(n_keypoints)
    used = [index for pair in pairs for index in pair]
    if len(used) != len(set(used)):
        raise ValueError("flip_pairs names a keypoint more than once.")
    for left, right in pairs:
        permutation[[left, right]] = right, left
    return permutation


def _read_pair(pair: Any, n_keypoints: int, names: list[str] | None) -> tuple[int, int]:
    try:
        left, right = pair
    except (TypeError, ValueError) as error:
        raise ValueError(f"flip_pairs must hold pairs of keypoints; got {pair!r}.") from error
    return (
        _keypoint_index(left, n_keypoints, names),
        _keypoint_index(right, n_keypoints, names),
    )


def _keypoint_index(item: str | int, n_keypoints: int, names: list[str] | None) -> int:
    if isinstance(item, str):
        if names is None or item not in names:
            raise ValueError(f"flip_pairs names the keypoint {item!r}, which y does not have.")
        return names.index(item)
    if not isinstance(item, (int, np.integer)) or not 0 <= item < n_keypoints:
        raise ValueError(
            f"flip_pairs holds {item!r}; it may hold names or indices from 0 to {n_keypoints - 1}."
        )
    return int(item)


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
    >>> from sklearn_kpd._common.sides import mirror_pairs
    >>> mirror_pairs(["LeftEye", "nose", "RightEye", "eye_corner.L", "eye_corner.R"])
    [(0, 2), (3, 4)]
    """
    readings = [_read_name(name) for name in names]
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
    >>> from sklearn_kpd._common.sides import sides
    >>> sides(["LeftEye", "nose", "right_eye_left_corner"])
    ['left', 'middle', 'right']
    """
    readings = [_read_name(name) for name in names]
    found = [reading.sides[0] if reading.sides else "middle" for reading in readings]
    try:
        pairs = _letter_pairs(names, readings)
    except ValueError:  # matters to a flip alone
        pairs = []
    for left, right in pairs:
        found[left], found[right] = "left", "right"
    return found


def _read_name(name: str) -> _Reading:
    words, sides, spans = [], [], []
    pieces = list(_word_spans(name))
    for start, end in pieces:
        word = name[start:end].lower()
        if word in ("l", "r") and len(pieces) > 1:
            word = {"l": "left", "r": "right"}[word]
        words.append(word)
        if word in ("left", "right"):
            sides.append(word)
            spans.append((start, end))
    return _Reading(tuple(words), tuple(sides), tuple(spans))


def _word_spans(name: str) -> Iterator[tuple[int, int]]:
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
