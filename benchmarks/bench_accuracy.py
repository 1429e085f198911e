"""RMSE on test faces of the column means, of the seed's recipe and of ours.

Takes a training file and a test file in Kaggle's format, and a CSV file with the labels of the
test faces (columns ImageId and the 30 coordinates). Training never sees the test faces.
"""

import argparse
import time

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from sklearn_kpd import AugmentTransformer, KeypointRegressor, metrics
from sklearn_kpd.datasets import load_kaggle

AUGMENT = {
    "rotation": 15, "scale": 0.1, "translation": 4, "flip": 0.5, "brightness": 0.1,
    "contrast": 0.2,
}  # fmt: skip


def recipes(random_state):
    settings = {"random_state": random_state, "verbose": 2}
    return {
        "seed's recipe (complete rows, no augmentation)": Pipeline(
            [("cnn", KeypointRegressor(missing="drop", **settings))]
        ),
        "labels masked, no augmentation": Pipeline([("cnn", KeypointRegressor(**settings))]),
        "labels masked, augmented": Pipeline(
            [("augment", AugmentTransformer(**AUGMENT)), ("cnn", KeypointRegressor(**settings))]
        ),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("training")
    parser.add_argument("test")
    parser.add_argument("labels")
    parser.add_argument("--random-state", type=int, default=0)
    arguments = parser.parse_args()
    X, y = load_kaggle(arguments.training, return_X_y=True)
    test = load_kaggle(arguments.test)
    y_test = pd.read_csv(arguments.labels).set_index("ImageId").loc[test.image_ids, y.columns]
    means = np.tile(y.mean(), (len(y_test), 1))
    lines = [f"{metrics.mean_squared_error(y_test, means) ** 0.5:6.3f} px          column means"]
    for name, pipe in recipes(arguments.random_state).items():
        start = time.perf_counter()
        pipe.fit(X, y)
        minutes = (time.perf_counter() - start) / 60
        rmse = metrics.mean_squared_error(y_test, pipe.predict(test.data)) ** 0.5
        lines.append(f"{rmse:6.3f} px {minutes:5.1f} min  {name}")
        print(lines[-1], flush=True)
    print("\nRMSE over all coordinates of the test faces, training time:", *lines, sep="\n")


if __name__ == "__main__":
    main()
