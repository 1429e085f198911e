"""The command line: demo, train, evaluate, predict."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sklearn_kpd import __version__

if TYPE_CHECKING:
    from pandas import DataFrame
    from sklearn.pipeline import Pipeline

_MODEL = click.Path(dir_okay=False, path_type=Path)
_FILE = click.Path(path_type=Path)


class _Commands(click.Group):
    """Turn errors that a user can mend into a plain message and exit code 1."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (ValueError, OSError, MemoryError) as error:
            raise click.ClickException(str(error) or type(error).__name__) from error


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="sklearn-kpd")
def main() -> None:
    """Facial keypoint detection that lives inside scikit-learn."""


@main.command()
@click.option("--out", type=_MODEL, default=Path("sklearn_kpd_demo.png"), show_default=True,
              help="Picture of predicted keypoints on unseen faces.")  # fmt: skip
@click.option("--faces", "n_faces", type=click.IntRange(min=20), default=2000, show_default=True,
              help="Generated faces to train on.")  # fmt: skip
@click.option("--epochs", type=click.IntRange(min=1), default=12, show_default=True,
              help="Passes over them.")  # fmt: skip
def demo(out: Path, n_faces: int, epochs: int) -> None:
    """Train on generated faces and look at the result; takes about a minute or two."""
    _check_writable(out)
    _load_tensorflow()
    from sklearn_kpd.datasets import make_faces
    from sklearn_kpd.inspection import KeypointDisplay

    click.echo(f"Drawing {n_faces} faces to train on, most with labels missing, and 200 to test.")
    X, y = make_faces(n_faces, missing="kaggle", random_state=0)
    X_test, y_test = make_faces(200, random_state=1)
    pipe = _make_pipeline(
        network="cnn", network__filters=(16, 32, 64, 64), epochs=epochs, random_state=0
    )
    pipe.fit(X, y)
    y_pred = pipe.predict(X_test)
    _print_scores(y_test, y_pred, y.mean().to_numpy())
    display = KeypointDisplay.from_predictions(
        X_test, y_test, y_pred, order="random", n_faces=18, random_state=0
    )
    display.figure_.suptitle("sklearn_kpd: keypoints of generated faces that were not trained on")
    display.figure_.savefig(out, dpi=120)
    click.echo(f"Wrote {out}.")


@main.command()
@click.argument("data", type=_FILE)
@click.option(
    "--out", type=_MODEL, required=True, help="File for the model, such as model.joblib."
)
@click.option("--network", type=click.Choice(["heatmap", "cnn"]), default="heatmap",
              show_default=True, help="The accurate network, or the fast one.")  # fmt: skip
@click.option("--epochs", type=click.IntRange(min=1), default=15, show_default=True,
              help="Passes over the training rows.")  # fmt: skip
@click.option("--batch-size", type=click.IntRange(min=1), default=32, show_default=True)
@click.option("--missing", default="mask", show_default=True,
              type=click.Choice(["mask", "drop", "mean", "median", "knn", "iterative"]),
              help="What becomes of missing labels.")  # fmt: skip
@click.option("--strength", type=click.FloatRange(min=0), default=1.0, show_default=True,
              help="Strength of the augmentation; 0 for none.")  # fmt: skip
@click.option("--random-state", type=click.IntRange(min=0), default=None, help="Seed.")
@click.option("--quiet", is_flag=True, help="No progress bar.")
def train(
    data: Path, out: Path, network: str, epochs: int, batch_size: int, missing: str,
    strength: float, random_state: int | None, quiet: bool,
) -> None:  # fmt: skip
    """Train on DATA, Kaggle's training.zip or training.csv."""
    _check_writable(out)
    faces = _load_labelled(data)
    _load_tensorflow()
    import joblib

    pipe = _make_pipeline(
        strength=strength,
        network=network,
        epochs=epochs,
        batch_size=batch_size,
        missing=missing,
        random_state=random_state,
        verbose=0 if quiet else 1,
    )
    pipe.fit(faces.data, faces.target)
    history = pipe[-1].history_
    if "val_rmse" in history:
        best = min(history["val_rmse"])
        click.echo(f"Validation RMSE {best:.3f} pixels, on rows that were not trained on.")
    joblib.dump(pipe, out)
    click.echo(f"Wrote {out}.")


@main.command()
@click.argument("model", type=_MODEL)
@click.argument("data", type=_FILE)
@click.option("--out", type=_MODEL, default=None, help="Picture of the worst faces.")
@click.option("--report", type=_MODEL, default=None,
              help="HTML page with scores and their intervals, curves and faces.")  # fmt: skip
def evaluate(model: Path, data: Path, out: Path | None, report: Path | None) -> None:
    """Measure MODEL on DATA, a file with labels."""
    for path in filter(None, [out, report]):
        _check_writable(path)
    pipe = _load_model(model)
    faces = _load_labelled(data)
    y_pred = _predict(pipe, model, faces.data)
    y_true = _labels_of(y_pred, faces.target, model, data)
    _print_scores(y_true, y_pred, None)
    if out is not None:
        from sklearn_kpd.inspection import KeypointDisplay

        display = KeypointDisplay.from_predictions(faces.data, y_true, y_pred, n_faces=18)
        display.figure_.savefig(out, dpi=120)
        click.echo(f"Wrote {out}.")
    if report is not None:
        from sklearn_kpd.inspection import evaluation_report

        title = f"{model.name} on {data.name}"
        page = evaluation_report(faces.data, y_true, y_pred, title=title, random_state=0)
        report.write_text(page, encoding="utf-8")
        click.echo(f"Wrote {report}.")


@main.command()
@click.argument("model", type=_MODEL)
@click.argument("data", type=_FILE)
@click.option("--out", type=_MODEL, required=True, help="CSV file for the keypoints.")
@click.option("--lookup", type=_FILE, default=None,
              help="Kaggle's IdLookupTable.csv, for a file in its submission format.")  # fmt: skip
def predict(model: Path, data: Path, out: Path, lookup: Path | None) -> None:
    """Find the keypoints of the images in DATA with MODEL."""
    from sklearn_kpd.datasets import load_kaggle, make_submission

    _check_writable(out)
    pipe = _load_model(model)
    faces = load_kaggle(data)
    table = _predict(pipe, model, faces.data)
    if lookup is not None:
        table = make_submission(table, faces.image_ids, lookup)
    else:
        table.insert(0, "ImageId", faces.image_ids)
    table.to_csv(out, index=False)
    click.echo(f"Wrote {len(table)} rows to {out}.")


def _make_pipeline(*, strength: float = 1.0, **parameters: Any) -> "Pipeline":
    from sklearn.pipeline import Pipeline

    from sklearn_kpd import AugmentTransformer, KeypointRegressor

    augment = AugmentTransformer(
        rotation=15, scale=0.1, translation=4, flip=0.5, brightness=0.1, contrast=0.2,
        strength=strength,
    )  # fmt: skip
    return Pipeline([("augment", augment), ("regressor", KeypointRegressor(**parameters))])


def _print_scores(y_true: Any, y_pred: Any, baseline: Any) -> None:
    """RMSE over all labelled values, as Kaggle counts it, beside that of the column means."""
    import numpy as np

    from sklearn_kpd.metrics import mean_absolute_error, mean_squared_error

    click.echo(f"RMSE {mean_squared_error(y_true, y_pred) ** 0.5:8.3f} pixels")
    click.echo(f"MAE  {mean_absolute_error(y_true, y_pred):8.3f} pixels")
    if baseline is not None:
        means = np.tile(baseline, (len(y_true), 1))
        click.echo(
            f"RMSE {mean_squared_error(y_true, means) ** 0.5:8.3f} pixels for the column means of "
            "the training labels"
        )


def _predict(pipe: Any, model: Path, images: Any) -> "DataFrame":
    """Predictions under the names of the model's keypoints."""
    import numpy as np
    import pandas as pd

    from sklearn_kpd.keypoints import KAGGLE_KEYPOINTS, columns_from_names, fitted_names

    y_pred = np.asarray(pipe.predict(images))
    y_pred = y_pred.reshape(len(y_pred), -1)
    names = fitted_names(pipe)
    if names is None:
        names = KAGGLE_KEYPOINTS
        if y_pred.shape[1] != 2 * len(names):
            raise click.ClickException(
                f"{model}: predicts {y_pred.shape[1]} values and tells no names of keypoints: fit "
                "it on a DataFrame with columns '<name>_x', '<name>_y'."
            )
        click.echo(
            f"{model} tells no names of keypoints; taken for Kaggle's 15, in the order of its "
            "files.", err=True
        )  # fmt: skip
    return pd.DataFrame(y_pred, columns=columns_from_names(names))


def _labels_of(y_pred: "DataFrame", target: "DataFrame", model: Path, data: Path) -> "DataFrame":
    """Labels of the keypoints that the model predicts."""
    absent = [column for column in y_pred.columns if column not in target.columns]
    if absent:
        raise click.ClickException(
            f"{model} predicts {absent[0]!r}, of which {data} has no labels: it was fitted on "
            "other keypoints."
        )
    return target[y_pred.columns]


def _load_labelled(data: Path) -> Any:
    from sklearn_kpd.datasets import load_kaggle

    faces = load_kaggle(data)
    if faces.target is None:
        raise click.ClickException(f"{data} holds no labels: a training file is needed.")
    return faces


def _load_model(path: Path) -> Any:
    import joblib

    if not path.exists():
        raise click.ClickException(f"{path}: no such file.")
    _load_tensorflow()
    try:
        model = joblib.load(path)
    except Exception as error:  # whatever a broken pickle raises
        raise click.ClickException(f"{path}: no model that can be read: {error}") from error
    if not hasattr(model, "predict"):
        raise click.ClickException(f"{path}: holds a {type(model).__name__}, no fitted model.")
    return model


def _check_writable(path: Path) -> None:
    """Fail before the training, not after it."""
    if not path.parent.is_dir():
        raise click.ClickException(f"{path.parent}: no such folder.")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise click.ClickException(f"{path}: may not be written.")


def _load_tensorflow() -> None:
    """Import TensorFlow without the lines that it logs, unless it fails."""
    with _held_back_stderr():
        import sklearn_kpd.regressor  # noqa: F401


@contextmanager
def _held_back_stderr() -> Iterator[None]:
    """Hold back what C++ code writes to stderr, and let it out if the block fails."""
    sys.stderr.flush()
    with tempfile.TemporaryFile() as held:
        saved = os.dup(2)
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(saved, held.read())
            raise
        finally:
            os.dup2(saved, 2)
            os.close(saved)
