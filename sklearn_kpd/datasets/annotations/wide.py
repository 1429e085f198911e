"""Tables of text with columns for x and y: a row an object, or (long) a row a point."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from sklearn_kpd._common.texts import unshielded_path
from sklearn_kpd.datasets.annotations import (
    _hdf5,
    _strict,
    _tables,
    deeplabcut,
    mtfl,
    sleap,
    via,
    wflw,
    yolo,
)
from sklearn_kpd.datasets.annotations._images import Images
from sklearn_kpd.datasets.annotations._records import WRITTEN, Annotated, Annotations, Box
from sklearn_kpd.exceptions import AnnotationError

#: What columns other than those of keypoints are called; the first of a list goes before others.
_IMAGE = (
    "image",
    "filename",
    "imagepath",
    "imagename",
    "imagefile",
    "imageid",
    "imgpath",
    "imgname",
    "imgfile",
    "imgid",
    "img",
    "filepath",
    "file",
    "path",
    "nameid",
    "name",
    "",
)
_OBJECT = ("object", "objectid", "person", "personid", "instance", "instanceid", "individual")
_TRACK = ("track", "trackid")
_CATEGORY = ("category", "class", "species")
_HEIGHT = ("height", "imageheight", "imgheight")
_WIDTH = ("width", "imagewidth", "imgwidth")
_TEXTS = {
    "object": _OBJECT,
    "category": _CATEGORY,
    "track": _TRACK,
    "height": _HEIGHT,
    "width": _WIDTH,
}
_KEYPOINT = ("keypoint", "keypointname", "landmark", "bodypart", "joint", "part", "point", "label")
_VISIBLE = ("visible", "visibility", "vis", "v")

#: Columns of boxes: left, top, right and bottom, or left, top, width and height.
_CORNERS = (
    ("left", "top", "right", "bottom"),
    ("xmin", "ymin", "xmax", "ymax"),
    ("boxleft", "boxtop", "boxright", "boxbottom"),
    ("boxxmin", "boxymin", "boxxmax", "boxymax"),
    ("bboxxmin", "bboxymin", "bboxxmax", "bboxymax"),
    ("boxx1", "boxy1", "boxx2", "boxy2"),
    ("bboxx1", "bboxy1", "bboxx2", "bboxy2"),
)
_SIZES = (
    ("boxx", "boxy", "boxw", "boxh"),
    ("bboxx", "bboxy", "bboxw", "bboxh"),
    ("boxx", "boxy", "boxwidth", "boxheight"),
    ("bboxx", "bboxy", "bboxwidth", "bboxheight"),
)

#: Relative coordinates lie here, also those of points a little beyond the image.
_RELATIVE = (-0.5, 1.5)

#: The columns of MUCT, which writes (0, 0) for a point that is not available.
_MUCT = ["name", "tag", *(f"{axis}{number:02}" for number in range(76) for axis in "xy")]
_MUCT_POINTS = (68, 76)

_WORDS = {"yes": 2, "true": 2, "no": 1, "false": 1}

#: A cell with more characters than this holds pixels, not the path of an image.
_PATH_LIMIT = 4096


#: Formats whose tables have a meaning of their own.
_OTHERS = (deeplabcut, mtfl, sleap, via, wflw, yolo)


class _Table(NamedTuple):
    path: Path
    header: list[str] | None
    where: str
    rows: list[_tables.Row]
    decimal: str
    n_rows: int


class _Point(NamedTuple):
    """What a table says of a point: `visible` is 0, 1, 2, or None if it says nothing of it."""

    x: float
    y: float
    visible: int | None


class _Object(NamedTuple):
    image: str
    where: str
    points: dict[str, _Point]
    box: Box | None = None
    category: str | None = None
    image_size: tuple[int, int] | None = None
    track: str | None = None


def is_this(path: Path, head: bytes) -> bool:
    """Whether the first lines are a table with the coordinates of points, of no other format."""
    if head.startswith(_hdf5.SIGNATURE) or any(other.is_this(path, head) for other in _OTHERS):
        return False
    text = _tables.head_text(head)
    lines = text.splitlines()[:3]
    try:
        table = _split("\n".join(lines), path)
        if table.header is None:
            first, *numbers = table.rows[0].fields
            return len(numbers) > 1 and not _tables.is_number(first)
        columns = _others(table.header)
        return bool(_tables.keypoint_columns(columns, table.where)) or _is_long(table.header)
    except (AnnotationError, IndexError):
        return False


def read(path: Path, images: Images, missing_value: float | None = None) -> Annotations:
    """Read a table.

    Parameters
    ----------
    path : Path
        The file. Its fields are separated by commas, semicolons, tabs or blanks; its numbers
        have a decimal point or a decimal comma.
    images : Images
        Where the images are, whose sizes relative coordinates need.
    missing_value : float, optional
        A point both of whose coordinates are this number is not labelled; with NaN, only a
        point without numbers. If it is not given, (0, 0) and (-1, -1) raise, except where a
        column says whether a point is visible, and in MUCT's table.

    Returns
    -------
    Annotations
        Without a header, x and y stand in turn after the path of the image, and the points are
        called ``0``, ``1``, ``2`` ... Coordinates from 0 to 1 are relative to the image.
    """
    table = _split(_tables.read_text(path), path)
    if table.n_rows != len(table.rows):
        raise AnnotationError(
            f"{path}: {len(table.rows)} rows where the first line says {table.n_rows}; the file "
            "is cut off."
        )
    if table.header is None:
        names, objects = _headless(table)
    elif _is_long(table.header):
        names, objects = _long(table, table.header)
    else:
        names, objects = _wide(table, table.header)
    if missing_value is None and table.header in [_MUCT[: 2 + 2 * n] for n in _MUCT_POINTS]:
        missing_value = 0.0
    objects = [_without_missing(item, missing_value) for item in objects]
    # Where a table knows no 2, its 1 stands for any label; else it means hidden, as in COCO.
    hidden = 1 if any(p.visible == 2 for item in objects for p in item.points.values()) else None
    if (table.header or [])[: len(WRITTEN)] != WRITTEN and _are_relative(objects):
        objects = [
            _in_pixels(item, item.image_size or images.size(item.image, item.where, path))
            for item in objects
        ]
    categories = dict.fromkeys(item.category for item in objects) or {None: None}
    return Annotations(
        objects=[
            Annotated(
                image=item.image,
                points={name: (p.x, p.y) for name, p in item.points.items()},
                where=item.where,
                hidden=frozenset(
                    name
                    for name, p in item.points.items()
                    if p.visible is not None and p.visible == hidden
                ),
                box=item.box,
                category=item.category,
                image_size=item.image_size,
                track=item.track,
            )
            for item in objects
        ],
        names=dict.fromkeys(categories, names),
        names_are_all=not (table.header and _is_long(table.header)),
    )


def _split(text: str, path: Path) -> _Table:
    lines = text.splitlines(keepends=True)
    first = next((at for at, line in enumerate(lines) if line.strip()), 0)
    n_rows = None
    if lines and lines[first].strip().isdecimal():  # CelebA begins with the number of its rows
        n_rows = int(lines[first])
        lines[first] = "\n"
        text = "".join(lines)
    rows = _tables.split_rows(text, _tables.find_delimiter(text), path)
    if not rows:
        raise AnnotationError(f"{path}: the file is empty.")
    header = None
    if _is_header(rows[0].fields):
        (line, header), *rows = rows
        where = f"{path}, line {line}"
        if rows and len(rows[0].fields) == len(header) + 1 and n_rows is not None:
            header = ["", *header]  # CelebA has no name for the column of its images
        _tables.check_no_repeats(header, where)
    else:
        where = str(path)
    width = len(rows[0].fields) if header is None else len(header)
    for row in rows:
        if len(row.fields) != width:
            raise AnnotationError(
                f"{path}, line {row.line}: {len(row.fields)} fields where {width} must stand; the "
                "line is cut off or damaged."
            )
    cells = (field for row in rows for field in row.fields[1:])
    decimal = "," if any("," in cell and _tables.is_number(cell) for cell in cells) else "."
    return _Table(path, header, where, rows, decimal, len(rows) if n_rows is None else n_rows)


def _is_header(fields: Sequence[str]) -> bool:
    numbers = fields[1:]
    if all(_tables.is_number(field) or _tables.is_empty(field) for field in numbers):
        # Columns may be called 0, 1, 2 ...
        return not fields[0] and numbers == [str(number) for number in range(len(numbers))]
    return True


def _others(header: Sequence[str]) -> list[str]:
    """Names of the columns, those of a box and of the image's size blanked out."""
    box = _box_columns(header)
    taken = {*(box[0] if box else ()), _tables.find_column(header, _WIDTH)}
    taken.add(_tables.find_column(header, _HEIGHT))
    return ["" if at in taken else name for at, name in enumerate(header)]


def _box_columns(header: Sequence[str]) -> tuple[list[int], bool] | None:
    """Where the columns of a box stand, and whether the last two are its width and height."""
    for layouts, are_sizes in ((_CORNERS, False), (_SIZES, True)):
        for layout in layouts:
            places = [_tables.find_column(header, (name,)) for name in layout]
            if None not in places:
                return [place for place in places if place is not None], are_sizes
    return None


def _is_long(header: Sequence[str]) -> bool:
    return _tables.find_column(header, _KEYPOINT) is not None and all(
        _tables.find_column(header, (axis,)) is not None for axis in "xy"
    )


def _headless(table: _Table) -> tuple[tuple[str, ...], list[_Object]]:
    n_numbers = len(table.rows[0].fields) - 1
    if n_numbers % 2 or not n_numbers:
        raise AnnotationError(
            f"{table.where}: no line with the names of the columns, and {n_numbers} numbers after "
            "the image, which are no pairs of x and y; write the names as the first line."
        )
    names = tuple(str(number) for number in range(n_numbers // 2))
    objects = []
    for row in table.rows:
        where = f"{table.path}, line {row.line}"
        values = [_tables.number(field, where, decimal=table.decimal) for field in row.fields[1:]]
        points = {
            name: _Point(x, y, None)
            for name, x, y in zip(names, values[::2], values[1::2], strict=True)
        }
        objects.append(_Object(_image(row.fields[0], where), where, points))
    triples = [value for item in objects for p in item.points.values() for value in p[:2]]
    if n_numbers % 3 == 0 and all(value in (0, 1, 2) for value in triples[2::3]):
        raise AnnotationError(
            f"{table.where}: every third number is 0, 1 or 2, which looks like the visibility of "
            "a point; write the names of the columns as the first line."
        )
    return names, objects


def _image(text: str, where: str) -> str:
    if len(text) > _PATH_LIMIT:
        raise AnnotationError(
            f"{where}: pixels in place of the path of an image; Kaggle's files are read by "
            "load_kaggle."
        )
    if _tables.is_empty(text):
        raise AnnotationError(f"{where}: the path of the image is missing.")
    return unshielded_path(text.replace("\\", "/"))


def _image_column(table: _Table, header: Sequence[str]) -> int:
    at = _tables.find_column(header, _IMAGE)
    if at is None:
        shown = ", ".join(name[:40] for name in header[:5])
        raise AnnotationError(
            f"{table.where}: no column has the paths of the images; call it 'image'. The columns "
            f"are {shown} ..."
        )
    return at


def _wide(table: _Table, header: list[str]) -> tuple[tuple[str, ...], list[_Object]]:
    columns = _tables.keypoint_columns(_others(header), table.where)
    if not columns:
        shown = ", ".join(name[:40] for name in header[:5])
        raise AnnotationError(
            f"{table.where}: no columns for the x and the y of a keypoint, as 'nose_x' and "
            f"'nose_y' are; the columns are {shown} ..."
        )
    image_at = _image_column(table, header)
    texts = {key: _tables.find_column(header, names) for key, names in _TEXTS.items()}
    box = _box_columns(header)
    objects = []
    for row in table.rows:
        where = f"{table.path}, line {row.line}"
        cells = {key: "" if at is None else row.fields[at] for key, at in texts.items()}
        if cells["object"]:
            where = f"{where}, object {cells['object']}"

        def value(at: int, place: str, fields: list[str] = row.fields) -> float:
            return _tables.number(fields[at], place, decimal=table.decimal)

        points = {}
        for name, at in columns.items():
            place = f"{where}, {name}"
            visible = None if at.visible is None else _visible(row.fields[at.visible], place)
            points[name] = _Point(value(at.x, place), value(at.y, place), visible)
        objects.append(
            _Object(
                _image(row.fields[image_at], where),
                where,
                points,
                _box([value(at, f"{where}, box") for at in box[0]], box[1], where)
                if box
                else None,
                cells["category"] or None,
                _size(cells["height"], cells["width"], where),
                cells["track"] or None,
            )
        )
    return tuple(columns), objects


def _box(values: list[float], are_sizes: bool, where: str) -> Box | None:
    if all(map(math.isnan, values)):
        return None
    left, top, right, bottom = values
    if are_sizes:
        right, bottom = left + right, top + bottom
    if not (left <= right and top <= bottom):
        raise AnnotationError(f"{where}: the box has no inside, or a part of it is missing.")
    return left, top, right, bottom


def _size(height: str, width: str, where: str) -> tuple[int, int] | None:
    if _tables.is_empty(height) and _tables.is_empty(width):
        return None
    return _strict.image_size(height, width, where)


def _visible(text: str, where: str) -> int | None:
    if _tables.is_empty(text):
        return None
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    value = _strict.whole_number(text, where)
    if value not in (0, 1, 2):
        raise AnnotationError(
            f"{where}: visible is {value}; it must be 0 (not labelled), 1 (hidden) or 2 (visible)."
        )
    return value


def _long(table: _Table, header: list[str]) -> tuple[tuple[str, ...], list[_Object]]:
    image_at = _image_column(table, header)
    object_at = _tables.find_column(header, _OBJECT)
    visible_at = _tables.find_column(header, _VISIBLE)
    name_at, x_at, y_at = (_tables.find_column(header, names) for names in (_KEYPOINT, "x", "y"))
    assert name_at is not None
    assert x_at is not None
    assert y_at is not None
    objects: dict[tuple[str, str], _Object] = {}
    names: dict[str, None] = {}
    for row in table.rows:
        where = f"{table.path}, line {row.line}"
        image, name = _image(row.fields[image_at], where), row.fields[name_at]
        label = "" if object_at is None else row.fields[object_at]
        if not name:
            raise AnnotationError(f"{where}: the keypoint has no name.")
        item = objects.setdefault((image, label), _Object(image, where, {}))
        if name in item.points:
            raise AnnotationError(
                f"{where}: a second {name!r} for one object on {image!r}; tell the objects apart "
                "by a column 'object'."
            )
        x, y = (
            _tables.number(row.fields[at], where, decimal=table.decimal) for at in (x_at, y_at)
        )
        visible = None if visible_at is None else _visible(row.fields[visible_at], where)
        item.points[name] = _Point(x, y, visible)
        names[name] = None
    return tuple(names), list(objects.values())


def _without_missing(item: _Object, missing_value: float | None) -> _Object:
    points = {}
    for name, (x, y, visible) in item.points.items():
        where = f"{item.where}, {name}"
        if visible == 0:
            continue
        if _tables.point(x, y, where) is None:
            if visible is not None:
                raise AnnotationError(f"{where}: visible is {visible}, but the point is empty.")
            continue
        if missing_value is not None and x == y == missing_value:
            continue
        if missing_value is None and visible is None and x == y and x in (0, -1):
            raise AnnotationError(
                f"{where}: the point is ({x:g}, {y:g}); pass missing_value={x:g} if that means "
                "'not labelled', or missing_value=float('nan') if it is a place on the image."
            )
        points[name] = _Point(x, y, visible)
    return item._replace(points=points)


def _are_relative(objects: Sequence[_Object]) -> bool:
    values = [value for item in objects for p in item.points.values() for value in (p.x, p.y)]
    low, high = _RELATIVE
    return all(low <= value <= high for value in values) and not all(
        value.is_integer() for value in values
    )


def _in_pixels(item: _Object, image_size: tuple[int, int]) -> _Object:
    height, width = image_size
    points = {name: p._replace(x=p.x * width, y=p.y * height) for name, p in item.points.items()}
    box = item.box
    if box and all(_RELATIVE[0] <= value <= _RELATIVE[1] for value in box):
        box = (box[0] * width, box[1] * height, box[2] * width, box[3] * height)
    return item._replace(points=points, box=box, image_size=image_size)
