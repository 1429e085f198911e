"""Make the saved files that every later version has to load, and what they predict.

Run once for each format version, as ``python -m tests.data.make_fixtures``; files of an older
format stay as they are, for ever. The models are trained on generated faces.
"""

import gzip
import tempfile
from pathlib import Path

import numpy as np
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline

import sklearn_kpd
from sklearn_kpd import AugmentTransformer, KeypointRegressor
from sklearn_kpd._persistence.archive import FORMAT_VERSION
from sklearn_kpd.datasets import make_faces
from tests.helpers import operations_network, tiny_regressor

FOLDER = Path(__file__).parent


def paths(name, version):
    """Of the file, compressed, and of what it predicts."""
    stem = name if version == 1 else f"{name}-{version}"
    return FOLDER / f"{stem}.kpd.gz", FOLDER / f"{stem}.npy"


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
            ("regressor", KeypointRegressor(
                "cnn", network__filters=(2, 2, 2, 2), network__units=(3,), loss="wing",
                tta="flip", missing=SimpleImputer(), random_state=np.random.RandomState(0),
                **common,
            )),
        ]
    )  # fmt: skip
    yield "operations", tiny_regressor(network=operations_network)
    yield "unfitted", tiny_regressor(missing=SimpleImputer(fill_value=np.float32("nan")))


if __name__ == "__main__":
    X, y = make_faces(40, missing="kaggle", random_state=0)
    for name, estimator in estimators():
        saved, predicted = paths(name, FORMAT_VERSION)
        if name != "unfitted":
            np.save(predicted, estimator.fit(X, y).predict(images()))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.kpd"
            sklearn_kpd.save(estimator, path)
            # Of a small network, most of the file is JSON.
            saved.write_bytes(gzip.compress(path.read_bytes(), mtime=0))
