"""Where the photographs are that a file of annotations names."""

import os
import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from PIL import Image, UnidentifiedImageError

from sklearn_kpd._common.files import open_regular
from sklearn_kpd._common.texts import path_of_text
from sklearn_kpd.exceptions import AnnotationError

#: Endings of images, for names without one.
SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".gif")

#: Folders that hold annotations alone, beside those of the images.
_FOLDERS_OF_LABELS = ("annotations", "annotation", "annot", "ann", "labels", "json", "xml")

#: What a path begins with that says nothing of where the image is here: a drive, an address, a
#: root, a folder above.
_ELSEWHERE = re.compile(r"[^/\\\\]*:|[/\\\\]|[.][.]")

_EXIF_ORIENTATION = 274
_TURNED = (5, 6, 7, 8)  # orientations that exchange height and width


class Images:
    """Find photographs by the names that annotations give them.

    An image is found where its folder lies elsewhere than on the machine of the annotator, and
    never replaced by one of the same base name from another folder.

    Parameters
    ----------
    root : Path or None
        Folder to look in, with its sub-folders. None: beside the file of annotations, and in
        the folders beside it where annotation tools place images.
    """

    def __init__(self, root: Path | None = None) -> None:
        self.root = root
        self._known_folders: dict[Any, list[tuple[Path, tuple[str, ...]]]] = {}

    def find(self, name: str, file: Path) -> Path | None:
        """Path of the image that the file of annotations calls so; None if there is none.

        Raises
        ------
        AnnotationError
            If several match equally well.
        """
        for spelling in dict.fromkeys([name, path_of_text(name)]):
            found = self._exact(spelling, file) or self._by_tail(spelling, file)
            found = found or self._by_search(parts_of(spelling), name, file)
            if found:
                return found
        return None

    def size(self, name: str, where: str, file: Path) -> tuple[int, int]:
        """Height and width, as a viewer shows it, of an image that must be there."""
        found = self.find(name, file)
        if found is None:
            place = self.root or file.parent
            raise AnnotationError(
                f"{where}: the size of the image {name} is needed to read its points, but the "
                f"image is not below {place}; give its folder by images=."
            )
        size = shown_size(found)
        if size is None:
            raise AnnotationError(
                f"{where}: the image {found} cannot be read; its size is needed."
            )
        return size

    def _folders(self, file: Path) -> list[tuple[Path, tuple[str, ...]]]:
        """Folders to look in that there are, and the names of those that each lies in."""
        key = file.parent, file.stem
        if key not in self._known_folders:
            folders = [self.root] if self.root else dict.fromkeys(_folders_beside(file))
            self._known_folders[key] = [(f, f.resolve().parts) for f in folders if f.is_dir()]
        return self._known_folders[key]

    def _exact(self, name: str, file: Path) -> Path | None:
        """The image at the place that the name says, seen from one of the folders."""
        if not name:
            return None
        found = (_image_at(folder, name.replace("\\", "/")) for folder, _ in self._folders(file))
        return next(filter(None, found), None)

    def _by_tail(self, name: str, file: Path) -> Path | None:
        """The image that has the longest tail of the name's path.

        Of a path on another machine any number of folders may fall away; of a relative path,
        which says what distinguishes its images, only those that the folder itself lies in.
        """
        parts = parts_of(name)
        is_relative = _ELSEWHERE.match(name) is None
        for folder, above in self._folders(file):
            for start in range(len(parts)):
                if is_relative and start and above[-start:] != parts[:start]:
                    continue
                found = _image_at(folder, "/".join(parts[start:]))
                if found:
                    return found
        return None

    def _by_search(self, parts: tuple[str, ...], name: str, file: Path) -> Path | None:
        """The only image below the root whose path ends with the name."""
        if self.root is None or not parts:
            return None
        below = self._below_root
        paths = below.get(parts[-1]) or (
            [] if Path(parts[-1]).suffix.lower() in SUFFIXES else below.get(parts[-1] + ".*", [])
        )
        found = [
            p for p in paths if p.relative_to(self.root).parts[-len(parts) : -1] == parts[:-1]
        ]
        if len(found) > 1:
            raise AnnotationError(
                f"{file}: the image {name} may be {found[0]} or {found[1]}; give the folder that "
                "the names start from by images=."
            )
        return found[0] if found else None

    @cached_property
    def _below_root(self) -> dict[str, list[Path]]:
        """Files below the root by their names, and by their stems as "stem.*"."""
        found: dict[str, list[Path]] = {}
        for folder, folders, files in os.walk(self.root or "."):
            folders.sort()
            for file in sorted(files):
                path = Path(folder, file)
                found.setdefault(file, []).append(path)
                if path.suffix.lower() in SUFFIXES:
                    found.setdefault(path.stem + ".*", []).append(path)
        return found


def parts_of(name: str) -> tuple[str, ...]:
    r"""Folders and name in what a file calls an image: a path of any system, or an address."""
    name = re.sub(r"^[A-Za-z][A-Za-z0-9+.-]+://", "", name)
    name = re.sub(r"^.*[?&]d=", "", name)  # Label Studio's local files
    parts = name.replace("\\", "/").split("/")
    return tuple(part for part in parts if part not in ("", ".", "..") and part[1:] != ":")


def shown_size(path: Path) -> tuple[int, int] | None:
    """Height and width of an image as viewers show it, turned by EXIF; None if it is none."""
    sizes = stored_and_shown_size(path)
    return sizes and sizes[1]


def stored_and_shown_size(path: Path) -> tuple[tuple[int, int], tuple[int, int]] | None:
    """Height and width of the pixels as stored, and as viewers show them."""
    try:
        with open_regular(path) as file, Image.open(file) as image:
            width, height = image.size
            turned = image.getexif().get(_EXIF_ORIENTATION) in _TURNED
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError):
        return None
    return (height, width), (width, height) if turned else (height, width)


def _folders_beside(file: Path) -> Iterator[Path]:
    folder = file.parent if file.is_file() else file
    yield folder
    yield folder / "images"
    yield folder.parent / "images"
    # images/val for annotations/val.json, val2017 for annotations/person_keypoints_val2017.json
    subset = file.stem.rsplit("_", 1)[-1]
    yield folder.parent / "images" / subset
    yield folder.parent / subset
    yield folder.parent / "imgs"
    yield folder.parent / "img"
    if folder.name in _FOLDERS_OF_LABELS:
        yield folder.parent


def _image_at(folder: Path, name: str) -> Path | None:
    """The file of a name below a folder, or the image that has one more ending."""
    path = os.path.join(folder, name)
    has_suffix = name.lower().endswith(SUFFIXES)
    for suffix in ("",) if has_suffix else ("", *SUFFIXES):
        try:
            if os.path.isfile(path + suffix):
                return Path(path + suffix)
        except ValueError:  # a zero byte
            return None
    return None
