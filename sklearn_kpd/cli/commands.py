"""The commands: each checks what it will write, reads, works, writes and says so."""

from functools import partial
from pathlib import Path
from typing import Any

import click

from sklearn_kpd import __version__
from sklearn_kpd.cli import _inputs, _models, _outputs, _review
from sklearn_kpd.cli._group import Commands, load_tensorflow, say

_PATH = click.Path(path_type=Path)
_IMAGES = click.option(
    "--images", type=click.Path(file_okay=False, path_type=Path), default=None,
    help="Folder of the photographs that annotations name.",
)  # fmt: skip
_CATEGORY = click.option(
    "--category", default=None, help="Kind of object to read, where annotations have several."
)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="sklearn-kpd")
def main() -> None:
    """Keypoint detection that lives inside scikit-learn."""


@main.command()
@click.option("--out", type=_PATH, default=Path("sklearn_kpd_demo.png"), show_default=True,
              help="Picture of predicted keypoints on unseen faces.")  # fmt: skip
@click.option("--faces", "n_faces", type=click.IntRange(min=20), default=2000, show_default=True,
              help="Generated faces to train on.")  # fmt: skip
@click.option("--epochs", type=click.IntRange(min=1), default=12, show_default=True,
              help="Passes over them.")  # fmt: skip
def demo(out: Path, n_faces: int, epochs: int) -> None:
    """Train on generated faces and look at the result; takes about a minute or two."""
    _outputs.check_output(out, _outputs.picture_endings(), [])
    load_tensorflow()
    from sklearn_kpd.datasets import make_faces
    from sklearn_kpd.inspection import KeypointDisplay

    say(f"Drawing {n_faces} faces to train on, most with labels missing, and 200 to test.")
    X, y = make_faces(n_faces, missing="kaggle", random_state=0)
    X_test, y_test = make_faces(200, random_state=1)
    pipe = _models.make_pipeline(
        network="cnn", network__filters=(16, 32, 64, 64), epochs=epochs, random_state=0
    )
    pipe.fit(X, y)
    y_pred = pipe.predict(X_test)
    _print_scores(y_test, y_pred, y.mean().to_numpy())
    display = KeypointDisplay.from_predictions(
        X_test, y_test, y_pred, order="random", n_faces=18, random_state=0
    )
    display.figure_.suptitle("sklearn_kpd: keypoints of generated faces that were not trained on")
    _outputs.write_figure(display.figure_, out)
    say(f"Wrote {out}.")


@main.command()
@click.argument("data", type=_PATH)
@click.option("--out", type=_PATH, required=True,
              help="File for the model: .kpd, or .joblib or .pkl for a pickle.")  # fmt: skip
@_IMAGES
@_CATEGORY
@click.option("--size", type=click.IntRange(min=8), default=None,
              help="Side of the crops in pixels, for photographs.  [default: 96]")  # fmt: skip
@click.option("--margin", type=click.FloatRange(min=-0.5, min_open=True), default=None,
              help="Share of the box that is added at each side, for photographs.  "
              "[default: 0.2]")  # fmt: skip
@click.option("--network", type=click.Choice(["heatmap", "cnn"]), default="heatmap",
              show_default=True, help="The accurate network, or the fast one.")  # fmt: skip
@click.option("--epochs", type=click.IntRange(min=1),
              help="Passes over the training rows; by default by their number.")  # fmt: skip
@click.option("--batch-size", type=click.IntRange(min=1), default=32, show_default=True)
@click.option("--missing", default="mask", show_default=True,
              type=click.Choice(["mask", "drop", "mean", "median", "knn", "iterative"]),
              help="What becomes of missing labels.")  # fmt: skip
@click.option("--strength", type=click.FloatRange(min=0), default=1.0, show_default=True,
              help="Strength of the augmentation; 0 for none.")  # fmt: skip
@click.option("--random-state", type=click.IntRange(min=0), default=None, help="Seed.")
@click.option("--quiet", is_flag=True, help="No progress bar.")
def train(
    data: Path, out: Path, images: Path | None, category: str | None, size: int | None,
    margin: float | None, strength: float, quiet: bool, **parameters: Any,
) -> None:  # fmt: skip
    """Train on DATA: Kaggle's training.zip or training.csv, or annotations of photographs.

    Annotations are a file, or a folder of files, of any format that load_annotations knows.
    """
    _outputs.check_output(out, _models.ENDINGS, [data])
    labelled = _inputs.read_labelled(data, images=images, category=category)
    if labelled.kind == "images" and (size is not None or margin is not None):
        raise click.ClickException(f"--size and --margin are for photographs; {data} is Kaggle's.")
    load_tensorflow()
    crop = {"size": 96 if size is None else size, "margin": 0.2 if margin is None else margin}
    pipe = _models.make_pipeline(
        labelled, crop=crop, strength=strength, verbose=0 if quiet else 1, **parameters
    )
    pipe.fit(labelled.X, labelled.y)
    history = pipe[-1].history_
    if "val_rmse" in history:
        best = min(history["val_rmse"])
        of = "" if labelled.kind == "images" else " of the crops"
        say(f"Validation RMSE {best:.3f} pixels{of}, on rows that were not trained on.")
    _models.save_model(pipe, out)
    say(f"Wrote {out}.")


@main.command()
@click.argument("model", type=_PATH)
@click.argument("data", type=_PATH)
@_IMAGES
@_CATEGORY
@click.option("--out", type=_PATH, default=None, help="Picture of the worst.")
@click.option("--report", type=_PATH, default=None,
              help="HTML page with scores and their intervals, curves and faces.")  # fmt: skip
def evaluate(
    model: Path, data: Path, images: Path | None, category: str | None, out: Path | None,
    report: Path | None,
) -> None:  # fmt: skip
    """Measure MODEL on DATA, which has labels: a file of Kaggle's, or annotations."""
    _models.check_model(model)
    _outputs.check_output(out, _outputs.picture_endings(), [model, data])
    _outputs.check_output(report, [".html", ".htm"], [model, data, out])
    labelled = _inputs.read_labelled(data, images=images, category=category)
    pipe = _models.load_model(model)
    y_pred = _models.predict_table(pipe, model, labelled)
    y_true = _labels_of(y_pred, labelled, model)
    _print_scores(y_true, y_pred)
    if labelled.kind != "images":
        from sklearn_kpd.metrics import normalized_mean_error

        error = normalized_mean_error(y_true, y_pred, normalize="bbox")
        say(f"NME  {100 * error:8.3f} % of the size of the object")
    if out is not None:
        _outputs.draw_worst(labelled, y_true, y_pred, out)
        say(f"Wrote {out}.")
    if report is not None:
        title = f"{model.name} on {data.name}"
        _outputs.write_report(pipe, labelled, y_true, y_pred, title, report)
        say(f"Wrote {report}.")


@main.command()
@click.argument("data", type=_PATH)
@click.option("--out", type=_PATH, required=True,
              help="Table of the issues (.csv), which review reads.")  # fmt: skip
@click.option("--draw", type=_PATH, default=None, help="Picture of the worst.")
@_IMAGES
@_CATEGORY
@click.option("--fdr", type=click.FloatRange(0, 1, min_open=True), default=0.05,
              show_default=True,
              help="Share of the listed keypoints that may be right; 1 lists all.")  # fmt: skip
@click.option("--folds", type=click.IntRange(min=2), default=5, show_default=True,
              help="Networks that are trained, each without a part of the rows.")  # fmt: skip
@click.option("--epochs", type=click.IntRange(min=1), default=8, show_default=True,
              help="Passes over the training rows, for each of them.")  # fmt: skip
@click.option("--network", type=click.Choice(["heatmap", "cnn"]), default="heatmap",
              show_default=True, help="The accurate network, or the fast one.")  # fmt: skip
@click.option("--jobs", type=int, default=1, show_default=True,
              help="Networks that are trained at once; -1 for one a core.")  # fmt: skip
@click.option("--random-state", type=click.IntRange(min=0), default=0, show_default=True,
              help="Seed.")  # fmt: skip
@click.option("--quiet", is_flag=True, help="No lines on progress.")
def audit(
    data: Path, out: Path, draw: Path | None, images: Path | None, category: str | None,
    fdr: float, folds: int, epochs: int, network: str, jobs: int, random_state: int, quiet: bool,
) -> None:  # fmt: skip
    """List the labels of DATA that are probably wrong, worst first.

    DATA is Kaggle's training.zip or training.csv, or annotations of photographs. Each row is
    predicted by a network that was not trained on it; nothing in DATA is changed.
    """
    _outputs.check_output(out, [".csv"], [data])
    _outputs.check_output(draw, _outputs.picture_endings(), [data, out])
    labelled = _inputs.read_labelled(data, images=images, category=category)
    load_tensorflow()
    from sklearn_kpd.label_quality import find_label_issues
    from sklearn_kpd.model_selection import duplicate_groups

    pipe = _models.make_pipeline(
        labelled, crop={"size": 96, "margin": 0.2}, epochs=epochs, network=network, verbose=0,
        random_state=random_state,
    )  # fmt: skip
    if not quiet:
        minutes = _models.minutes_of_folds(pipe, labelled, folds, jobs)
        click.echo(f"Training {folds} networks takes some {minutes:.0f} minutes.")
    issues = find_label_issues(
        pipe, labelled.X, labelled.y, cv=folds, fdr=fdr, n_jobs=jobs, verbose=not quiet,
        groups=duplicate_groups(labelled.X) if labelled.kind == "images" else None,
        random_state=random_state,
    )  # fmt: skip
    _outputs.write_table(issues, out)
    say(f"Wrote {len(issues)} issues in {issues['row'].nunique()} rows to {out}.")
    for kind, count in issues["kind"].value_counts().items():
        click.echo(f"{count:7d} {kind}")
    if draw is not None and len(issues):
        _outputs.draw_issues(labelled, issues, draw)
        say(f"Wrote {draw}.")


@main.command()
@click.argument("model", type=_PATH)
@click.argument("data", type=_PATH, nargs=-1, required=True)
@_IMAGES
@click.option("--out", type=_PATH, default=None,
              help="Keypoints: a table (.csv), or annotations (.json is COCO's).")  # fmt: skip
@click.option("--format", type=click.Choice(list(_outputs.FORMATS)), default=None,
              help="Format of --out.")  # fmt: skip
@click.option("--draw", type=_PATH, default=None,
              help="Picture (.png), or copy of a video (.mp4), with what was found.")  # fmt: skip
@click.option("--boxes", type=_PATH, default=None,
              help="Annotations with a box for each object.")  # fmt: skip
@click.option("--whole", is_flag=True, help="Each photograph, or frame, is one object.")
@click.option("--lookup", type=_PATH, default=None,
              help="Kaggle's IdLookupTable.csv, for a file in its submission format.")  # fmt: skip
@click.option("--quiet", is_flag=True, help="No lines on progress.")
def predict(
    model: Path, data: tuple[Path, ...], images: Path | None, out: Path | None,
    format: str | None, draw: Path | None, boxes: Path | None, whole: bool, lookup: Path | None,
    quiet: bool,
) -> None:  # fmt: skip
    """Find the keypoints in DATA with MODEL.

    DATA is a file of Kaggle's, a video, annotations, whose boxes are taken, or photographs and
    folders of them. Faces are looked for in photographs, unless --boxes or --whole says where
    the objects are. Where there are many, what is found is kept in pieces beside the output until
    that is written: after a kill the same command goes on.
    """
    if out is None and draw is None:
        raise click.UsageError("Nothing would be written: give --out, --draw or both.")
    if boxes is not None and whole:
        raise click.UsageError("--boxes and --whole contradict each other.")
    _models.check_model(model)
    inputs = [model, *data, boxes, lookup]
    endings = [_outputs.FORMATS[format]] if format else [".csv", ".json"]
    _outputs.check_output(out, endings, inputs)
    _outputs.check_output(draw, [*_outputs.picture_endings(), *_outputs.VIDEOS], [*inputs, out])
    found = _inputs.read_unlabelled(data, boxes=boxes, whole=whole, images=images)
    _outputs.check_contents(found, out, format, draw, lookup)
    pipe = _models.load_model(model)
    from sklearn_kpd.cli import _pieces  # it needs NumPy, and other commands do not

    goal = draw if out is None else out
    assert goal is not None
    fingerprint = partial(_pieces.fingerprint, model, found, lookup)
    with _pieces.Pieces(goal, fingerprint, quiet=quiet) as pieces:
        table = _models.predict_table(pipe, model, found, lookup=lookup, pieces=pieces)
        if out is not None:
            n_rows = _outputs.write_predictions(found, table, out, format, lookup)
            say(f"Wrote {n_rows} rows to {out}.")
        if draw is not None:
            _outputs.draw(found, None, table, draw)
            say(f"Wrote {draw}.")


@main.command()
@click.argument("data", type=_PATH)
@click.argument("issues", type=_PATH)
@_IMAGES
@_CATEGORY
@click.option("--out", type=_PATH, default=None,
              help="File for the corrected labels.  [default: DATA with _corrected in its "
              "name]")  # fmt: skip
@click.option("--port", type=click.IntRange(0, 65535), default=0,
              help="Of the page.  [default: a free one]")  # fmt: skip
@click.option("--no-browser", is_flag=True, help="Print the address, and open no browser.")
@click.option("--write", is_flag=True,
              help="Write the corrected labels as they are by now, without the page.")  # fmt: skip
def review(
    data: Path, issues: Path, images: Path | None, category: str | None, out: Path | None,
    port: int, no_browser: bool, write: bool,
) -> None:  # fmt: skip
    """Mend wrong labels of DATA on a local page.

    DATA has labels: a file of Kaggle's, or annotations. ISSUES is a CSV file of what
    label_quality.find_label_issues has found in it. Every change is kept at once beside ISSUES;
    the same command goes on where it was. DATA itself is not touched.
    """
    if not write:
        _review.check_flask()
    labelled = _inputs.read_labelled(data, images=images, category=category)
    work = _review.Review(data, labelled, issues, out)
    if not work.suspects:
        click.echo(f"{issues} holds no issue: there is nothing to look at.")
    elif write:
        work.write_journal()
    else:
        work.serve(port, browser=not no_browser)


def _print_scores(y_true: Any, y_pred: Any, baseline: Any = None) -> None:
    """RMSE over all labelled values, as Kaggle counts it, beside that of the column means."""
    import numpy as np

    from sklearn_kpd.metrics import mean_absolute_error, mean_squared_error

    say(f"RMSE {mean_squared_error(y_true, y_pred) ** 0.5:8.3f} pixels")
    say(f"MAE  {mean_absolute_error(y_true, y_pred):8.3f} pixels")
    if baseline is not None:
        means = np.tile(baseline, (len(y_true), 1))
        say(
            f"RMSE {mean_squared_error(y_true, means) ** 0.5:8.3f} pixels for the column means of "
            "the training labels"
        )


def _labels_of(y_pred: Any, data: _inputs.Data, model: Path) -> Any:
    """Labels of the keypoints that the model predicts."""
    assert data.y is not None
    absent = [column for column in y_pred.columns if column not in data.y]
    if absent:
        raise click.ClickException(
            f"{model} predicts {absent[0]!r}, of which {data.name} has no labels: it was fitted "
            "on other keypoints."
        )
    return data.y[y_pred.columns]
