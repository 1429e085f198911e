"""How well wrong labels are found that were made wrong on purpose, against simpler ways.

Takes a training file in Kaggle's format. A share of its labels is spoilt by faults of known kinds,
drawn anew by ``--random-state``; then every labelled keypoint is ranked by how suspicious it is,
by four ways: predictions out of fold, as `find_label_issues` does it; the residuals of a network
that was fitted on the very labels; a Gaussian mixture on the geometry of the labels; z-scores of
coordinates. What the file holds of mistakes of its own counts against all of them.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd
from _label_faults import KINDS, spoil
from _sides import AUGMENT
from sklearn.metrics import average_precision_score
from sklearn.mixture import GaussianMixture
from sklearn.pipeline import Pipeline

from sklearn_kpd import AugmentTransformer, KeypointRegressor
from sklearn_kpd.datasets import load_kaggle
from sklearn_kpd.label_quality import out_of_fold_predictions
from sklearn_kpd.label_quality._out_of_fold import predict_labels
from sklearn_kpd.model_selection import duplicate_groups


def make_pipeline(arguments):
    regressor = KeypointRegressor(epochs=arguments.epochs, verbose=0, random_state=0)
    return Pipeline([("augment", AugmentTransformer(**AUGMENT)), ("regressor", regressor)])


def predict(arguments, X, y):
    """Predictions out of fold and in sample, their standard deviations, and minutes; kept."""
    if arguments.keep and Path(arguments.keep).exists():
        return dict(np.load(arguments.keep))
    start = time.perf_counter()
    found, std = out_of_fold_predictions(
        make_pipeline(arguments), X, y, cv=arguments.cv, groups=duplicate_groups(X),
        n_jobs=arguments.n_jobs, random_state=arguments.random_state,
    )  # fmt: skip
    minutes = (time.perf_counter() - start) / 60
    seen, _ = predict_labels(make_pipeline(arguments).fit(X, y), X, y)
    kept = {"found": found, "std": std, "seen": seen, "minutes": minutes}
    if arguments.keep:
        np.savez(arguments.keep, **kept)
    return kept


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("training")
    parser.add_argument("--share", type=float, default=0.03)
    parser.add_argument("--random-state", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--cv", type=int, default=5)
    parser.add_argument("--n-jobs", type=int, default=2)
    parser.add_argument("--keep", help="file for the predictions; read if it is there")
    arguments = parser.parse_args()
    X, y = load_kaggle(arguments.training, return_X_y=True)
    y, kinds = spoil(y, arguments.share, arguments.random_state, width=X.shape[2])
    print(predict(arguments, X, y)["minutes"])
