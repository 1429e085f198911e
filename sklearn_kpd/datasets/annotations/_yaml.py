"""The little of YAML that describes a data set: mappings, lists, text and numbers."""

import re
from pathlib import Path
from typing import Any, NamedTuple

from sklearn_kpd.datasets.annotations import _strict, _tables
from sklearn_kpd.exceptions import AnnotationError

_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]{1,18}")
_CONSTANTS = {"": None, "~": None, "null": None, "true": True, "false": False}

#: A key of a mapping, quoted or bare, and what follows its colon.
_ENTRY = re.compile(
    r"""(?P<key>"[^"\\]*"|'[^']*'|[^\s"'\[\]{},#&*!|>%@`][^:]*?)\s*:(?:\s+(?P<value>.*))?"""
)

#: What a bare scalar may not begin with: anchors, tags, blocks of text and the like.
_OTHER_YAML = tuple("&*!|>%@`")

#: How deeply lists and mappings may be nested.
_DEEPEST = 20


class _Line(NamedTuple):
    where: str
    indent: int
    text: str


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a file with a mapping; its keys are text, also where they are numbers.

    Raises
    ------
    AnnotationError
        If the file is no YAML, or uses more of it than such a file needs; with the line.
    """
    lines = []
    for number, line in enumerate(_tables.read_text(path).splitlines(), start=1):
        text = _without_comment(line).rstrip()
        if text.strip() in ("", "---"):
            continue
        where = f"{path}, line {number}"
        body = text.lstrip(" ")
        if body.startswith("\t"):
            raise AnnotationError(f"{where}: a tab at the beginning of a line; write blanks.")
        lines.append(_Line(where, len(text) - len(body), body))
    if not lines:
        return {}
    content, rest = _block(lines, 0)
    if rest:
        raise AnnotationError(f"{rest[0].where}: indented less than the lines before.")
    if not isinstance(content, dict):
        raise AnnotationError(f"{path}: a mapping, 'key: value', must stand in the file.")
    return content


def _without_comment(line: str) -> str:
    quote = ""
    for at, character in enumerate(line):
        if quote:
            quote = "" if character == quote else quote
        elif character in "\"'" and (at == 0 or line[at - 1] in " [{,:"):
            quote = character
        elif character == "#" and (at == 0 or line[at - 1] in " \t"):
            return line[:at]
    return line


def _block(lines: list[_Line], depth: int) -> tuple[Any, list[_Line]]:
    """A list or a mapping that begins at the first line, and the lines after it."""
    if depth > _DEEPEST:
        raise AnnotationError(f"{lines[0].where}: nested too deeply.")
    read = _sequence if _is_item(lines[0]) else _mapping
    return read(lines, lines[0].indent, depth)


def _is_item(line: _Line) -> bool:
    return line.text == "-" or line.text.startswith("- ")


def _sequence(lines: list[_Line], indent: int, depth: int) -> tuple[list[Any], list[_Line]]:
    items = []
    while lines and lines[0].indent == indent and _is_item(lines[0]):
        line, *lines = lines
        value, lines = _value(line, line.text[1:].strip(), lines, indent, depth)
        items.append(value)
    _check_indent(lines, indent)
    return items, lines


def _mapping(lines: list[_Line], indent: int, depth: int) -> tuple[dict[str, Any], list[_Line]]:
    found: dict[str, Any] = {}
    while lines and lines[0].indent == indent and not _is_item(lines[0]):
        line, *lines = lines
        entry = _ENTRY.fullmatch(line.text)
        if entry is None:
            raise AnnotationError(
                f"{line.where}: {_strict.short(line.text)} is no 'key: value' of YAML."
            )
        key = entry["key"].strip("\"'")
        if key in found:
            raise AnnotationError(f"{line.where}: {key!r} is there a second time.")
        if lines and lines[0].indent == indent and _is_item(lines[0]) and not entry["value"]:
            found[key], lines = _sequence(lines, indent, depth + 1)
        else:
            found[key], lines = _value(line, entry["value"] or "", lines, indent, depth)
    _check_indent(lines, indent)
    return found, lines


def _check_indent(lines: list[_Line], indent: int) -> None:
    if lines and lines[0].indent > indent:
        raise AnnotationError(f"{lines[0].where}: indented more than the lines before.")


def _value(
    line: _Line, text: str, lines: list[_Line], indent: int, depth: int
) -> tuple[Any, list[_Line]]:
    if not text:
        if lines and lines[0].indent > indent:
            return _block(lines, depth + 1)
        return None, lines
    if text[0] in "[{":
        while lines and not _is_closed(text):
            text, lines = f"{text} {lines[0].text}", lines[1:]
        value, rest = _flow(text, line.where, depth)
        if rest.strip():
            raise AnnotationError(f"{line.where}: {_strict.short(rest.strip())} after a list.")
        return value, lines
    return _scalar(text, line.where), lines


def _is_closed(text: str) -> bool:
    return sum(map(text.count, "[{")) <= sum(map(text.count, "]}"))


def _flow(text: str, where: str, depth: int) -> tuple[Any, str]:
    """A list in brackets, a mapping in braces or a scalar within them, and the text after it."""
    if depth > _DEEPEST:
        raise AnnotationError(f"{where}: nested too deeply.")
    text = text.lstrip()
    if text[:1] not in ("[", "{"):
        match = re.match(r""""[^"\\]*"|'[^']*'|[^,\[\]{}"':]*(?::(?! )[^,\[\]{}"':]*)*""", text)
        found = match[0] if match else ""
        return _scalar(found.strip(), where), text[len(found) :]
    closing = "]" if text[0] == "[" else "}"
    items: list[Any] = []
    entries: dict[str, Any] = {}
    rest = text[1:].lstrip()
    while not rest.startswith(closing):
        item, rest = _flow(rest, where, depth + 1)
        rest = rest.lstrip()
        if closing == "}":
            if not rest.startswith(":") or str(item) in entries:
                raise AnnotationError(f"{where}: {_strict.short(item)} is no key of a mapping.")
            entries[str(item)], rest = _flow(rest[1:], where, depth + 1)
            rest = rest.lstrip()
        items.append(item)
        if rest.startswith(","):
            rest = rest[1:].lstrip()
        elif not rest.startswith(closing):
            raise AnnotationError(f"{where}: a comma or {closing!r} is missing in {text[:40]!r}.")
    return (items if closing == "]" else entries), rest[1:]


def _scalar(text: str, where: str) -> Any:
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        return text[1:-1]
    if text.startswith(_OTHER_YAML) or text[:1] in ('"', "'"):
        raise AnnotationError(
            f"{where}: {_strict.short(text)} is YAML of a kind that such a file does not need."
        )
    if ": " in text or text.endswith(":"):
        raise AnnotationError(
            f"{where}: a colon and a blank within {_strict.short(text)}, which is no YAML; quote "
            "the text or mend it."
        )
    if text.lower() in _CONSTANTS:
        return _CONSTANTS[text.lower()]
    return int(text) if _WHOLE_NUMBER.fullmatch(text) else text
