"""What files hold: Kaggle's images, annotated photographs, photographs, videos."""

import os
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sklearn_kpd._common.texts import paths_column, text_of_path
from sklearn_kpd.cli._group import say

if TYPE_CHECKING:
    from pandas import DataFrame

PHOTOGRAPHS = (
    ".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp", ".bmp", ".gif", ".pgm", ".ppm", ".jp2",
    ".avif",
)  # fmt: skip
VIDEOS = (".mp4", ".avi", ".mov", ".mkv", ".m4v", ".webm", ".mpg", ".mpeg", ".wmv")
_PACKED = (".zip", ".gz", ".parquet")
_BOX = ["left", "top", "right", "bottom"]


@dataclass(frozen=True)
class Data:
    """What files hold.

    Attributes
    ----------
    name : str
        What the user calls it.
    kind : {"images", "photographs", "video"}
        Kaggle's images, or a table of photographs or of the frames of one video.
    X : ndarray or DataFrame
        Images, or one row an object.
    y : DataFrame or None
        Labels, if there are any.
    image_ids : ndarray or None
        Kaggle's.
    skeleton, flip_pairs : list of pairs of str, or None
        What annotations say of their keypoints.
    annotations : Bunch or None
        All that load_annotations has read.
    """

    name: str
    kind: str
    X: Any
    y: "DataFrame | None" = None
    image_ids: Any = None
    skeleton: list[Any] = field(default_factory=list)
    flip_pairs: list[Any] | None = None
    annotations: Any = None


def read_labelled(path: Path, *, images: Path | None, category: str | None) -> Data:
    """Read images or photographs with labels: a file of Kaggle's, annotations, or a folder."""
    kind = _kind(path)
    if kind == "kaggle":
        for option, value in (("--images", images), ("--category", category)):
            if value is not None:
                raise click.ClickException(f"{option} is for annotations; {path} is Kaggle's.")
        data = _read_kaggle(path)
        if data.y is None:
            raise click.ClickException(f"{path} holds no labels: a training file is needed.")
        return data
    if kind in ("photograph", "video"):
        raise click.ClickException(
            f"{path} is a {kind}, without labels: name the file of annotations."
        )
    return _read_annotations(path, images, category)


def read_unlabelled(
    paths: Iterable[Path], *, boxes: Path | None, whole: bool, images: Path | None
) -> Data:
    """Read what keypoints are to be found in.

    Parameters
    ----------
    paths : iterable of Path
        A file of Kaggle's, annotations, whose boxes are taken, a video, or photographs and
        folders of them.
    boxes : Path, optional
        Annotations with a box for each object.
    whole : bool
        Whether each photograph is one object. Else, and without boxes, faces are looked for.
    images : Path, optional
        Folder of the photographs of annotations.
    """
    paths = list(paths)
    kinds = [_kind(path) for path in paths]
    if len(paths) > 1 and not set(kinds) <= {"photograph", "folder"}:
        other = next(p for p, k in zip(paths, kinds, strict=True) if k not in ("photograph",))
        raise click.ClickException(
            f"{other} is no photograph: several files at once may be photographs alone."
        )
    if kinds[0] == "kaggle":
        if boxes is not None or whole:
            raise click.ClickException(f"--boxes and --whole are for photographs; {paths[0]} is "
                                       "Kaggle's.")  # fmt: skip
        return _read_kaggle(paths[0])
    if kinds[0] == "annotations":
        if boxes is not None:
            raise click.ClickException(f"{paths[0]} has boxes of its own: leave --boxes out.")
        data = _read_annotations(paths[0], images, None)
        return replace(data, X=_without_boxes(data.X)) if whole else data
    data = _read_video(paths[0]) if kinds[0] == "video" else _list_photographs(paths)
    if boxes is not None:
        return replace(data, X=_boxes_of(data, boxes, images))
    return data if whole else replace(data, X=_find_faces(data))


def _kind(path: Path) -> str:
    """Tell files apart by their endings, and Kaggle's tables by their columns."""
    if path.is_dir():
        return "folder"
    if not path.is_file():
        problem = "is no regular file" if path.exists() else "no such file"
        raise click.ClickException(f"{path}: {problem}.")
    ending = path.suffix.lower()
    if ending in _PACKED or (ending == ".csv" and _is_kaggles(path)):
        return "kaggle"
    if ending in PHOTOGRAPHS:
        return "photograph"
    return "video" if ending in VIDEOS else "annotations"


def _is_kaggles(path: Path) -> bool:
    with path.open(encoding="utf-8", errors="replace") as file:
        columns = {name.strip().strip('"') for name in file.readline(100_000).split(",")}
    return "Image" in columns and bool({"ImageId", "left_eye_center_x"} & columns)


def _read_kaggle(path: Path) -> Data:
    from sklearn_kpd.datasets import load_kaggle

    faces = load_kaggle(path)
    return Data(str(path), "images", faces.data, faces.target, faces.image_ids)


def _read_annotations(path: Path, images: Path | None, category: str | None) -> Data:
    """Objects with their boxes and labels; what is left out is told."""
    from sklearn_kpd.datasets import load_annotations

    found = load_annotations(path, images=images, category=category)
    X = found.data
    if found.missing_images:
        raise click.ClickException(
            f"{path}: {len(found.missing_images)} of its photographs are not there, the first is "
            f"{found.missing_images[0]}: give their folder by --images."
        )
    if X["path"].isna().any():
        raise click.ClickException(f"{path} does not say which photographs or video it is about.")
    if "frame" in found:
        X = X.assign(frame=found.frame)
    if len(found.left_out):
        reason = found.left_out["reason"].value_counts()
        say(
            f"Left out of {path}: {', '.join(f'{n} ({why})' for why, n in reason.items())}.",
            err=True,
        )
    return Data(
        str(path), "photographs", X, found.target,
        skeleton=found.skeleton, flip_pairs=found.get("flip_pairs"), annotations=found,
    )  # fmt: skip


def _read_video(path: Path) -> Data:
    from sklearn_kpd.photographs import read_video

    return Data(str(path), "video", read_video(path))


def _list_photographs(paths: list[Path]) -> Data:
    """Photographs, and those below folders, in the order of their names."""
    from pandas import DataFrame

    files = []
    for path in paths:
        below = sorted(path.rglob("*")) if path.is_dir() else [path]
        there = [file for file in below if file.suffix.lower() in PHOTOGRAPHS and file.is_file()]
        if not there:
            raise click.ClickException(
                f"{path}: no photographs in this folder; they end in {', '.join(PHOTOGRAPHS)}."
            )
        files += [os.fspath(file) for file in there]
    name = str(paths[0]) if len(paths) == 1 else f"{len(files)} photographs"
    return Data(name, "photographs", DataFrame({"path": paths_column(files)}))


def _without_boxes(X: "DataFrame") -> "DataFrame":
    """One row a photograph, or a frame, and no box."""
    return X.drop(columns=_BOX).drop_duplicates().reset_index(drop=True)


def _boxes_of(data: Data, boxes: Path, images: Path | None) -> "DataFrame":
    """Rows of annotations that lie on the photographs, or on frames of the video."""
    table = _read_annotations(boxes, images, None).X
    keys = ["real", "frame"] if data.kind == "video" else ["real"]
    if data.kind == "video" and "frame" not in table:
        raise click.ClickException(f"{boxes} is about photographs, not about frames of a video.")
    wanted, table = (
        X.assign(real=[text_of_path(os.path.realpath(path)) for path in X["path"]])
        for X in (data.X, table)
    )
    found = wanted.merge(table.drop(columns="path"), on=keys, how="left", indicator=True)
    alone = found["_merge"] == "left_only"
    if data.kind != "video" and alone.any():
        path = found["path"][alone].iloc[0]
        raise click.ClickException(f"{boxes} has no object on {path}.")
    found = found[~alone].drop(columns=["real", "_merge"]).reset_index(drop=True)
    if not len(found):
        raise click.ClickException(f"{boxes} has no object on {data.name}.")
    return found


def _find_faces(data: Data) -> "DataFrame":
    from sklearn_kpd.photographs import find_faces

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        faces = find_faces(data.X)
    for warning in caught if len(faces) else ():
        warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    if not len(faces):
        raise click.ClickException(
            f"No face was found in {data.name}: give --boxes, or --whole where each photograph "
            "is one object."
        )
    return faces
