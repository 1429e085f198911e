"""What readers of annotations give back, whatever the format.

A format is a module with two functions, and a line in the table of ``_load.py``:

``is_this(path, head)``
    Whether a file is of this format: a cheap look at the `head`, the first 65536 bytes of the
    content (b"" for a folder). It may open the file, and raises nothing. A format that knows
    a layout of a folder (with a ``data.yaml``, a ``meta.json``) says True to the folder itself.
``read(path, images)``
    Everything in the file (or in the folder, if ``is_this`` says True to it) as
    :class:`Annotations`; `images` finds photographs and their sizes. Other folders are read file
    by file, and the results merged.

Every place, in ``where`` and in errors, begins with the file: ``f"{path}, annotation 7"``.
Coordinates are the numbers as they stand, in pixels: the loader shifts them, by what the user
says or by ``Annotations.origin``.
"""

from dataclasses import dataclass, field
from pathlib import Path

Point = tuple[float, float]
Box = tuple[float, float, float, float]

#: The first columns of the tables that `save_annotations` writes, which are in pixels.
WRITTEN = ["path", "left", "top", "right", "bottom", "category"]


@dataclass(frozen=True)
class Annotated:
    """One object on one image.

    Attributes
    ----------
    image : str or None
        As the file names it, or a path where the reader knows it; None for a frame of a video
        that the file does not name.
    points : dict of str to (x, y)
        Labelled keypoints alone.
    where : str
        File and place, for errors.
    hidden : frozenset of str
        Keypoints that are labelled, but cannot be seen.
    box : tuple of float, or None
        Left, top, right, bottom: the edges, right = left + width.
    category : str or None
        Kind of the object.
    image_size : tuple of int, or None
        Height and width, as the file says.
    frame : int or None
        Number of the frame in the video `image`.
    track : str or None
        Which of the objects that persist over the frames it is.
    file : Path or None
        File that it is from: the loader's business, not the readers'.
    """

    image: str | None
    points: dict[str, Point]
    where: str
    hidden: frozenset[str] = frozenset()
    box: Box | None = None
    category: str | None = None
    image_size: tuple[int, int] | None = None
    frame: int | None = None
    track: str | None = None
    file: Path | None = None


@dataclass
class Annotations:
    """What a reader finds.

    Attributes
    ----------
    objects : list of Annotated
        In the order of the file.
    names : dict of category to tuple of str
        Names of the keypoints in order; () for a category without keypoints.
    skeleton : list of pairs of str
        Keypoints that a line joins.
    flip_pairs : list of pairs of str, or None
        Keypoints that a mirror exchanges, if the file says so.
    left_out : list of (where, reason)
        What the file holds and `objects` do not.
    origin : {None, "center", "corner", "one"}
        What has the coordinates (0, 0), as the documentation of the format says: the first
        pixel's centre or its outer corner; "one": the first pixel's centre is (1, 1). None: not
        documented, or not meant: the numbers stay as they stand.
    names_are_all : bool
        Whether `names` is the whole list, so that another file that has another list of the same
        category contradicts it. False: the names that occur here, of which other files may have
        more.
    """

    objects: list[Annotated]
    names: dict[str | None, tuple[str, ...]]
    skeleton: list[tuple[str, str]] = field(default_factory=list)
    flip_pairs: list[tuple[str, str]] | None = None
    left_out: list[tuple[str, str]] = field(default_factory=list)
    origin: str | None = None
    names_are_all: bool = True
