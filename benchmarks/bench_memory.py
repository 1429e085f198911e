"""Memory that fits in a row leave behind in one process, with bare Keras beside it.

Each side runs in a process of its own, with the same network, data, batch size and epochs. What is
measured is the resident memory, from the sixth fit on.
"""

import argparse
import gc
import subprocess
import sys

from _sides import memory


def fit_ours(X, y):
    from sklearn_kpd import KeypointRegressor

    KeypointRegressor("cnn", epochs=1, verbose=0, random_state=0).fit(X, y).predict(X[:8])


def fit_bare(X, y):
    import keras

    from sklearn_kpd.networks import cnn

    model = cnn(X.shape[1:], y.shape[1])
    model.compile("adamw", "mse")
    model.fit(X, y / 48 - 1, batch_size=32, epochs=1, verbose=0)
    model.predict_on_batch(X[:8])
    keras.backend.clear_session()


SIDES = {"ours": fit_ours, "bare": fit_bare}


def growth(side, n_fits):
    from sklearn_kpd.datasets import make_faces

    X, y = make_faces(128, random_state=0)
    sizes = []
    for _ in range(n_fits):
        SIDES[side](X, y.to_numpy())
        gc.collect()
        sizes.append(memory("VmRSS"))
    return (sizes[-1] - sizes[5]) / (n_fits - 6)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fits", type=int, default=30)
    parser.add_argument("--side", choices=SIDES)
    arguments = parser.parse_args()
    if arguments.side:
        print(growth(arguments.side, arguments.fits))
        return
    command = [sys.executable, __file__, "--fits", str(arguments.fits), "--side"]
    found = {
        side: float(subprocess.check_output([*command, side], text=True).split()[-1])
        for side in SIDES
    }
    print(f"ours {found['ours']:.1f} MB a fit, bare Keras (cleared) {found['bare']:.1f} MB")


if __name__ == "__main__":
    main()
