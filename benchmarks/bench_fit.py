"""An epoch of the plain CNN with augmentation, against one without.

Runs go in turn: none, fused, imgaug, none, fused, ... The ratio is that of the medians of the
epochs after the first one, which compiles.
"""

import argparse

import numpy as np
from _clock import Clock
from _sides import NOISY

from sklearn_kpd import AugmentTransformer, KeypointRegressor
from sklearn_kpd.datasets import make_faces


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faces", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    X, y = make_faces(arguments.faces, random_state=0)
    augmentations = {
        "none": AugmentTransformer(),
        "fused": AugmentTransformer(**NOISY),
        "imgaug": AugmentTransformer(**NOISY, engine="imgaug"),
    }
    seconds = {name: [] for name in augmentations}
    for _ in range(arguments.rounds):
        for name, augment in augmentations.items():
            clock = Clock()
            regressor = KeypointRegressor(
                "cnn",
                batch_size=64,
                epochs=4,
                validation_split=0,
                callbacks=[clock],
                verbose=0,
                random_state=0,
            )
            regressor.fit(augment.fit_transform(X, y), y)
            seconds[name] += clock.seconds[1:]
    medians = {name: float(np.median(values)) for name, values in seconds.items()}
    for name, median in medians.items():
        low, high = min(seconds[name]), max(seconds[name])
        print(
            f"{name:>7}: {median:6.2f} s an epoch ({low:.2f} to {high:.2f})   "
            f"{median / medians['none']:5.3f} x none"
        )


if __name__ == "__main__":
    main()
