"""JSON, XML and numbers, read so that nothing odd passes in silence."""

import json
import math
import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from sklearn_kpd._common.files import read_regular
from sklearn_kpd.datasets.annotations._records import Box, Point
from sklearn_kpd.exceptions import AnnotationError

#: No image is larger, in pixels; what is lies far outside of any is a damaged number.
_LARGEST = 1e7


def short(value: Any) -> str:
    """A value for an error message, cut where it is long."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def number(value: Any, where: str) -> float:
    """A coordinate: a finite number, or an error that names the place."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise AnnotationError(f"{where}: {short(value)} stands where a number should.")
    if not abs(value) <= _LARGEST:
        raise AnnotationError(f"{where}: {short(value)} is no coordinate of an image.")
    return float(value)


def point(x: Any, y: Any, name: str, where: str) -> Point:
    """Coordinates of a keypoint, as `number` takes them; the place is put together for errors."""
    are_numbers = type(x) in (int, float) and type(y) in (int, float)
    if are_numbers and abs(x) <= _LARGEST and abs(y) <= _LARGEST:
        return float(x), float(y)
    return number(x, f"{where}, keypoint {name}"), number(y, f"{where}, keypoint {name}")


def number_from_text(text: str | None, where: str) -> float:
    """A coordinate that a file holds as text."""
    try:
        # float() takes "1_0" and digits of any script.
        if text is None or "_" in text or not text.isascii():
            raise ValueError
        return number(float(text), where)
    except ValueError as error:
        if isinstance(error, AnnotationError):
            raise
        raise AnnotationError(f"{where}: {short(text)} stands where a number should.") from None


def whole_number(value: Any, where: str) -> int:
    """A count, a size or an index, 0 or more; as a number or as text."""
    if isinstance(value, str):
        value = number_from_text(value, where)
    found = number(value, where)
    if found < 0 or found != math.floor(found):
        raise AnnotationError(f"{where}: {short(value)} stands where a whole number should.")
    return int(found)


def image_size(height: Any, width: Any, where: str) -> tuple[int, int]:
    """Height and width of an image, both 1 or more."""
    size = whole_number(height, f"{where}, height"), whole_number(width, f"{where}, width")
    if 0 in size:
        raise AnnotationError(f"{where}: the image has height {height} and width {width}.")
    return size


def box_from_size(values: Any, where: str) -> Box | None:
    """Box from [left, top, width, height]; None if its width or height is 0: no box."""
    if not isinstance(values, Sequence) or isinstance(values, str) or len(values) != 4:
        raise AnnotationError(f"{where}: a box has four numbers, not {short(values)}.")
    left, top, width, height = (number(value, f"{where}, box") for value in values)
    if width < 0 or height < 0:
        raise AnnotationError(f"{where}: a box has the width {width:g} and height {height:g}.")
    return (left, top, left + width, top + height) if width and height else None


def box_around(corners: Sequence[Point]) -> Box:
    """The smallest box that holds some points."""
    x, y = zip(*corners, strict=True)
    return min(x), min(y), max(x), max(y)


def edges_from_indices(
    edges: Any, names: Sequence[str], where: str
) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Pairs of names from pairs of indices, and what is left out.

    Indices count from 1, as in COCO, unless one of them is 0. Where one is out of range, the
    edges are of another set of keypoints: none is taken.
    """
    if not isinstance(edges, list) or not all(
        isinstance(edge, (list, tuple)) and len(edge) == 2 for edge in edges
    ):
        raise AnnotationError(f"{where}: a skeleton is a list of pairs, not {short(edges)}.")
    pairs = [tuple(whole_number(index, where) for index in edge) for edge in edges]
    base = 0 if any(0 in pair for pair in pairs) else 1
    largest = max(map(max, pairs), default=base)
    if largest - base >= len(names):
        reason = f"it joins the keypoint {largest}, of {len(names)}"
        return [], [(where, reason)] if names else []
    return [(names[i - base], names[j - base]) for i, j in pairs], []


def check_names(names: Sequence[Any], where: str) -> tuple[str, ...]:
    """Names of keypoints, stripped: text, none empty, none twice."""
    found: dict[str, None] = {}
    for name in names:
        if not isinstance(name, str) or not name.strip():
            raise AnnotationError(f"{where}: {short(name)} is no name of a keypoint.")
        if name.strip() in found:
            raise AnnotationError(f"{where}: the keypoint {short(name)} is there twice.")
        found[name.strip()] = None
    return tuple(found)


def member(value: Any, key: str, kind: type | tuple[type, ...], where: str) -> Any:
    """Value of a key of a JSON object, of the kind that it must be."""
    if not isinstance(value, dict):
        raise AnnotationError(f"{where}: {short(value)} stands where an object should.")
    if key not in value:
        raise AnnotationError(f"{where}: {key!r} is missing.")
    found = value[key]
    if not isinstance(found, kind) or (isinstance(found, bool) and kind is not bool):
        raise AnnotationError(f"{where}: {key!r} may not be {short(found)}.")
    return found


def read_text(path: Path) -> str:
    """Text of a file in UTF-8, or in UTF-16 or 32 as its first bytes tell."""
    content = read_regular(path)
    try:
        return content.decode(json.detect_encoding(content))
    except UnicodeDecodeError as error:
        raise AnnotationError(
            f"{path}: no text in UTF-8 ({error}); save the file in that encoding."
        ) from error


def read_json(path: Path) -> Any:
    """Content of a JSON file; NaN and Infinity come through, for `number` to refuse."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            keys = [key for key, _ in pairs]
            twice = next(key for key in keys if keys.count(key) > 1)
            raise AnnotationError(
                f"{path}: an object has the key {short(twice)} twice; keep one of them."
            )
        return found

    text = read_text(path)
    try:
        content = json.loads(text, object_pairs_hook=unique)
        if _SURROGATE.search(text):  # half a character is none, and cannot be written anywhere
            json.dumps(content, ensure_ascii=False).encode()
        return content
    except json.JSONDecodeError as error:
        raise AnnotationError(
            f"{path}, line {error.lineno}, column {error.colno}: no JSON from here on "
            f"({error.msg}); the file is cut off or damaged."
        ) from error
    except RecursionError as error:
        raise AnnotationError(f"{path}: JSON nested too deeply for annotations.") from error
    except ValueError as error:
        if isinstance(error, AnnotationError):
            raise
        what = "a text is none" if isinstance(error, UnicodeError) else "a number is too long"
        raise AnnotationError(f"{path}: {what} ({error}).") from error


_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


class Outline(NamedTuple):
    """What the first bytes of a JSON file show of it.

    Attributes
    ----------
    kind : str
        "{" for an object, "[" for a list, "" for what is no JSON.
    keys : dict of str to str
        Keys of the object, or of the first object in the list, as far as they can be seen, and
        the first character of what stands there: "{", "[", a quote, a digit ...
    """

    kind: str
    keys: dict[str, str]


_TOKEN = re.compile(r'"((?:[^"\\]|\\.)*)"\s*(?::\s*(.))?|[{}\[\]]', re.DOTALL)


@lru_cache(maxsize=4)
def outline(head: bytes) -> Outline:
    """Keys of a JSON file, from its first bytes alone."""
    text = head.decode(json.detect_encoding(head), errors="replace").lstrip("\ufeff \t\r\n")
    kind = text[:1]
    if kind not in ("{", "["):
        return Outline("", {})
    keys: dict[str, str] = {}
    depth, level, at = 0, 1 if kind == "{" else 2, 0
    while token := _TOKEN.search(text, at):
        at = token.end()
        if token[2] is not None:
            at = token.start(2)  # the value is the next token
            if depth == level:
                keys[token[1]] = token[2]
        elif token[0] in "{[":
            depth += 1
        elif token[0] in "]}":
            depth -= 1
            if depth < level and (kind == "{" or keys):
                break  # the end of the object whose keys are asked for
    return Outline(kind, keys)


class Node(Element):
    """An element of XML that knows its line."""

    line = 0


def root_tag(head: bytes) -> str:
    """Name of the root element of an XML file, from its first bytes alone; "" if it is none."""
    found = re.match(rb"(?:\xef\xbb\xbf)?\s*(?:<[?!].*?>\s*)*<([A-Za-z_][\w.-]*)", head, re.DOTALL)
    return found[1].decode() if found else ""


def place(path: Path, element: Element) -> str:
    """File and line of an element that `read_xml` found."""
    return f"{path}, line {getattr(element, 'line', 0)}"


def attribute(element: Element, name: str, where: str) -> str:
    """An attribute that must be there."""
    value = element.get(name)
    if value is None:
        raise AnnotationError(f"{where}: <{element.tag}> has no {name}=.")
    return value


def read_xml(path: Path) -> Element:
    """Root of an XML file; one with a document type, which may define entities, is refused."""
    builder = TreeBuilder(element_factory=Node)
    parser = expat.ParserCreate()

    def start(tag: str, attributes: dict[str, str]) -> None:
        element = builder.start(tag, attributes)
        element.line = parser.CurrentLineNumber  # type: ignore[attr-defined]

    def refuse(*_: Any) -> None:
        raise AnnotationError(
            f"{path}, line {parser.CurrentLineNumber}: a document type (<!DOCTYPE), which may "
            "hide anything; no annotation tool writes one. Remove it if you trust the file."
        )

    parser.buffer_text = True
    parser.StartElementHandler = start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(read_regular(path), True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        if isinstance(error, AnnotationError):
            raise
        raise AnnotationError(
            f"{path}: no XML ({error}); the file is cut off or damaged."
        ) from error
    return builder.close()
