import joblib
import keras
import numpy as np
import pytest

from sklearn_kpd import load, save
from sklearn_kpd._inference.export import in_single_precision
from tests.helpers import tiny_network, tiny_regressor

HALVES = ("float16", "bfloat16")
TINY = {"network": "cnn", "network__filters": (2, 4), "network__units": (8,)}


@pytest.mark.parametrize(
    ("half", "network"),
    [("float16", TINY), ("bfloat16", {"network": "heatmap", "network__width": 2})],
)
def test_weights_and_output_stay_single(faces, half, network):
    before = keras.config.dtype_policy().name
    regressor = tiny_regressor(mixed_precision=half, **network).fit(*faces)
    assert keras.config.dtype_policy().name == before
    model = regressor.model_
    convolutions = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    assert convolutions[0].compute_dtype == half
    assert model.layers[-1].compute_dtype == "float32"
    assert {weight.dtype for weight in model.weights} == {"float32"}
    assert np.isfinite(regressor.predict(faces[0])).all()
    single = tiny_regressor(**network).fit(*faces)
    np.testing.assert_allclose(regressor.history_["loss"], single.history_["loss"], rtol=0.05)
    assert regressor.history_["loss"] != single.history_["loss"]


def test_average_and_schedule_work_with_a_scaled_loss(faces):
    regressor = tiny_regressor(
        mixed_precision="float16", weight_average=0.5, patience=None, **TINY
    )
    regressor.fit(*faces)
    optimizer = regressor.model_.optimizer
    assert isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
    assert optimizer.inner_optimizer.use_ema
    averages = optimizer.inner_optimizer._model_variables_moving_average
    for weight, average in zip(regressor.model_.trainable_variables, averages, strict=True):
        np.testing.assert_array_equal(weight, average)
    assert regressor.history_["loss"][-1] < regressor.history_["loss"][0]


@pytest.mark.parametrize("half", HALVES)
def test_is_kept_and_goes_on(faces, tmp_path, half):
    regressor = tiny_regressor(mixed_precision=half, **TINY).fit(*faces)
    expected = regressor.predict(faces[0])
    save(regressor, tmp_path / "model.kpd")
    joblib.dump(regressor, tmp_path / "model.joblib")
    for kept in (load(tmp_path / "model.kpd"), joblib.load(tmp_path / "model.joblib")):
        np.testing.assert_array_equal(kept.predict(faces[0]), expected)
        assert type(kept.model_.optimizer) is type(regressor.model_.optimizer)
        kept.partial_fit(*faces)
        assert len(kept.history_["loss"]) == 3


def test_own_network_has_to_end_in_single_precision(faces):
    with pytest.raises(ValueError, match="give its last layer dtype='float32'"):
        tiny_regressor(network=tiny_network, mixed_precision="bfloat16").fit(*faces)


def test_copy_in_single_precision(faces):
    regressor = tiny_regressor(mixed_precision="bfloat16", **TINY).fit(*faces)
    copy = in_single_precision(regressor.model_)
    assert {layer.compute_dtype for layer in copy.layers} == {"float32"}
    for weight, copied in zip(regressor.model_.weights, copy.weights, strict=True):
        np.testing.assert_array_equal(weight, copied)
    images = faces[0].astype(np.float32)
    np.testing.assert_allclose(copy(images), regressor.model_(images), atol=0.1)
