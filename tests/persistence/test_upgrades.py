"""Files of older versions."""

import copy
import gzip
import json
import math
import warnings

import numpy as np
import pytest

import sklearn_kpd
from sklearn_kpd._persistence.archive import FORMAT_VERSION
from sklearn_kpd._persistence.upgrades import upgraded
from sklearn_kpd.exceptions import (
    OtherVersionWarning,
    UntrustedTypeError,
)
from tests.data import make_fixtures
from tests.helpers import operations_network, tiny_network
from tests.persistence.fuzz import take_apart
from tests.persistence.helpers import layer_of

NAMES = ["heatmap", "pipeline", "operations", "unfitted"]


@pytest.mark.parametrize("version", range(1, FORMAT_VERSION + 1))
@pytest.mark.parametrize("name", NAMES)
def test_files_of_every_format_load(name, version, load_bytes):
    saved, predicted = make_fixtures.paths(name, version)
    data = gzip.decompress(saved.read_bytes())
    assert take_apart(data)[0]["format_version"] == version
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OtherVersionWarning)
        loaded = load_bytes(data, trusted=[tiny_network, operations_network])
    assert type(loaded) is type(dict(make_fixtures.estimators())[name])
    if name == "unfitted":
        assert loaded.network is tiny_network
        assert math.isnan(loaded.missing.fill_value)
    else:
        # Another TensorFlow may round in another way.
        np.testing.assert_allclose(
            loaded.predict(make_fixtures.images()), np.load(predicted), atol=1e-2
        )


@pytest.mark.parametrize("name", NAMES)
def test_an_older_file_that_is_saved_anew_is_of_today(name, load_bytes, tmp_path):
    data = gzip.decompress(make_fixtures.paths(name, 1)[0].read_bytes())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OtherVersionWarning)
        sklearn_kpd.save(
            load_bytes(data, trusted=[tiny_network, operations_network]), tmp_path / "new.kpd"
        )
    old, new = take_apart(data)[0], take_apart((tmp_path / "new.kpd").read_bytes())[0]
    assert new["format_version"] == FORMAT_VERSION
    assert "keras.src" not in json.dumps(new)
    assert (old["estimator"].keys(), old["parts"]) == (new["estimator"].keys(), new["parts"])


def test_an_upgrade_leaves_the_old_manifest_and_what_is_no_class():
    node = {"class_name": "Relu", "module": "keras.src.ops.nn", "config": {"x": [1]}}
    other = {"module": "keras.src.ops.nn", "more": [{"class_name": "A", "module": ["os"]}]}
    old = {"estimator": [node, other], "parts": {}}
    before = copy.deepcopy(old)
    new = upgraded(old, 1)
    assert old == before
    assert new == {"estimator": [{**node, "module": "keras.ops"}, other], "parts": {}}
    assert upgraded(new, FORMAT_VERSION) is new


def test_an_upgrade_lets_nothing_through(load_changed):
    """What a file of version 1 could not name, it cannot name now."""

    def with_layer(module, class_name):
        def change(manifest):
            manifest["format_version"] = 1
            layer_of(manifest, "Flatten").update(module=module, class_name=class_name)

        return change

    for module, name in (("keras.src.ops.numpy", "Map"), ("keras.src.layers", "Lambda")):
        with pytest.raises(UntrustedTypeError, match=rf"\.{name}' is neither"):
            load_changed(with_layer(module, name))
