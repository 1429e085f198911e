"""Networks: what a file may ask Keras for."""

import copy
import importlib
import json
import pickle
import random
import re
import time

import keras
import numpy as np
import pytest

import sklearn_kpd
from sklearn_kpd import AugmentTransformer
from sklearn_kpd._persistence import keras_names
from sklearn_kpd.exceptions import (
    BrokenFileError,
    NotSaveableError,
    PersistenceError,
    UntrustedTypeError,
)
from tests.helpers import tiny_network, tiny_regressor
from tests.persistence.fuzz import take_apart
from tests.persistence.helpers import Doubled, imgaug_add, layer_of, network_of, through_file


def lambda_network(image_shape, n_outputs):
    images = keras.Input(image_shape)
    x = keras.layers.Lambda(lambda x: x / 255)(images)
    return keras.Model(images, keras.layers.Dense(n_outputs)(keras.layers.Flatten()(x)))


def test_networks_that_would_not_load_are_not_saved(faces, tmp_path):
    X, y = faces
    fitted = tiny_regressor(network=lambda_network, epochs=1).fit(X[:, ::8, ::8], y)
    with pytest.raises(NotSaveableError, match="keras.layers.Lambda is not among.*joblib"):
        sklearn_kpd.save(fitted, tmp_path / "model.kpd")
    fitted = AugmentTransformer(rotation=5, ops=[]).fit(X, y)
    fitted.augmentation_.ops.append(imgaug_add())
    with pytest.raises(NotSaveableError, match="ops .imgaug's operations are code"):
        sklearn_kpd.save(fitted, tmp_path / "model.kpd")


def test_what_keras_knows_is_not_trusted_for_that(faces, tmp_path):
    X, y = faces

    @keras.saving.register_keras_serializable("test")
    class Registered(Doubled):
        pass

    def network(image_shape, n_outputs):
        model = tiny_network(image_shape, n_outputs)
        return keras.Model(model.input, Registered()(model.output))

    path = tmp_path / "model.kpd"
    fitted = tiny_regressor(network=network, epochs=1).fit(X, y)
    sklearn_kpd.save(fitted, path)
    with pytest.raises(UntrustedTypeError, match="test>Registered"):
        sklearn_kpd.load(path, trusted=[network])
    loaded = sklearn_kpd.load(path, trusted=[network, Registered])
    np.testing.assert_array_equal(loaded.predict(X), fitted.predict(X))


def shared_layers(image_shape, n_outputs):
    images, vector = keras.Input(image_shape), keras.Input((9,))
    dense, inner = keras.layers.Dense(9), keras.Model(vector, keras.layers.Dense(9)(vector))
    x = keras.layers.Flatten()(keras.layers.AveragePooling2D(32)(images))
    x = dense(inner(dense(inner(x))))
    return keras.Model(images, keras.layers.Dense(n_outputs)(x))


def models_in_models(image_shape, n_outputs):
    images, vector = keras.Input(image_shape), keras.Input((9,))
    inner = keras.Model(vector, keras.layers.Dense(9)(vector))
    outer = keras.Model(vector, inner(keras.layers.Dense(9)(inner(vector))))
    row = keras.Sequential([keras.layers.Dense(9), keras.layers.Dropout(0.1)])
    x = keras.layers.Flatten()(keras.layers.AveragePooling2D(32)(images))
    return keras.Model(images, keras.layers.Dense(n_outputs)(outer(row(row(x)))))


@pytest.mark.parametrize("network", [shared_layers, models_in_models])
def test_layers_and_models_that_are_called_several_times(network, faces, tmp_path):
    fitted = tiny_regressor(network=network, epochs=1).fit(*faces)
    loaded = through_file(fitted, tmp_path, trusted=[network])
    np.testing.assert_array_equal(loaded.predict(faces[0]), fitted.predict(faces[0]))


def replace_layer(**changes):
    return lambda manifest: layer_of(manifest, "Flatten").update(changes)


LAMBDA = {
    "module": "builtins", "class_name": "__lambda__", "config": {"value": "AAAA"},
    "registered_name": "sklearn_kpd>MaskedHuber",
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (replace_layer(class_name="Lambda", config={"function": LAMBDA}), "keras.layers.Lambda"),
        (replace_layer(class_name="TFSMLayer", config={"filepath": "/tmp/x"}),
         "keras.layers.TFSMLayer"),
        (replace_layer(class_name="TorchModuleWrapper"), "keras.layers.TorchModuleWrapper"),
        (replace_layer(class_name="StringLookup", config={"vocabulary": "/etc/passwd"}),
         "keras.layers.StringLookup"),
        (replace_layer(module="os", class_name="system"), "os.system"),
        (replace_layer(module="keras.src.layers", class_name="Flatten"),
         "keras.src.layers.Flatten"),
        (replace_layer(module="keras.src.ops.numpy", class_name="Add"), "keras.src.ops.numpy.Add"),
        (replace_layer(module="keras.src.utils.file_utils", class_name="get_file"),
         "keras.src.utils.file_utils.get_file"),
        (replace_layer(module="keras.ops", class_name="Map"), "keras.ops.Map"),
        (replace_layer(module=None), "Flatten"),
        (replace_layer(registered_name="tests>Flatten"), "keras.layers.Flatten"),
        (replace_layer(config=LAMBDA), "builtins.__lambda__"),
        (replace_layer(config={"activation": {
            "class_name": "function", "config": "eval", "module": "builtins",
            "registered_name": "eval"}}), "builtins.function"),
        (replace_layer(config={"value": {"class_name": "__numpy__", "config": {
            "value": 0, "dtype": "U999999999"}}}), "__numpy__"),
        (replace_layer(config={"value": {"class_name": "__typespec__", "config": []}}),
         "__typespec__"),
        (lambda manifest: layer_of(manifest, "Flatten").pop("module"), "Flatten"),
        (lambda manifest: network_of(manifest).update(LAMBDA), "builtins.__lambda__"),
        (lambda manifest: network_of(manifest)["compile_config"]["optimizer"].update(
            module="keras.callbacks", class_name="ModelCheckpoint"),
         "keras.callbacks.ModelCheckpoint"),
        (lambda manifest: network_of(manifest)["compile_config"]["optimizer"].update(
            module="keras.optimizers", class_name="Muon"), "keras.optimizers.Muon"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("unsafe", [False, True])
def test_classes_that_are_not_on_the_list(load_changed, change, named, unsafe):
    if unsafe:  # the user has switched Keras' own guard off
        keras.config.enable_unsafe_deserialization()
    try:
        with pytest.raises(UntrustedTypeError, match=f"^'{re.escape(named)}' is neither"):
            load_changed(change)
    finally:
        keras.src.backend.common.global_state.set_global_attribute("safe_mode_saving", None)


def test_registered_names_in_strings(load_changed):
    @keras.saving.register_keras_serializable("test")
    def poison(x):
        raise AssertionError

    with pytest.raises(UntrustedTypeError, match="test>poison"):
        load_changed(lambda m: layer_of(m, "Dense")["config"].update(activation="test>poison"))


def test_a_network_takes_no_memory_that_the_file_does_not_bring(load_changed):
    start = time.perf_counter()
    with pytest.raises(BrokenFileError, match="more weights than the file has"):
        load_changed(lambda m: layer_of(m, "Dense")["config"].update(units=10**10))
    assert time.perf_counter() - start < 30


@pytest.mark.parametrize(
    "node",
    [
        {"args": [[[[[1.0]]]]], "kwargs": {}},
        {"args": [[[[[1.0]]]]], "kwargs": {}, "x": {"class_name": "__keras_tensor__"}},
        {"args": []},
        {},
        [],
        "x",
    ],
)
def test_nothing_is_computed_while_a_network_is_built(load_changed, node):
    """Keras carries out a call on numbers at once."""
    with pytest.raises(BrokenFileError, match="calls a layer .* as Keras never writes it"):
        load_changed(
            lambda m: layer_of(m, "AveragePooling2D").update(
                class_name="UpSampling2D", config={"size": [10**5, 10**5]}, inbound_nodes=[node],
            )
        )  # fmt: skip


WEIGHTS = "weights in the file do not fit the network"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: layer_of(m, "Dense")["config"].update(units=3), "Keras cannot build"),
        (lambda m: network_of(m).update(compile_config=None), "without its optimizer"),
        (lambda m: network_of(m)["compile_config"].update(optimizer="sgd"), WEIGHTS),
        (lambda m: network_of(m).update(config={}), "Keras cannot build"),
        (
            lambda m: network_of(m)["config"].update(
                output_layers=[[layer_of(m, "Flatten")["name"], 0, 0]]
            ),
            WEIGHTS,
        ),
        (lambda m: m["estimator"]["attributes"]["model_"]["values"].reverse(), WEIGHTS),
        (lambda m: m["estimator"]["attributes"]["model_"]["values"].pop(), WEIGHTS),
        (
            lambda m: m["estimator"]["attributes"]["model_"].update(config="Dense"),
            "a str where it should have a Model",
        ),
    ],
)
def test_networks_that_do_not_fit(load_changed, change, message):
    with pytest.raises(BrokenFileError, match=message):
        load_changed(change)


def test_loading_draws_no_number_of_the_process(saved, load_bytes):
    random.seed(1)
    np.random.seed(1)
    load_bytes(saved)
    drawn = random.random(), np.random.random()
    random.seed(1)
    np.random.seed(1)
    assert drawn == (random.random(), np.random.random())


def test_every_name_that_keras_does_not_export_is_found():
    """The table of private names is that of the Keras that is installed."""
    for (public, name), private in keras_names._TO_PRIVATE.items():
        assert name in keras_names.ALLOWED[public]
        assert isinstance(getattr(importlib.import_module(private), name), type)


def test_names_in_a_file_are_public(saved):
    config = network_of(take_apart(saved)[0])
    assert "keras.src" not in json.dumps(config)
    there = keras_names.with_private_names(config)
    assert "keras.src" in json.dumps(there)
    assert keras_names.with_public_names(there) == config


@pytest.mark.parametrize("backend", ["torch", "openvino"])
def test_a_backend_that_networks_cannot_be_looked_at_on(
    fitted, saved, load_bytes, tmp_path, monkeypatch, backend
):
    monkeypatch.setattr(keras.backend, "backend", lambda: backend)
    with pytest.raises(NotSaveableError, match=f"backend '{backend}' .*use joblib"):
        sklearn_kpd.save(fitted, tmp_path / "model.kpd")
    with pytest.raises(PersistenceError, match=f"backend '{backend}' .*use joblib"):
        load_bytes(saved)


def test_pickling_a_model_changes_nothing_about_saving(faces, tmp_path):
    X, y = faces
    fitted = tiny_regressor(network="cnn", network__filters=(2,), epochs=1).fit(X, y)
    functional = keras.saving.get_registered_name(type(fitted.model_))
    copied = pickle.loads(pickle.dumps(copy.deepcopy(fitted)))
    assert keras.saving.get_registered_name(type(copied.model_)) == functional
    sklearn_kpd.save(copied, tmp_path / "model.kpd")
    found = sklearn_kpd.load(tmp_path / "model.kpd").predict(X)
    np.testing.assert_array_equal(found, fitted.predict(X))
