import subprocess
import sys

import joblib
import keras
import numpy as np
import pytest
from keras import layers

from sklearn_kpd import networks
from sklearn_kpd.datasets import make_faces
from tests.helpers import tiny_network, tiny_regressor


@keras.saving.register_keras_serializable("tests")
class Subclassed(keras.Model):
    def __init__(self, n_outputs, **kwargs):
        super().__init__(**kwargs)
        self.n_outputs = n_outputs
        self.flatten, self.dense = layers.Flatten(), layers.Dense(n_outputs)

    def call(self, images):
        return self.dense(self.flatten(images) / 255)

    def get_config(self):
        return {**super().get_config(), "n_outputs": self.n_outputs}


def sequential(image_shape, n_outputs):
    return keras.Sequential(
        [
            keras.Input(image_shape),
            layers.Rescaling(1 / 255),
            layers.Flatten(),
            layers.Dense(n_outputs),
        ]
    )


def unbuilt(image_shape, n_outputs):
    return keras.Sequential([layers.Rescaling(1 / 255), layers.Flatten(), layers.Dense(n_outputs)])


def lists(image_shape, n_outputs):
    images = keras.Input(image_shape)
    return keras.Model([images], [layers.Dense(n_outputs)(layers.Flatten()(images / 255))])


def subclassed(image_shape, n_outputs):
    return Subclassed(n_outputs)


@pytest.mark.parametrize("network", [sequential, unbuilt, lists, subclassed])
def test_models_of_every_kind_train_and_are_kept(faces, tmp_path, network):
    X, y = faces
    fitted = tiny_regressor(network=network, learning_rate=1e-3, epochs=3).fit(X, y)
    assert fitted.history_["loss"][-1] < fitted.history_["loss"][0]
    joblib.dump(fitted, tmp_path / "m.joblib")
    again = joblib.load(tmp_path / "m.joblib")
    np.testing.assert_allclose(again.predict(X), fitted.predict(X), atol=1e-4)


def two_outputs(image_shape, n_outputs):
    images = keras.Input(image_shape)
    x = layers.Flatten()(images)
    return keras.Model(images, [layers.Dense(n_outputs)(x), layers.Dense(1)(x)])


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (two_outputs, "must have one output, and it has 2"),
        (lambda shape, n: None, "must return a keras.Model; it returned None"),
        (lambda shape, n: tiny_network(shape, 3), r"must have the shape \(None, 30\)"),
        (tiny_network((96, 96, 1), 30), "is made already.*give a function"),
    ],
)
def test_what_cannot_be_trained_is_told(faces, network, message):
    with pytest.raises(ValueError, match=message):
        tiny_regressor(network=network).fit(*faces)


CHANNELS_FIRST = """
import keras
keras.config.set_image_data_format("channels_first")
from tests._training.test_build import trainings
print(list(trainings()))
"""


def trainings():
    X, y = make_faces(12, random_state=0)
    for network in ({"network__filters": (2, 2)}, {"network": "heatmap", "network__width": 2}):
        fitted = tiny_regressor(**{"network": "cnn", "epochs": 1, **network}).fit(X, y)
        yield fitted.history_["loss"], fitted.predict(X).sum()


@pytest.mark.slow
def test_keras_format_of_images_has_no_influence():
    assert keras.config.image_data_format() == "channels_last"
    first = subprocess.run(
        [sys.executable, "-c", CHANNELS_FIRST], capture_output=True, text=True, check=True
    ).stdout
    assert first.strip() == str(list(trainings()))


def test_every_layer_of_ours_says_where_the_channels_are():
    for network in networks.NETWORKS.values():
        formats = [
            layer.get_config()["data_format"]
            for layer in network((32, 32, 1), 4).layers
            if "data_format" in layer.get_config()
        ]
        assert len(formats) > 5
        assert set(formats) == {"channels_last"}
