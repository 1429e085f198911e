"""RMSE on test faces of the column means, of a plain network and of our recipes.

Takes a training file and a test file in Kaggle's format, and a CSV file with the labels of the
test faces (columns ImageId and the 30 coordinates). Training never sees the test faces.
"""

import argparse
import time
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
from _sides import AUGMENT
from sklearn.pipeline import Pipeline

from sklearn_kpd import AugmentTransformer, KeypointRegressor, metrics
from sklearn_kpd.datasets import load_kaggle

STRONG = {
    "rotation": 30, "scale": 0.25, "aspect": 0.2, "shear": 8, "translation": 7, "flip": 0.5,
    "elastic": 1.5, "brightness": 0.15, "contrast": 0.3, "gamma": 0.2, "shadow": 0.3,
    "noise": 0.02, "cutout": 0.15, "patches": 0.2,
}  # fmt: skip

RECIPES = {
    "plain": (
        "plain: cnn, complete rows alone, no augmentation, MSE, Adam",
        {},
        {
            "network": "cnn",
            "missing": "drop",
            "loss": "mse",
            "optimizer": "adam",
            "learning_rate": 1e-3,
            "weight_decay": 0.0,
            "learning_rate_schedule": "constant",
            "weight_average": 0.0,
            "epochs": 50,
        },
    ),
    "cnn": ("cnn, defaults", AUGMENT, {"network": "cnn"}),
    "default": ("defaults", AUGMENT, {}),
    "huber": ("defaults, Huber loss", AUGMENT, {"loss": "huber"}),
    "short": (
        "Huber loss, 15 passes over the rows, a lower learning rate",
        AUGMENT,
        {"loss": "huber", "epochs": 15, "learning_rate": 2e-3},
    ),
    "itself": ("defaults, and images without labels", AUGMENT, {"self_training": 0.5}),
    "unmixed": ("defaults, one labelling scheme", AUGMENT, {"schemes": None}),
    "best": (
        "complete rows, wider network, 340 epochs, stronger augmentation, outputs for mirror "
        "images, moved copies at test",
        STRONG,
        {
            "network__width": 24,
            "missing": "drop",
            "mirrored_outputs": True,
            "epochs": 340,
            "patience": None,
            "validation_split": 0.05,
            "mixed_precision": "bfloat16",
            "tta": "moves",
        },
    ),
}


def make_pipeline(augment, settings, random_state):
    regressor = KeypointRegressor(random_state=random_state, verbose=2, **settings)
    return Pipeline([("augment", AugmentTransformer(**augment)), ("regressor", regressor)])


def rmse(y_true, y_pred):
    return metrics.mean_squared_error(y_true, y_pred) ** 0.5


def calibration(y_true, y_pred, y_std):
    """How far the standard deviations tell the errors."""
    scaled = np.abs(y_pred - y_true) / y_std
    for n_std, share in ((1, 0.683), (2, 0.954)):
        found = (scaled <= n_std).mean()
        yield f"{found:.1%} of the errors within {n_std} std (normal errors: {share:.1%})"
    yield f"root mean squared error in std: {np.sqrt((scaled**2).mean()):.2f} (1)"
    surest = np.argsort(y_std.mean(axis=1))
    for share in (0.9, 0.5):
        faces = surest[: round(share * len(surest))]
        found = rmse(y_true[faces], y_pred[faces])
        yield f"RMSE of the surest {share:.0%} of the faces: {found:.3f} px"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("training")
    parser.add_argument("test")
    parser.add_argument("labels")
    parser.add_argument("--recipes", nargs="+", choices=RECIPES, default=["default", "plain"])
    parser.add_argument("--rows", type=int, help="so many complete rows alone, drawn at random")
    parser.add_argument(
        "--others", action="store_true", help="with --rows: the other rows too, without labels"
    )
    parser.add_argument("--random-state", type=int, default=0)
    parser.add_argument("--keep", help="folder for the fitted pipelines")
    arguments = parser.parse_args()
    X, y = load_kaggle(arguments.training, return_X_y=True)
    if arguments.rows:
        rng = np.random.default_rng(arguments.random_state)
        rows = rng.permutation(np.flatnonzero(y.notna().all(axis=1)))[: arguments.rows]
        if arguments.others:
            y.iloc[np.setdiff1d(np.arange(len(y)), rows)] = np.nan
        else:
            X, y = X[rows], y.iloc[rows].reset_index(drop=True)
    test = load_kaggle(arguments.test)
    y_test = pd.read_csv(arguments.labels).set_index("ImageId").loc[test.image_ids, y.columns]
    means = np.tile(y.mean(), (len(y_test), 1))
    lines = [f"{rmse(y_test, means):6.3f} px             column means"]
    for name in arguments.recipes:
        title, augment, settings = RECIPES[name]
        pipe = make_pipeline(augment, settings, arguments.random_state)
        start = time.perf_counter()
        pipe.fit(X, y)
        minutes = (time.perf_counter() - start) / 60
        if arguments.keep:
            joblib.dump(pipe, Path(arguments.keep) / f"{name}.joblib")
        y_pred, y_std = pipe.predict(test.data, return_std=True)
        lines.append(f"{rmse(y_test, y_pred):6.3f} px {minutes:6.1f} min  {title}")
        print(lines[-1], *calibration(y_test.to_numpy(), y_pred, y_std), sep="\n  ", flush=True)
    print("\nRMSE over all coordinates of the test faces, training time:", *lines, sep="\n")


if __name__ == "__main__":
    main()
