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
from scipy.stats import zscore
from sklearn.metrics import average_precision_score
from sklearn.mixture import GaussianMixture
from sklearn.pipeline import Pipeline

from sklearn_kpd import AugmentTransformer, KeypointRegressor
from sklearn_kpd.datasets import load_kaggle
from sklearn_kpd.label_quality import find_label_issues, out_of_fold_predictions
from sklearn_kpd.label_quality._evidence import weigh
from sklearn_kpd.label_quality._out_of_fold import predict_labels
from sklearn_kpd.model_selection import duplicate_groups, labelling_schemes


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


def suspicions(X, y, kept):
    """How suspicious each labelled keypoint is, by each way, (n, k)."""
    labels = y.to_numpy().reshape(len(y), -1, 2)
    found, std, seen = (kept[name].reshape(labels.shape) for name in ("found", "std", "seen"))
    residuals = np.hypot(*np.moveaxis(labels - seen, 2, 0))
    return {
        "out of fold": -np.log(weigh(labels, found, std, labelling_schemes(y)).p_values),
        "residuals in sample": residuals / np.nanmedian(residuals, axis=0),
        "mixture on geometry": -geometry(labels),
        "z-scores": np.hypot(*np.moveaxis(zscore(labels, axis=0, nan_policy="omit"), 2, 0)),
    }


def geometry(labels):
    """Log likelihood of each keypoint given the others of its face, by a Gaussian mixture.

    A face is moved to its centre and brought to one size; faces with the same keypoints share a
    mixture of five Gaussians.
    """
    likelihood = np.full(labels.shape[:2], np.nan)
    labelled = ~np.isnan(labels).any(axis=2)
    for pattern in np.unique(labelled, axis=0):
        rows, there = np.flatnonzero((labelled == pattern).all(axis=1)), np.flatnonzero(pattern)
        if len(rows) < 100:
            continue
        shapes = labels[np.ix_(rows, there)]
        shapes = shapes - shapes.mean(axis=1, keepdims=True)
        shapes /= np.sqrt((shapes**2).mean(axis=(1, 2), keepdims=True))
        mixture = GaussianMixture(5, reg_covar=1e-4, random_state=0)
        whole = mixture.fit(shapes.reshape(len(rows), -1))
        for at, k in enumerate(there):
            others = np.delete(np.arange(2 * len(there)), [2 * at, 2 * at + 1])
            # p(keypoint | others) = p(all) / p(others)
            part = GaussianMixture(5)
            part.weights_, part.means_ = whole.weights_, whole.means_[:, others]
            covariances = whole.covariances_[:, others][:, :, others]
            part.covariances_ = covariances
            part.precisions_cholesky_ = np.stack(
                [np.linalg.inv(np.linalg.cholesky(c)).T for c in covariances]
            )
            flat = shapes.reshape(len(rows), -1)
            likelihood[rows, k] = whole.score_samples(flat) - part.score_samples(flat[:, others])
    return np.where(labelled, np.nan_to_num(likelihood, nan=likelihood[labelled].max()), np.nan)


def precisions(kinds, moved_by, suspicion):
    """Average precision of each kind of fault against the labels that were left alone."""
    right = (kinds == "") & ~np.isnan(suspicion)
    kind_of = {kind: kinds == kind for kind in KINDS}
    sizes = {
        f"moved {low} to {high} px": (kinds == "moved") & (moved_by >= low) & (moved_by < high)
        for low, high in ((4, 6), (6, 8), (8, 10), (10, 15))
    }
    faults = {"all": np.isin(kinds, KINDS), **kind_of, **sizes}
    return {
        name: average_precision_score(wrong[right | wrong], suspicion[right | wrong])
        for name, wrong in faults.items()
    }


def confusion(issues, kinds, names):
    """Kinds that were put there, and those that are named; and what the list holds."""
    true, counts = [], []
    for row, keypoint in zip(issues["row"], issues["keypoint"], strict=True):
        these = kinds[row, [names.index(name) for name in keypoint.split(", ")]]
        faults = these[these != ""]
        true.append(max(faults, key=faults.tolist().count) if len(faults) else "none")
        counts.append([len(these), len(faults)])
    listed, right = np.sum(counts, axis=0) if counts else (0, 0)
    table = pd.crosstab(pd.Series(true, name="true"), issues["kind"].rename("named"))
    return table, listed, right


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("training")
    parser.add_argument("--share", type=float, default=0.03)
    parser.add_argument("--random-state", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--cv", type=int, default=5)
    parser.add_argument("--n-jobs", type=int, default=1)
    parser.add_argument("--keep", help="file for the predictions; read if it is there")
    arguments = parser.parse_args()
    X, right = load_kaggle(arguments.training, return_X_y=True)
    y, kinds = spoil(right, arguments.share, arguments.random_state, width=X.shape[2])
    moved_by = np.hypot(*np.moveaxis((y - right).to_numpy().reshape(*kinds.shape, 2), 2, 0))
    kept = predict(arguments, X, y)
    print(f"Folds: {kept['minutes']:.1f} min. Spoilt: {np.isin(kinds, KINDS).sum()} keypoints.\n")

    table = {name: precisions(kinds, moved_by, s) for name, s in suspicions(X, y, kept).items()}
    print("Average precision", pd.DataFrame(table).round(3).to_string(), sep="\n")
    start = time.perf_counter()
    issues = find_label_issues(None, X, y, y_pred=kept["found"], y_std=kept["std"])
    seconds = time.perf_counter() - start
    names = [column.removesuffix("_x") for column in y.columns[::2]]
    matrix, listed, right_ones = confusion(issues, kinds, names)
    found = np.zeros(kinds.shape, bool)
    for row, keypoint in zip(issues["row"], issues["keypoint"], strict=True):
        found[row, [names.index(name) for name in keypoint.split(", ")]] = True
    print(
        f"\nListed at a false discovery rate of 5 %: {len(issues)} issues, {listed} keypoints, of "
        f"which {1 - right_ones / max(listed, 1):.1%} were not spoilt; "
        f"{found[np.isin(kinds, KINDS)].mean():.1%} of those spoilt are listed ({seconds:.1f} s).",
        matrix.to_string(),
        sep="\n",
    )


if __name__ == "__main__":
    main()
