"""Memory that fits in a row leave behind in one process, with bare Keras beside it.

Each side runs in a process of its own, with the same network, data, batch size and epochs. What is
measured is the resident memory, from the sixth fit on.
"""

import argparse
import gc

from _sides import compare, memory


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


def growth(fit, n_fits):
    """Megabytes that each fit leaves behind."""
    from sklearn_kpd.datasets import make_faces

    X, y = make_faces(128, random_state=0)
    sizes = []
    for _ in range(n_fits):
        fit(X, y.to_numpy())
        gc.collect()
        sizes.append(memory("VmRSS"))
    return {"megabytes": (sizes[-1] - sizes[5]) / (n_fits - 6)}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fits", type=int, default=30)
    sides = {
        "ours": lambda arguments: growth(fit_ours, arguments.fits),
        "bare": lambda arguments: growth(fit_bare, arguments.fits),
    }
    found = compare(sides, parser, rounds=1)
    if found:
        ours, bare = (found[side]["megabytes"] for side in sides)
        print(f"ours {ours:.1f} MB a fit, bare Keras (cleared) {bare:.1f} MB")


if __name__ == "__main__":
    main()
