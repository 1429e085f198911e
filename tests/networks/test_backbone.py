"""Models of keras.applications under our head."""

import copy
import os
import pickle
import sys

import keras
import numpy as np
import pytest
from keras import layers

import sklearn_kpd
from sklearn_kpd import networks
from sklearn_kpd._common.keras import as_numpy, seeded
from sklearn_kpd._persistence.classes import Trusted
from sklearn_kpd._persistence.networks import pack_network, unpack_network
from sklearn_kpd._training.build import build_network
from sklearn_kpd._training.optimizer import compile_model, make_optimizer, prepare
from sklearn_kpd.losses import MaskedHuber
from sklearn_kpd.networks import _backbone
from sklearn_kpd.networks._backbone import APPLICATIONS, PREFIX, BackboneInput
from tests.helpers import assert_same_weights, tiny_regressor

# One of each kind.
FAMILIES = {
    "ConvNeXtTiny": "convnext",
    "DenseNet121": "densenet",
    "EfficientNetB0": "efficientnet",
    "EfficientNetV2B0": "efficientnet_v2",
    "InceptionResNetV2": "inception_resnet_v2",
    "InceptionV3": "inception_v3",
    "MobileNet": "mobilenet",
    "MobileNetV2": "mobilenet_v2",
    "MobileNetV3Small": "mobilenet_v3",
    "NASNetMobile": "nasnet",
    "ResNet50": "resnet",
    "ResNet50V2": "resnet_v2",
    "VGG16": "vgg16",
    "VGG19": "vgg19",
    "Xception": "xception",
}
QUICK = ["MobileNetV3Small", "VGG16"]


def preprocess_input(x, data_format=None):
    """What Tiny expects: blue first, each channel in a range of its own."""
    return x[..., ::-1] / np.array([255, 127.5, 64]) - [0.5, 1, 0]


def Tiny(include_top, weights, input_tensor, input_shape):
    """An application that a test trains in a moment; its layers have no names."""
    assert not include_top
    x = input_tensor
    for filters in (4, 6, 8):
        x = layers.Conv2D(filters, 3, strides=2, padding="same")(x)
        x = layers.ReLU()(layers.BatchNormalization()(x)) * 1.5
    return keras.Model(keras.utils.get_source_inputs(input_tensor), x, name="tiny")


@pytest.fixture
def tiny(monkeypatch):
    monkeypatch.setitem(APPLICATIONS, "Tiny", Tiny)


def scrambled(model):
    """Give normalisation something that it could have learnt."""
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.set_weights([rng.uniform(0.5, 1.5, w.shape) for w in layer.get_weights()])
    return model


def weights_file(application, path, shape=(64, 64, 3)):
    """Weights as someone has them, and the model that they are from."""
    images = keras.Input(shape)
    with seeded(0):
        model = APPLICATIONS[application](
            include_top=False, weights=None, input_tensor=images, input_shape=shape
        )
    scrambled(model).save_weights(path)
    return model


@pytest.fixture
def tiny_weights(tiny, tmp_path):
    weights_file("Tiny", tmp_path / "tiny.weights.h5", (96, 96, 3))
    return str(tmp_path / "tiny.weights.h5")


def module_of(application):
    """Name of the public module of an application's family."""
    if application.startswith("ResNet"):
        return "resnet_v2" if application.endswith("V2") else "resnet"
    modules = sorted(set(FAMILIES.values()), key=len, reverse=True)
    return next(m for m in modules if application.lower().startswith(m.replace("_", "")))


def features_of(model):
    """What goes from a backbone into the head."""
    return keras.Model(model.inputs[0], model.get_layer("top_convolution").input)


def backbone_layers(model):
    return [layer for layer in model.layers if layer.name.startswith(PREFIX)]


@pytest.mark.parametrize("application", QUICK)
@pytest.mark.parametrize("image_shape", [(96, 96, 1), (40, 60, 3)])
def test_applications_find_keypoints(application, image_shape):
    model = networks.backbone(image_shape, 8, application=application)
    images = np.random.default_rng(0).integers(256, size=(2, *image_shape), dtype=np.uint8)
    assert model(images).shape == (2, 8)
    height, width = model.get_layer("heatmaps").output.shape[1:3]
    assert (height, width) == (-(-image_shape[0] // 4), -(-image_shape[1] // 4))


@pytest.mark.parametrize("application", APPLICATIONS)
def test_pixels_are_what_the_application_expects(application):
    module = getattr(keras.applications, module_of(application))
    images = np.random.default_rng(0).integers(256, size=(2, 4, 5, 3), dtype=np.uint8)
    entrance = BackboneInput(*_backbone._pixels(APPLICATIONS[application], 3), 1.0)
    expected = module.preprocess_input(images.astype(np.float32))
    np.testing.assert_allclose(entrance(images), expected, atol=1e-4)
    grey = images[..., :1]
    entrance = BackboneInput(*_backbone._pixels(APPLICATIONS[application], 1), 1.0)
    expected = module.preprocess_input(np.repeat(grey, 3, axis=-1).astype(np.float32))
    np.testing.assert_allclose(entrance(grey), expected, atol=1e-4)


def check_features(application, path, expected, images):
    model = networks.backbone(images.shape[1:], 8, application=application, weights=path)
    found = features_of(model)(images.astype(np.float32), training=False)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=2e-4 * np.abs(expected).max())


@pytest.mark.parametrize(
    ("application", "ending"),
    [
        pytest.param(name, ending, marks=[] if name in QUICK else [pytest.mark.slow])
        for name, ending in [*((name, ".weights.h5") for name in FAMILIES), ("VGG16", ".h5")]
    ],
)
def test_features_are_those_of_the_application_itself(application, ending, tmp_path):
    size = 96 if "Inception" in application or application == "Xception" else 64
    model = weights_file(application, tmp_path / "of.weights.h5", (size, size, 3))
    if ending == ".h5":
        model.save(tmp_path / "of.h5")
    module = getattr(keras.applications, FAMILIES[application])
    images = np.random.default_rng(0).integers(256, size=(2, size, size, 3), dtype=np.uint8)
    pixels = module.preprocess_input(images.astype(np.float32))
    expected = np.asarray(model(pixels, training=False))
    check_features(application, tmp_path / f"of{ending}", expected, images)


def test_weights_of_imagenet_are_the_same_from_a_file(tmp_path, monkeypatch):
    """Keras builds EfficientNet otherwise where it downloads the weights itself."""
    path = tmp_path / "of.weights.h5"
    model = weights_file("EfficientNetB0", path)
    normalization = next(x for x in model.layers if isinstance(x, layers.Normalization))
    mean, std = np.array(_backbone._MEAN), np.array(_backbone._STD)
    normalization.set_weights([mean, std**2, np.array(1)])
    model.save_weights(path)
    make = APPLICATIONS["EfficientNetB0"]
    monkeypatch.setattr(
        sys.modules[make.__module__].file_utils, "get_file", lambda *_, **__: str(path)
    )
    theirs = make(include_top=False, weights="imagenet", input_shape=(64, 64, 3))
    images = np.random.default_rng(0).integers(256, size=(2, 64, 64, 3), dtype=np.uint8)
    expected = np.asarray(theirs(images.astype(np.float32), training=False))
    without = np.asarray(model(images.astype(np.float32), training=False))
    assert np.abs(expected - without).max() > 2e-3 * np.abs(expected).max()
    for weights in (path, "imagenet"):
        check_features("EfficientNetB0", weights, expected, images)


def test_normalisation_keeps_to_what_it_has_learnt_where_there_are_weights(tiny_weights):
    images = np.random.default_rng(0).integers(256, size=(4, 96, 96, 1)).astype(np.float32)
    features = features_of(
        networks.backbone((96, 96, 1), 8, application="Tiny", weights=tiny_weights)
    )
    np.testing.assert_array_equal(features(images, training=True), features(images))
    assert not any(
        layer.trainable_variables
        for layer in features.layers
        if isinstance(layer, layers.BatchNormalization)
    )
    untrained = networks.backbone((96, 96, 1), 8, application="Tiny")
    learning = [x for x in untrained.layers if isinstance(x, layers.BatchNormalization)]
    assert all(len(x.trainable_variables) == 2 and x.momentum == 0.95 for x in learning)


def test_layers_and_weights_do_not_depend_on_what_was_built_before(tiny):
    def built():
        options = {"application": "Tiny"}
        return build_network(
            networks.backbone, (96, 96, 1), 8, options, seed=1, mixed_precision=None
        )

    first = built()
    layers.ReLU()(layers.Conv2D(1, 1)(keras.Input((4, 4, 1))))
    second = built()
    for names in zip(*([x.name for x in m.operations] for m in (first, second)), strict=True):
        assert len(set(names)) == 1
    assert [w.path for w in first.weights] == [w.path for w in second.weights]
    assert_same_weights(first, second)


FIT = {"network": "backbone", "network__application": "Tiny", "network__width": 4, "epochs": 1}


def step(model, optimizer):
    """Change of each weight in one step, by gradients of 1: in the backbone, and the others."""
    compile_model(model, optimizer, MaskedHuber(0.1), [], 0, {})
    prepare(model)
    before = [as_numpy(w) for w in model.trainable_weights]
    model.optimizer.apply([keras.ops.ones(w.shape) for w in model.trainable_weights])
    inside = {id(w) for layer in backbone_layers(model) for w in layer.weights}
    found = [], []
    for weight, old in zip(model.trainable_weights, before, strict=True):
        found[id(weight) not in inside].append(as_numpy(weight) - old)
    return found


OPTIMIZERS = {
    "adamw": ("adamw", {"learning_rate": 0.01, "weight_decay": 0.0}),
    "adamw that decays": ("adamw", {"learning_rate": 0.01, "weight_decay": 0.5}),
    "sgd": ("sgd", {"learning_rate": 0.01, "momentum": 0.9}),
    "lion": (keras.optimizers.Lion(0.01), {}),
    "scaled": (keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(0.01)), {}),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_backbone_with_weights_learns_at_a_share_of_the_rate(tiny_weights, name):
    def changes(weights, factor):
        options = {"weights": weights, "learning_rate_factor": factor}
        model = networks.backbone((96, 96, 1), 8, application="Tiny", width=4, **options)
        optimizer, settings = OPTIMIZERS[name]
        return step(model, make_optimizer(optimizer, settings, {}))

    slow, fast = changes(tiny_weights, 0.1), changes(tiny_weights, 1.0)
    assert len(slow[0]) == 6  # kernel and bias of each convolution
    if "decays" not in name:
        for one, other in zip(slow[0], fast[0], strict=True):
            np.testing.assert_allclose(one, 0.1 * other, rtol=1e-3, atol=1e-7)
    for change in slow[0]:  # as large for all of an array: nothing is drawn to 0
        np.testing.assert_allclose(change, change.flat[0], rtol=1e-3, atol=1e-7)
        assert change.flat[0] < 0
    for one, other in zip(slow[1], fast[1], strict=True):
        assert np.shape(one) == np.shape(other)
    biases = [np.max(change) for change in slow[1] if change.ndim == 1]
    np.testing.assert_allclose(biases, 10 * slow[0][0].flat[0], rtol=1e-3)
    # without weights there is no share
    np.testing.assert_allclose(changes(None, 0.1)[0][1], biases[0], rtol=1e-3)


def test_a_frozen_backbone_is_as_it_was(tiny_weights):
    options = {"application": "Tiny", "weights": tiny_weights, "learning_rate_factor": 0}
    model = networks.backbone((96, 96, 1), 8, **options)
    inside, others = step(model, make_optimizer("sgd", {"learning_rate": 0.01}, {}))
    assert not inside
    assert others


def test_a_training_goes_by_the_factor(faces, tiny_weights):
    settings = {**FIT, "network__weights": tiny_weights, "network__learning_rate_factor": 1e-9}
    regressor = tiny_regressor(**settings).fit(*faces)
    begun = networks.backbone((96, 96, 1), 30, application="Tiny", weights=tiny_weights)
    for a, b in zip(*map(backbone_layers, (begun, regressor.model_)), strict=True):
        for one, other in zip(a.get_weights(), b.get_weights(), strict=True):
            np.testing.assert_allclose(one, other, atol=1e-6)


def saved(regressor, folder):
    sklearn_kpd.save(regressor, folder / "model.kpd")
    return sklearn_kpd.load(folder / "model.kpd")


@pytest.mark.parametrize(
    "kept", [saved, lambda r, _: pickle.loads(pickle.dumps(r)), lambda r, _: copy.deepcopy(r)]
)
def test_goes_on_as_it_would_have_without_the_file(faces, tiny_weights, tmp_path, kept):
    X, y = faces
    regressor = tiny_regressor(**FIT, network__weights=tiny_weights).fit(X, y)
    os.remove(tiny_weights)
    loaded = kept(regressor, tmp_path)
    np.testing.assert_array_equal(loaded.predict(X), regressor.predict(X))
    assert_same_weights(loaded.partial_fit(X, y), regressor.partial_fit(X, y))
    with pytest.raises(FileNotFoundError):
        loaded.fit(X, y)


@pytest.mark.parametrize("suffix", [".onnx", ".tflite"])
@pytest.mark.parametrize("mixed_precision", [None, "bfloat16"])
def test_is_exported(faces, tiny_weights, tmp_path, suffix, mixed_precision):
    pytest.importorskip("tf2onnx")
    pytest.importorskip("onnxruntime")
    pytest.importorskip("ai_edge_litert")
    from sklearn_kpd._inference.export import in_single_precision
    from sklearn_kpd.serving import ExportedModel

    X, y = faces
    regressor = tiny_regressor(
        **FIT, network__weights=tiny_weights, mixed_precision=mixed_precision
    ).fit(X, y)
    regressor.export(tmp_path / f"model{suffix}")
    found = ExportedModel(tmp_path / f"model{suffix}").predict(X)
    regressor.model_ = in_single_precision(regressor.model_)
    np.testing.assert_allclose(found, regressor.predict(X), atol=1e-3)


@pytest.mark.parametrize(
    "application",
    [
        pytest.param(name, marks=[] if name in QUICK else [pytest.mark.slow])
        for name in FAMILIES
        if name not in ("VGG16", "VGG19")
    ],
)
def test_every_family_is_kept_without_code(application):
    model = networks.backbone((96, 96, 1), 8, application=application)
    optimizer = make_optimizer("sgd", {"learning_rate": 0.1}, {})
    compile_model(model, optimizer, MaskedHuber(0.1), [], 0, {})
    config, values = pack_network(model)
    again = unpack_network(config, values, Trusted())
    image = np.random.default_rng(0).integers(256, size=(1, 96, 96, 1)).astype(np.float32)
    np.testing.assert_allclose(again(image), model(image), atol=1e-6)
    assert [layer.trainable for layer in again.layers] == [x.trainable for x in model.layers]
    names = [operation.name for operation in model.operations]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_outputs": 7}, "an x and a y for each keypoint; y has 7 column"),
        ({"application": "ResNet51"}, r"application='ResNet51' is no model of keras.applications"),
        ({"image_shape": (96, 96, 4)}, "these have 4 channels"),
        ({"image_shape": (24, 96, 1)}, "images of 24x96: Input size must be at least 32x32"),
        ({"learning_rate_factor": -0.1}, "learning_rate_factor=-0.1 must be"),
        ({"learning_rate_factor": "low"}, "learning_rate_factor='low' must be"),
        ({"learning_rate_factor": float("nan")}, "learning_rate_factor=nan must be"),
    ],
)
def test_what_it_cannot_do_is_said_in_one_line(options, message):
    settings = {"image_shape": (96, 96, 1), "n_outputs": 8, **options}
    with pytest.raises(ValueError, match=message) as caught:
        networks.backbone(settings.pop("image_shape"), settings.pop("n_outputs"), **settings)
    assert len(str(caught.value).splitlines()) == 1


def test_other_files_of_weights_are_refused(tiny, tmp_path):
    def build(path):
        return networks.backbone((96, 96, 1), 8, application="Tiny", weights=path)

    other = keras.Sequential([keras.Input((3,)), layers.Dense(2)])
    other.save_weights(tmp_path / "other.weights.h5")
    other.save(tmp_path / "other.h5")
    (tmp_path / "broken.h5").write_bytes(b"no HDF5")
    (tmp_path / "other.txt").write_text("text")
    for name in ("other.weights.h5", "other.h5", "broken.h5", "other.txt"):
        with pytest.raises(ValueError, match="does not hold the weights of Tiny") as caught:
            build(tmp_path / name)
        assert len(str(caught.value).splitlines()) == 1
    with pytest.raises(FileNotFoundError):
        build(tmp_path / "nothing.h5")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.h5")
        with pytest.raises(OSError, match="no regular file"):
            build(tmp_path / "pipe.h5")


def test_channels_first_is_refused(tiny):
    keras.config.set_image_data_format("channels_first")
    try:
        with pytest.raises(ValueError, match="set_image_data_format"):
            networks.backbone((96, 96, 1), 8, application="Tiny")
    finally:
        keras.config.set_image_data_format("channels_last")


def test_pixels_that_are_mixed_are_refused(monkeypatch):
    module = sys.modules[__name__]
    for mixed in (lambda x, data_format: x[..., ::-1] + x, lambda x, data_format: x**2):
        monkeypatch.setattr(module, "preprocess_input", mixed)
        with pytest.raises(ValueError, match="otherwise than channel by channel"):
            _backbone._pixels(Tiny, 3)
