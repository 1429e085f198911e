"""Time of a grid search with two workers against one, which has all cores to itself.

What is searched is a small network on few faces, as in the examples; `--full` takes the plain CNN
at its full size, whose steps keep all cores busy with one worker already.
"""

import argparse
import time

from _sides import compare

from sklearn_kpd.datasets import make_faces


def run(arguments, n_jobs):
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import Pipeline

    from sklearn_kpd import AugmentTransformer, KeypointRegressor, metrics

    X, y = make_faces(arguments.faces, missing="kaggle", random_state=0)
    size = {} if arguments.full else {"network__filters": (8, 16, 32), "network__units": (64,)}
    augment = AugmentTransformer(rotation=15, scale=0.1, translation=3, flip=0.5)
    regressor = KeypointRegressor(
        "cnn", epochs=arguments.epochs, validation_split=0, verbose=0, **size
    )
    pipe = Pipeline([("augment", augment), ("regressor", regressor)])
    grid = {
        "augment__strength": [0, 0.5, 1],
        "regressor__missing": ["mask", "mean", "knn", "drop"],
    }
    search = GridSearchCV(
        pipe, grid, scoring=metrics.neg_mean_squared_error, cv=5, refit=False, n_jobs=n_jobs
    )
    start = time.perf_counter()
    search.fit(X, y)
    return {"seconds": time.perf_counter() - start}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--faces", type=int, default=600)
    parser.add_argument("--epochs", type=int, default=6)
    sides = {
        "n_jobs=1": lambda arguments: run(arguments, 1),
        "n_jobs=2": lambda arguments: run(arguments, 2),
    }
    found = compare(sides, parser)
    if found:
        one, two = (found[side]["seconds"] for side in sides)
        print(f"60 fits: n_jobs=1 {one:.1f} s, n_jobs=2 {two:.1f} s, {one / two:.2f} x as fast")


if __name__ == "__main__":
    main()
