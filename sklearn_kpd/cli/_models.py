"""Models: made, kept, loaded and asked."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sklearn_kpd.cli._group import load_tensorflow, say

if TYPE_CHECKING:
    import numpy.typing as npt
    from pandas import DataFrame
    from sklearn.pipeline import Pipeline

    from sklearn_kpd.cli._inputs import Data
    from sklearn_kpd.cli._pieces import Pieces

PICKLES = (".joblib", ".pkl")
ENDINGS = (".kpd", *PICKLES)
EXPORTS = (".onnx", ".tflite")
_TRIAL_ROWS = 512


def make_pipeline(
    data: "Data | None" = None,
    *,
    crop: dict[str, Any] | None = None,
    strength: float = 1.0,
    **parameters: Any,
) -> "Pipeline":
    """Make what is trained: for photographs with a crop, and a flip where it is known how."""
    from sklearn.pipeline import Pipeline

    from sklearn_kpd import AugmentTransformer, CropTransformer, KeypointRegressor

    flip: dict[str, Any] = {"flip": 0.5}
    steps: list[tuple[str, Any]] = []
    translation = 4.0
    if crop is not None and data is not None and data.kind != "images":
        steps.append(("crop", CropTransformer(**crop)))
        flip = _flip(data)
        translation = crop["size"] / 24
        if data.X["path"].nunique() < 2:  # nothing could be held out that was not seen
            parameters["validation_split"] = 0
    augment = AugmentTransformer(
        rotation=15, scale=0.1, translation=translation, brightness=0.1, contrast=0.2,
        strength=strength, **flip,
    )  # fmt: skip
    return Pipeline([*steps, ("augment", augment), ("regressor", KeypointRegressor(**parameters))])


def _flip(data: "Data") -> dict[str, Any]:
    """Flip where annotations, or names, tell what swaps; else say that there is none."""
    from sklearn_kpd.keypoints import check_keypoints, flip_permutation

    assert data.y is not None
    names = check_keypoints(data.y).names or ()
    try:
        flip_permutation(len(names), names, data.flip_pairs)
    except ValueError:
        say(
            "Nothing is mirrored: the names of the keypoints do not tell which swap left and "
            "right.", err=True,
        )  # fmt: skip
        return {"flip": 0}
    return {"flip": 0.5, "flip_pairs": data.flip_pairs}


def minutes_of_folds(pipe: "Pipeline", data: "Data", n_folds: int, n_jobs: int) -> float:
    """Minutes that training on folds takes, told by some epochs on a few rows."""
    import time

    import joblib
    import numpy as np
    from sklearn.base import clone

    from sklearn_kpd._common.sklearn import take_rows

    assert data.y is not None
    rows = np.linspace(0, len(data.y) - 1, min(len(data.y), _TRIAL_ROWS), dtype=int)
    X, y = take_rows(data.X, rows), take_rows(data.y, rows)
    seconds = []
    for epochs in (1, 3):  # the first one costs more: the network is compiled
        trial = clone(pipe).set_params(regressor__epochs=epochs)
        start = time.perf_counter()
        trial.fit(X, y)
        seconds.append(time.perf_counter() - start)
    a_row = max(seconds[1] - seconds[0], 0) / 2 / len(rows)
    trained = (n_folds - 1) * len(data.y) * pipe[-1].epochs
    at_once = min(joblib.effective_n_jobs(n_jobs), n_folds)
    return (seconds[0] * n_folds + trained * a_row) / at_once / 60


def save_model(pipe: Any, path: Path) -> None:
    """Write a model; the old file is whole until the new one is."""
    if path.suffix.lower() not in PICKLES:
        from sklearn_kpd import save

        save(pipe, path)
        return
    import joblib

    from sklearn_kpd._common.files import replacing

    with replacing(path) as file:
        joblib.dump(pipe, file)


def check_model(path: Path) -> None:
    """Fail before anything is read; say that a pickle has to be trusted."""
    if not path.is_file():
        problem = "is no regular file" if path.exists() else "no such file"
        raise click.ClickException(f"{path}: {problem}.")
    if path.suffix.lower() not in (*ENDINGS, *EXPORTS):
        raise click.ClickException(f"{path}: models end in {' or '.join((*ENDINGS, *EXPORTS))}.")
    if path.suffix.lower() in PICKLES:
        say(f"{path} is a pickle, which can run code: load only your own.", err=True)


def load_model(path: Path) -> Any:
    """Load a model of any kind; exported files need no TensorFlow."""
    if path.suffix.lower() in EXPORTS:
        from sklearn_kpd.serving import ExportedModel

        return ExportedModel(path)
    load_tensorflow()
    model = _load_pickle(path) if path.suffix.lower() in PICKLES else _load_kpd(path)
    if not hasattr(model, "predict"):
        raise click.ClickException(f"{path}: holds a {type(model).__name__}, no fitted model.")
    return model


def _load_kpd(path: Path) -> Any:
    from sklearn_kpd import load
    from sklearn_kpd.exceptions import PersistenceError

    try:
        return load(path)
    except PersistenceError as error:
        raise click.ClickException(f"{path}: {error}") from error


def _load_pickle(path: Path) -> Any:
    import joblib

    try:
        return joblib.load(path)
    except Exception as error:  # whatever a broken pickle raises
        raise click.ClickException(f"{path}: no model that can be read: {error}") from error


def takes_photographs(model: Any) -> bool:
    """Whether a model cuts objects out of photographs."""
    from sklearn_kpd import CropTransformer

    model = getattr(model, "best_estimator_", model)
    return hasattr(model, "steps") and isinstance(model.steps[0][1], CropTransformer)


def predict_table(
    model: Any, name: Path, data: "Data", *, lookup: Any = None, pieces: "Pieces | None" = None
) -> "DataFrame":
    """Predictions under the names of the model's keypoints.

    With Kaggle's lookup table each image is predicted by the labelling scheme that its requests
    tell. Many rows are predicted in pieces, where those can be kept.
    """
    import pandas as pd

    from sklearn_kpd.keypoints import columns_from_names

    predict = _prediction(model, name, data, lookup)
    y_pred = predict(slice(None)) if pieces is None else pieces.find(predict, len(data.X))
    return pd.DataFrame(y_pred, columns=columns_from_names(_names(model, name, y_pred.shape[1])))


def _prediction(
    model: Any, name: Path, data: "Data", lookup: Any
) -> Callable[[slice], "npt.NDArray[Any]"]:
    """What predicts some rows; photographs are looked for once, and a video is decoded once."""
    import numpy as np

    X = data.X
    takes_crops = takes_photographs(model)
    if takes_crops:
        model = getattr(model, "best_estimator_", model)
        X = model[0].transform(list(X) if data.kind == "images" else X)
        model = model[1:]
    elif data.kind != "images":
        raise click.ClickException(
            f"{name} takes images of one size, no photographs: train one on annotations."
        )
    scheme = _scheme(model, data, lookup)

    def predict(rows: slice) -> "npt.NDArray[Any]":
        part = X.part(rows) if takes_crops else X[rows]
        y_pred = np.asarray(model.predict(part, **{k: v[rows] for k, v in scheme.items()}))
        return y_pred.reshape(len(y_pred), -1)

    return predict


def _scheme(model: Any, data: "Data", lookup: Any) -> dict[str, Any]:
    """What predict is told of labelling schemes: what each image is asked for."""
    from sklearn_kpd.datasets import requested_labels
    from sklearn_kpd.keypoints import KAGGLE_KEYPOINTS, columns_from_names, fitted_names, last_step

    if lookup is None or not hasattr(last_step(model), "schemes_"):
        return {}
    names = fitted_names(model) or KAGGLE_KEYPOINTS
    requested = requested_labels(lookup, data.image_ids)
    columns = columns_from_names(names)
    if not set(columns) <= set(requested):  # which the submission names
        return {}
    return {"scheme": requested[columns].to_numpy()}


def _names(model: Any, name: Path, n_values: int) -> Any:
    from sklearn_kpd.keypoints import KAGGLE_KEYPOINTS, fitted_names

    names = fitted_names(model)
    if names is not None:
        return names
    if n_values != 2 * len(KAGGLE_KEYPOINTS):
        raise click.ClickException(
            f"{name}: predicts {n_values} values and tells no names of keypoints: fit it on a "
            "DataFrame with columns '<name>_x', '<name>_y'."
        )
    say(
        f"{name} tells no names of keypoints; taken for Kaggle's 15, in the order of its files.",
        err=True,
    )
    return KAGGLE_KEYPOINTS
