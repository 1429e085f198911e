"""Cost of predict: beside the bare network, and the heatmap network beside the plain CNN.

One image against `predict_on_batch` of the network, many against `predict`, in turn. With
`--one-core` everything runs on one core, and the milliseconds an image are those of one core.
"""

import argparse
import os

import numpy as np
from _sides import faces, take_turns

from sklearn_kpd import KeypointRegressor


def seconds(functions, rounds):
    """Median of each function, run in turn; the first round warms up."""
    times = take_turns(functions, rounds + 1)
    return {name: float(np.median(seconds[1:, 0])) for name, seconds in times.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faces", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--one-core", action="store_true")
    arguments = parser.parse_args()
    if arguments.one_core and hasattr(os, "sched_setaffinity"):  # whatever TensorFlow would take
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    X, y = faces(arguments.faces)
    for network in ("cnn", "heatmap"):
        fitted = KeypointRegressor(network, epochs=1, verbose=0, random_state=0)
        fitted.fit(X[:64], y[:64])
        bare = fitted.model_
        one = seconds(
            {
                "ours": lambda f=fitted: f.predict(X[:1]),
                "bare": lambda b=bare: b.predict_on_batch(X[:1]),
            },
            10 * arguments.rounds,
        )
        many = seconds(
            {
                "ours": lambda f=fitted: f.predict(X),
                "bare": lambda b=bare: b.predict(X, verbose=0),
            },
            arguments.rounds,
        )
        print(
            f"{network:>8}: one image {1000 * one['ours']:.2f} ms, "
            f"{one['ours'] / one['bare']:.2f} x predict_on_batch; {len(X)} images "
            f"{1000 * many['ours'] / len(X):.2f} ms each, "
            f"{many['ours'] / many['bare']:.2f} x predict"
        )


if __name__ == "__main__":
    main()
