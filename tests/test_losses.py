import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sklearn_kpd.losses import MaskedMeanSquaredError, PixelRMSE

SHAPE = (5, 4)
numbers = st.floats(-2, 2, width=32)
labels = hnp.arrays(np.float32, SHAPE, elements=numbers | st.just(np.float32(np.nan)))
predictions = hnp.arrays(np.float32, SHAPE, elements=numbers)
# no denormal weights: TensorFlow takes them for 0
weights = hnp.arrays(
    np.float32, SHAPE[0], elements=st.just(np.float32(0)) | st.floats(0.125, 3, width=32)
)


def value_and_gradient(loss, *args):
    """Loss and its gradient with respect to the predictions."""
    y_true, y_pred, *rest = (tf.convert_to_tensor(a) for a in args)
    with tf.GradientTape() as tape:
        tape.watch(y_pred)
        value = loss(y_true, y_pred, *rest)
    return float(value), tape.gradient(value, y_pred).numpy()


@settings(deadline=None)
@given(y_true=labels, y_pred=predictions)
def test_value_and_gradient_are_those_of_mse_on_the_labelled(y_true, y_pred):
    value, gradient = value_and_gradient(MaskedMeanSquaredError(), y_true, y_pred)
    labelled = ~np.isnan(y_true)
    expected = np.zeros(SHAPE)
    if labelled.any():
        plain, plain_gradient = value_and_gradient(
            keras.losses.MeanSquaredError(), y_true[labelled][None], y_pred[labelled][None]
        )
        np.testing.assert_allclose(value, plain, rtol=1e-5, atol=1e-7)
        expected[labelled] = plain_gradient[0]
    else:
        assert value == 0
    np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-7)


@settings(deadline=None)
@given(y_true=labels, y_pred=predictions, weight=weights)
def test_sample_weights_weigh_rows(y_true, y_pred, weight):
    value, gradient = value_and_gradient(MaskedMeanSquaredError(), y_true, y_pred, weight)
    total = (weight[:, None] * ~np.isnan(y_true)).sum()
    squares = np.nan_to_num((y_pred.astype(float) - y_true) ** 2)
    expected = (weight[:, None] * squares).sum() / total if total else 0
    np.testing.assert_allclose(value, expected, rtol=1e-4, atol=1e-6)
    assert np.isfinite(gradient).all()
    assert (gradient[weight == 0] == 0).all()


def test_a_row_and_a_batch_with_no_label_have_no_gradient():
    y_true = np.full(SHAPE, np.nan, np.float32)
    value, gradient = value_and_gradient(
        MaskedMeanSquaredError(), y_true, np.ones(SHAPE, np.float32)
    )
    assert value == 0
    assert (gradient == 0).all()
    y_true[1:] = 0
    _, gradient = value_and_gradient(MaskedMeanSquaredError(), y_true, np.ones(SHAPE, np.float32))
    assert (gradient[0] == 0).all()
    assert (gradient[1:] != 0).all()


def test_the_loss_can_be_saved():
    config = keras.losses.serialize(MaskedMeanSquaredError())
    assert isinstance(keras.losses.deserialize(config), MaskedMeanSquaredError)


@settings(deadline=None)
@given(y_true=labels, y_pred=predictions)
def test_rmse_over_batches_is_that_of_the_whole(y_true, y_pred):
    rmse = PixelRMSE(pixels_per_unit=48)
    for rows in (slice(0, 2), slice(2, 5)):
        rmse.update_state(y_true[rows], y_pred[rows])
    labelled = ~np.isnan(y_true)
    if labelled.any():
        errors = 48 * (y_pred[labelled].astype(float) - y_true[labelled])
        np.testing.assert_allclose(
            rmse.result(), np.sqrt(np.mean(errors**2)), rtol=1e-4, atol=1e-4
        )
    else:
        assert np.isnan(rmse.result())


def test_rmse_with_sample_weight_and_reset():
    rmse = PixelRMSE(pixels_per_unit=2.0)
    y_true, y_pred = np.zeros((2, 2), np.float32), np.array([[1, 1], [3, 3]], np.float32)
    rmse.update_state(y_true, y_pred, np.array([1, 0], np.float32))
    assert float(rmse.result()) == pytest.approx(2.0)
    rmse.reset_state()
    rmse.update_state(y_true, y_pred, np.array([0, 1], np.float32))
    assert float(rmse.result()) == pytest.approx(6.0)
    assert PixelRMSE.from_config(rmse.get_config()).pixels_per_unit == 2.0
