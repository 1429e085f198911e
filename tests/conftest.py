"""Fixtures: generated faces, and fast settings."""

import itertools
import signal

import hypothesis
import matplotlib as mpl
import pytest

mpl.use("Agg")

from sklearn_kpd.datasets import make_faces

# A busy machine is no reason for a test to fail.
hypothesis.settings.register_profile("no deadline", deadline=None)
hypothesis.settings.load_profile("no deadline")


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


@pytest.fixture(scope="session")
def _data_homes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data_homes")
    return (str(folder / str(number)) for number in itertools.count())


@pytest.fixture(autouse=True)
def _own_data_home(_data_homes, monkeypatch):
    """load_kaggle keeps what it has read in scikit-learn's data home: not in the user's.

    scikit-learn makes the folder; pytest would list all there are for each of thousands of tests.
    """
    monkeypatch.setenv("SCIKIT_LEARN_DATA", next(_data_homes))


@pytest.fixture(autouse=True)
def _ctrl_c():
    """Ctrl-C is handled as Python does, also where a shell in the background ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    import matplotlib.pyplot as plt

    plt.close("all")
