"""Milliseconds an image at predict, on one core: the heatmap network beside the plain CNN."""

import argparse
import os
import time

import numpy as np

from sklearn_kpd import KeypointRegressor
from sklearn_kpd.datasets import make_faces

if hasattr(os, "sched_setaffinity"):  # one core, whatever TensorFlow would take
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def seconds(function, rounds):
    function()
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    X, y = make_faces(512, random_state=0)
    results = {}
    for network in ("cnn", "heatmap"):
        fitted = KeypointRegressor(network, epochs=1, verbose=0, random_state=0).fit(
            X[:64], y[:64]
        )
        results[network] = [
            1000 * seconds(lambda n=n, f=fitted: f.predict(X[:n]), arguments.rounds) / n
            for n in (1, len(X))
        ]
        one, many = results[network]
        print(f"{network:>8}: {one:6.2f} ms for one image, {many:5.2f} ms an image of {len(X)}")
    one, many = np.divide(results["heatmap"], results["cnn"])
    print(f"   ratio: {one:6.2f}                    {many:5.2f}")


if __name__ == "__main__":
    main()
