"""Saved files, and loading what has been done to them."""

import pytest

import sklearn_kpd
from tests.helpers import tiny_network, tiny_regressor
from tests.persistence.fuzz import put_together, take_apart


@pytest.fixture(scope="module")
def fitted(faces):
    return tiny_regressor(epochs=1, network__width=2).fit(*faces)


@pytest.fixture(scope="module")
def saved(fitted, tmp_path_factory):
    """Bytes of a saved file."""
    path = tmp_path_factory.mktemp("saved") / "model.kpd"
    sklearn_kpd.save(fitted, path)
    return path.read_bytes()


@pytest.fixture
def load_bytes(tmp_path):
    def load(data, trusted=(tiny_network,)):
        path = tmp_path / "model.kpd"
        path.write_bytes(data)
        return sklearn_kpd.load(path, trusted=trusted)

    return load


@pytest.fixture
def load_changed(saved, load_bytes):
    """Load the saved file after a function has changed its manifest, hashes made right."""

    def load(change, trusted=(tiny_network,)):
        manifest, parts = take_apart(saved)
        change(manifest)
        return load_bytes(put_together(manifest, parts), trusted)

    return load
