"""Fixtures: generated faces, and fast settings."""

import matplotlib as mpl
import pytest

mpl.use("Agg")

from sklearn_kpd.datasets import make_faces


@pytest.fixture(scope="session")
def faces():
    """40 faces with all labels."""
    X, y = make_faces(40, random_state=0)
    X.setflags(write=False)
    return X, y


@pytest.fixture(scope="session")
def kaggle_like():
    """60 faces with Kaggle's pattern of missing labels."""
    X, y = make_faces(60, missing="kaggle", random_state=1)
    X.setflags(write=False)
    return X, y


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    import matplotlib.pyplot as plt

    plt.close("all")
