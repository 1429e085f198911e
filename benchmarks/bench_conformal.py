"""Coverage and size of conformal regions on test faces of a network that is fixed.

Takes a saved model, which must not have seen the test faces, a test file in Kaggle's format, and a
CSV file with the labels of the test faces (columns ImageId and the 30 coordinates). The faces are
predicted once; halves for calibration and for the test are drawn again and again. On the same
halves stand the methods of landmarker 0.4 (PyTorch; Jonkers et al., Reliable uncertainty
quantification for 2D/3D anatomical landmark localization using multi-output conformal prediction,
2025), written anew from what they do.
"""

import argparse
import time
from decimal import Decimal

import numpy as np
import pandas as pd

import sklearn_kpd
from sklearn_kpd import AugmentSampler
from sklearn_kpd.conformal import conformal_quantile, keypoint_scores
from sklearn_kpd.datasets import load_kaggle
from sklearn_kpd.keypoints import columns_from_names, fitted_names

COVERAGES = (0.8, 0.9, 0.95)
SCORES = ("distance", "scaled", "mahalanobis")
SHIFTS = {
    "turned by up to 30°": {"rotation": (-30, 30)},
    "noise": {"noise": (0.05, 0.1)},
    "dark and flat": {"brightness": (-0.3, -0.2), "contrast": (0.4, 0.6)},
    "a part hidden": {"cutout": (0.2, 0.3)},
    "all of them": {
        "rotation": (-30, 30), "noise": (0.05, 0.1), "brightness": (-0.3, -0.2),
        "contrast": (0.4, 0.6), "cutout": (0.2, 0.3),
    },
}  # fmt: skip


def scales(score, std):
    if score == "distance":
        return np.ones_like(std)
    if score == "mahalanobis":
        return std
    return np.broadcast_to(np.sqrt(np.mean(std**2, axis=2, keepdims=True)), std.shape)


def predicted(model, X, y):
    """Labels, predictions and their standard deviations, (n, k, 2)."""
    found, std = model.predict(X, return_std=True)
    return [np.asarray(a, np.float64).reshape(len(X), -1, 2) for a in (y, found, std)]


def measure(calibration, test, rows, score, coverage, *, joint):
    """Coverage by keypoint or of faces, and mean radius, of one division of the rows."""
    (known, others), odd = rows, []
    for true, found, std in (calibration, test):
        odd.append(keypoint_scores(true, found, scales(score, std)))
    old, new = odd[0][known], odd[1][others]
    if joint:
        old, new = np.nanmax(old, axis=1, keepdims=True), np.nanmax(new, axis=1, keepdims=True)
    reach = conformal_quantile(old, coverage)
    # the radius of the disc that is as large
    sizes = np.sqrt(np.prod(scales(score, test[2])[others], axis=2))
    return (new <= reach).mean(axis=0), (reach * sizes).mean()


def table(calibration, test, splits):
    for joint in (False, True):
        for score in SCORES:
            for coverage in COVERAGES:
                found = [
                    measure(calibration, test, rows, score, coverage, joint=joint)
                    for rows in splits
                ]
                kept = np.array([k for k, _ in found])
                by_keypoint, by_split = kept.mean(axis=0), kept.mean(axis=1)
                yield {
                    "regions": "joint" if joint else "each",
                    "score": score,
                    "promised": coverage,
                    "kept": by_split.mean(),
                    "one split": by_split.std(),
                    "worst": by_keypoint.min(),
                    "best": by_keypoint.max(),
                    "radius": np.mean([radius for _, radius in found]),
                }


def rectangle_of_axes(errors, known, coverage):
    """Half the sides of "Bonferroni": an interval for x and for y, each with half the misses."""
    share = 1 - (1 - Decimal(str(coverage))) / errors.shape[2]
    return conformal_quantile(np.abs(errors[known]), float(share))


def rectangle_of_maximum(errors, known, coverage):
    """Half the sides of "max-nonconformity": the larger of the errors along x and y."""
    reach = conformal_quantile(np.abs(errors[known]).max(axis=2), coverage)
    return np.repeat(reach[:, np.newaxis], errors.shape[2], axis=1)


def ellipse(errors, known, coverage):
    """Semi-axes of "Mahalanobis", in units of the spread along x and y, which does not turn."""
    reach = conformal_quantile(np.linalg.norm(errors[known], axis=2), coverage)
    return np.repeat(reach[:, np.newaxis], errors.shape[2], axis=1)


LANDMARKER = {
    "Bonferroni": (rectangle_of_axes, np.inf, 4.0),
    "max-nonconformity": (rectangle_of_maximum, np.inf, 4.0),
    "Mahalanobis": (ellipse, 2, np.pi),
}


def landmarker(test, splits):
    """Kept share of labels, and mean area, of both packages' regions of each keypoint.

    The spread that all of them may use is ours, as theirs takes any.
    """
    true, found, std = test
    for coverage in COVERAGES:
        ours = {}
        for score in SCORES:
            scale = scales(score, std)
            scored, area = keypoint_scores(true, found, scale), np.prod(scale, axis=2) * np.pi
            pairs = []
            for known, others in splits:
                reach = conformal_quantile(scored[known], coverage)
                pairs.append(((scored[others] <= reach).mean(), (reach**2 * area[others]).mean()))
            ours[score] = np.mean(pairs, axis=0)
        theirs = {}
        for name, (half_axes, order, shape) in LANDMARKER.items():
            for by, scale in (("fixed", np.ones_like(std)), ("spread", std)):
                errors, area, pairs = (true - found) / scale, np.prod(scale, axis=2) * shape, []
                for known, others in splits:
                    half = half_axes(errors, known, coverage)
                    inside = np.linalg.norm(errors[others] / half, ord=order, axis=2) <= 1
                    pairs.append((inside.mean(), (np.prod(half, axis=1) * area[others]).mean()))
                theirs[f"{name}, {by}"] = np.mean(pairs, axis=0)
        rows = [("ours", *item) for item in ours.items()]
        rows += [("landmarker", *item) for item in theirs.items()]
        for package, name, (kept, area) in rows:
            yield {
                "package": package,
                "regions": name,
                "promised": coverage,
                "kept": kept,
                "area": area,
                "by distance": area / ours["distance"][1],
                "by mahalanobis": area / ours["mahalanobis"][1],
            }


def show(rows):
    print(pd.DataFrame(rows).round(3).to_string(index=False), flush=True)


def read_arguments(description):
    """The model, the test faces, and orders of them whose halves are calibration and test."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("model")
    parser.add_argument("test")
    parser.add_argument("labels")
    parser.add_argument("--splits", type=int, default=20)
    options = parser.parse_args()
    model = sklearn_kpd.load(options.model)
    X = load_kaggle(options.test).data
    y = pd.read_csv(options.labels)[columns_from_names(fitted_names(model))]
    orders = [np.random.default_rng(seed).permutation(len(X)) for seed in range(options.splits)]
    return model, X, y, orders


def changed(X, y):
    """The faces of each kind of change: its name, images and labels."""
    for name, shift in SHIFTS.items():
        sampler = AugmentSampler(**shift, out_of_frame="keep", random_state=0)
        yield name, *(both[len(X) :] for both in sampler.fit_resample(X, y))


def main():
    model, X, y, orders = read_arguments(__doc__)
    start = time.perf_counter()
    test = predicted(model, X, y)
    print(f"{len(X)} faces predicted in {time.perf_counter() - start:.0f} s")
    splits = [(order[: len(X) // 2], order[len(X) // 2 :]) for order in orders]
    show(table(test, test, splits))

    print("\nEach keypoint, beside landmarker's methods: mean areas in square pixels, and ratios:")
    show(landmarker(test, splits))

    print("\nCalibrated on faces as they are, tested on others:")
    moved = {}
    for name, X_moved, y_moved in changed(X, y):
        moved[name] = predicted(model, X_moved, y_moved)
        print(f"\n{name}")
        show(row for row in table(test, moved[name], splits) if row["promised"] == 0.9)

    print("\nCalibrated and tested on a mixture: half the faces as they are, half of all kinds:")
    kinds = [test] * len(moved) + list(moved.values())
    drawn = np.random.default_rng(0).integers(len(kinds), size=len(X))
    mixed = [np.stack([kinds[k][part][i] for i, k in enumerate(drawn)]) for part in range(3)]
    show(row for row in table(mixed, mixed, splits) if row["promised"] == 0.9)


if __name__ == "__main__":
    main()
