"""Make the saved files that every later version has to load, and what they predict.

Run once for each format version, as ``python -m tests.data.make_fixtures``; files of an older
format stay as they are. The models are trained on generated faces.
"""

import gzip
from pathlib import Path

import numpy as np
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline

import sklearn_kpd
from sklearn_kpd import AugmentTransformer, KeypointRegressor
from sklearn_kpd.datasets import make_faces
from tests.helpers import tiny_regressor

FOLDER = Path(__file__).parent


def images():
    """What the files predict for: noise, which no change of the generated faces can change."""
    return np.random.RandomState(7).randint(256, size=(4, 96, 96, 1)).astype(np.uint8)


def estimators():
    """Small estimators that have, among them, every kind of thing that a file holds."""
    common = {"epochs": 2, "verbose": 0}
    yield (
        "heatmap",
        KeypointRegressor(
            network__width=2, optimizer="sgd", weight_average=0, random_state=0, **common
        ),
    )
    yield "pipeline", Pipeline(
        [
            ("augment", AugmentTransformer(rotation=(-5, 5.0), flip=0.5)),
            ("cnn", KeypointRegressor("cnn", network__filters=(2, 2, 2, 2), network__units=(3,),
                                      loss="wing", tta="flip", missing=SimpleImputer(),
                                      random_state=np.random.RandomState(0), **common)),
        ]
    )  # fmt: skip
    yield "unfitted", tiny_regressor(missing=SimpleImputer(fill_value=np.float32("nan")))


if __name__ == "__main__":
    X, y = make_faces(40, missing="kaggle", random_state=0)
    for name, estimator in estimators():
        if name != "unfitted":
            np.save(FOLDER / f"{name}.npy", estimator.fit(X, y).predict(images()))
        path = FOLDER / f"{name}.kpd"
        sklearn_kpd.save(estimator, path)
        # Of a small network, most of the file is JSON.
        (FOLDER / f"{name}.kpd.gz").write_bytes(gzip.compress(path.read_bytes(), mtime=0))
        path.unlink()
