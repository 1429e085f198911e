"""Files that are written: checked before the work, and in one piece after it."""

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sklearn_kpd._common.files import check_replaceable, replacing
from sklearn_kpd._common.texts import shielded, shielded_path, text_of_path

if TYPE_CHECKING:
    from pandas import DataFrame

    from sklearn_kpd.cli._inputs import Data

#: Formats of annotations that predictions are written in, and the endings of their files.
FORMATS = {
    "coco": ".json",
    "dlib": ".xml",
    "cvat": ".xml",
    "label_studio": ".json",
    "deeplabcut": ".csv",
}
VIDEOS = (".mp4", ".avi")
_MOST_SHOWN = 12


def check_output(path: Path | None, endings: Iterable[str], inputs: Iterable[Path | None]) -> None:
    """Fail before the work, not after it.

    Parameters
    ----------
    path : Path or None
        Where something will be written, if so.
    endings : iterable of str
        That its name may have.
    inputs : iterable of Path or None
        Files that it must not replace.
    """
    if path is None:
        return
    endings = tuple(endings)
    if path.suffix.lower() not in endings:
        raise click.ClickException(f"{path}: the name must end in {' or '.join(endings)}.")
    check_replaceable(path)
    for other in inputs:
        if other is not None and os.path.realpath(other) == os.path.realpath(path):
            raise click.ClickException(
                f"{path} is named twice, and would be lost: give what is written another name."
            )


def picture_endings() -> list[str]:
    """Endings of pictures that Matplotlib writes."""
    from matplotlib.backend_bases import FigureCanvasBase

    known = FigureCanvasBase.get_supported_filetypes()
    common = ("png", "jpg", "jpeg", "webp", "tif", "tiff", "pdf", "svg")
    return [f".{ending}" for ending in common if ending in known]


def write_text(text: str, path: Path) -> None:
    """Write a page or a table."""
    with replacing(path) as file:
        file.write(text.encode())


def write_figure(figure: Any, path: Path) -> None:
    """Write a picture, in the format that its ending says."""
    with replacing(path) as file:
        figure.savefig(file, format=path.suffix.lower().removeprefix("."), dpi=150)


def check_contents(
    data: "Data", out: Path | None, format: str | None, draw: Path | None, lookup: Path | None
) -> None:
    """Refuse files that cannot hold what will be found."""
    if lookup is not None and data.kind != "images":
        raise click.ClickException(f"--lookup is for Kaggle's images; {data.name} is none.")
    is_json = out is not None and out.suffix.lower() == ".json"
    if data.kind == "images" and (format is not None or is_json):
        raise click.ClickException(
            "Kaggle's images have no files that annotations could name: write .csv."
        )
    has_frames = data.kind != "images" and "frame" in data.X
    if has_frames and (is_json or format not in (None, "deeplabcut")):
        raise click.ClickException(
            "These annotations name photographs; for frames of a video write .csv, with --format "
            "deeplabcut as DeepLabCut does."
        )
    if draw is not None and (draw.suffix.lower() in VIDEOS) != has_frames:
        kind, endings = ("a video", ".mp4") if has_frames else ("no video", ".png")
        raise click.ClickException(f"{data.name} is {kind}: --draw must end in {endings}.")


def write_predictions(
    data: "Data", y_pred: "DataFrame", path: Path, format: str | None, lookup: Path | None
) -> int:
    """Write keypoints as a table, as a submission, or as annotations; returns their number."""
    import pandas as pd

    from sklearn_kpd.datasets import make_submission, save_annotations

    if path.suffix.lower() == ".json" and format is None:
        format = "coco"
    if format is not None:
        save_annotations(data.X, y_pred, path, format)
        return len(y_pred)
    if lookup is not None:
        table = make_submission(y_pred, data.image_ids, lookup)
    else:
        first = data.X if data.kind != "images" else pd.DataFrame({"ImageId": data.image_ids})
        table = pd.concat([first.reset_index(drop=True), y_pred], axis=1)
    write_table(table, path)
    return len(table)


def draw(data: "Data", y_true: Any, y_pred: "DataFrame", path: Path) -> None:
    """Draw images, photographs, or a video, with keypoints; labels, too, if they are known."""
    if path.suffix.lower() in VIDEOS:
        from sklearn_kpd.photographs import write_video

        write_video(path, data.X, y_pred, skeleton=data.skeleton)
        return
    if data.kind == "images":
        from sklearn_kpd.inspection import KeypointDisplay

        display: Any = KeypointDisplay.from_predictions(data.X, y_true, y_pred, n_faces=18)
    else:
        from sklearn_kpd.inspection import PhotographDisplay

        display = PhotographDisplay.from_predictions(
            data.X, y_true, y_pred, skeleton=data.skeleton, n_photographs=_MOST_SHOWN
        )
        # a file is looked at larger than a figure on a page
        display.figure_.set_size_inches(2 * display.figure_.get_size_inches())
    write_figure(display.figure_, path)


def draw_worst(data: "Data", y_true: "DataFrame", y_pred: "DataFrame", path: Path) -> None:
    """Draw what the model does worst; photographs begin with that of the worst object."""
    if data.kind != "images":
        import numpy as np

        from sklearn_kpd.metrics import normalized_errors

        errors = normalized_errors(y_true, y_pred, normalize="bbox")
        order = np.argsort(np.where(np.isnan(errors), 1, -errors), kind="stable")
        data = replace(data, X=data.X.iloc[order])
        y_true, y_pred = y_true.iloc[order], y_pred.iloc[order]
    draw(data, y_true, y_pred, path)


def write_table(table: "DataFrame", path: Path) -> None:
    """Write a table, without text that a spreadsheet takes for a formula."""
    if "path" in table:
        paths = [shielded_path(text_of_path(path)) for path in table["path"]]
        table = table.assign(path=paths)
    with replacing(path) as file:
        table.rename(columns=shielded).to_csv(file, mode="wb", index=False)


def draw_issues(data: "Data", issues: "DataFrame", path: Path) -> None:
    """Draw the worst labels."""
    from sklearn_kpd.inspection import LabelIssueDisplay

    assert data.y is not None
    display = LabelIssueDisplay.from_issues(data.X, data.y, issues)
    write_figure(display.figure_, path)


def write_report(
    model: Any, data: "Data", y_true: "DataFrame", y_pred: "DataFrame", title: str, path: Path
) -> None:
    """Write a page of scores; that of photographs is about their crops."""
    from sklearn_kpd.inspection import evaluation_report

    images = data.X
    if data.kind != "images":
        crops = getattr(model, "best_estimator_", model)[0].transform(data.X)
        images, title = crops.pixels(), f"{title}, in pixels of the crops"
        y_true, y_pred = (
            type(y)(crops.to_crop(y.to_numpy()), columns=y.columns) for y in (y_true, y_pred)
        )
    page = evaluation_report(images, y_true, y_pred, title=text_of_path(title), random_state=0)
    write_text(page, path)
