import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from sklearn_kpd import losses
from sklearn_kpd.losses import (
    MaskedHuber,
    MaskedLaplace,
    MaskedLoss,
    MaskedMeanSquaredError,
    MaskedWing,
    PixelRMSE,
)

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


def wing_of_the_paper(y_true, y_pred, w=0.5, epsilon=0.125):
    """Feng et al. 2018, equations 5 and 6, as they stand there."""
    x = tf.abs(y_pred - y_true)
    constant = w - w * np.log(1 + w / epsilon)
    return tf.reduce_mean(tf.where(x < w, w * tf.math.log(1 + x / epsilon), x - constant))


@pytest.mark.parametrize(
    ("loss", "plain_loss"),
    [
        (MaskedMeanSquaredError(), keras.losses.MeanSquaredError()),
        (MaskedHuber(delta=0.5), keras.losses.Huber(delta=0.5)),
        (MaskedHuber(delta=24, pixels_per_unit=48), keras.losses.Huber(delta=0.5)),
        (MaskedWing(width=0.5, epsilon=0.125), wing_of_the_paper),
        (MaskedWing(width=24, epsilon=6, pixels_per_unit=48), wing_of_the_paper),
    ],
)
@settings(deadline=None, max_examples=50)
@given(y_true=labels, y_pred=predictions)
def test_value_and_gradient_are_those_of_the_labelled(loss, plain_loss, y_true, y_pred):
    labelled = ~np.isnan(y_true)
    # where the pieces of a loss meet, any slope between theirs will do
    assume((np.abs(np.abs(y_pred - y_true)[labelled] - 0.5) > 1e-6).all())
    value, gradient = value_and_gradient(loss, y_true, y_pred)
    expected = np.zeros(SHAPE)
    if labelled.any():
        plain, plain_gradient = value_and_gradient(
            plain_loss, y_true[labelled][None], y_pred[labelled][None]
        )
        np.testing.assert_allclose(value, plain, rtol=1e-4, atol=1e-6)
        expected[labelled] = plain_gradient[0]
    else:
        assert value == 0
    np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-6)


@settings(deadline=None)
@given(y_true=labels, y_pred=predictions, weight=weights)
def test_sample_weights_weigh_rows(y_true, y_pred, weight):
    value, gradient = value_and_gradient(MaskedMeanSquaredError(), y_true, y_pred, weight)
    total = (weight[:, None] * ~np.isnan(y_true)).sum()
    squares = np.nan_to_num((y_pred.astype(float) - y_true) ** 2)
    expected = (weight[:, None] * squares).sum() / total if total else 0
    np.testing.assert_allclose(value, expected, rtol=1e-4, atol=1e-6)
    slopes = 2 * np.nan_to_num(y_pred.astype(float) - y_true)
    expected_gradient = weight[:, None] * slopes / total if total else np.zeros(SHAPE)
    np.testing.assert_allclose(gradient, expected_gradient, rtol=1e-4, atol=1e-6)
    assert (gradient[weight == 0] == 0).all()


@pytest.mark.parametrize("name", losses.LOSSES)
def test_a_row_and_a_batch_with_no_label_have_no_gradient(name):
    loss = losses.get(name, 48.0)
    y_true = np.full(SHAPE, np.nan, np.float32)
    value, gradient = value_and_gradient(loss, y_true, np.ones(SHAPE, np.float32))
    assert value == 0
    assert (gradient == 0).all()
    y_true[1:] = 0
    _, gradient = value_and_gradient(loss, y_true, np.ones(SHAPE, np.float32))
    assert (gradient[0] == 0).all()
    assert (gradient[1:] != 0).all()


@pytest.mark.parametrize(
    "loss",
    [MaskedMeanSquaredError(), MaskedHuber(2.0, 48.0), MaskedWing(5), MaskedLaplace(0.5, 48.0)],
)
def test_losses_can_be_saved(loss):
    restored = keras.losses.deserialize(keras.losses.serialize(loss))
    assert type(restored) is type(loss)
    assert restored.get_config() == loss.get_config()


def test_losses_by_name_and_their_options():
    assert losses.get("huber", 48.0, delta=3.0).delta == 3.0
    assert losses.get("wing", 48.0).pixels_per_unit == 48.0
    own = MaskedWing()
    assert losses.get(own, 48.0) is own
    with pytest.raises(ValueError, match="loss='mae' is unknown; it may be 'laplace', 'mse'"):
        losses.get("mae", 48.0)
    with pytest.raises(ValueError, match="does not take this option: .*'delta'"):
        losses.get("mse", 48.0, delta=3.0)
    with pytest.raises(ValueError, match="takes no loss__delta"):
        losses.get(own, 48.0, delta=3.0)
    with pytest.raises(ValueError, match="delta=0"):
        MaskedHuber(0)
    with pytest.raises(ValueError, match="epsilon=-1"):
        MaskedWing(epsilon=-1)
    with pytest.raises(ValueError, match="ratio=0 must be a number above 0"):
        MaskedLaplace(0)


heatmaps = hnp.arrays(np.float32, (5, 3, 4, 2), elements=st.floats(-5, 5, width=32))


def likelihood(heatmap, y_true, ratio, pixels_per_unit):
    """Log-likelihood of one label, x, y or NaN, by the distributions that a heatmap says."""
    shares = np.exp(heatmap.astype(float))
    shares /= shares.sum()
    found = []
    for label, side, size in zip(y_true, (0, 1), (4, 3), strict=True):
        places = (np.arange(size) + 0.5 - size / 2) / 2 * pixels_per_unit
        along = shares.sum(axis=side)
        mean = along @ places
        scale = ratio * np.sqrt(along @ (places - mean) ** 2 + 0.2**2)
        error = np.hypot(label * pixels_per_unit - mean, 0.1)  # rounded off at 0
        found.append(stats.laplace.logpdf(error, scale=scale))
    return found


@settings(deadline=None, max_examples=50)
@given(y_true=labels, y_pred=heatmaps, weight=weights)
def test_laplace_is_the_likelihood_of_the_labelled(y_true, y_pred, weight):
    loss = MaskedLaplace(ratio=0.5, pixels_per_unit=8)
    value, gradient = value_and_gradient(loss, y_true, y_pred, weight)
    each = np.array(
        [
            np.ravel(
                [likelihood(y_pred[i, :, :, k], y_true[i, 2 * k :][:2], 0.5, 8) for k in (0, 1)]
            )
            for i in range(5)
        ]
    )
    labelled = weight[:, None] * ~np.isnan(y_true)
    expected = -(labelled * np.nan_to_num(each)).sum() / (labelled.sum() or 1)
    np.testing.assert_allclose(value, expected, rtol=1e-4, atol=1e-4)
    assert np.isfinite(gradient).all()
    points = labelled.reshape(5, 2, 2).sum(axis=2)
    assert (gradient.transpose(0, 3, 1, 2)[points == 0] == 0).all()


def test_laplace_of_a_heatmap_of_one_point_is_finite():
    peak = np.full((1, 3, 4, 1), -1e4, np.float32)
    peak[0, 1, 2] = 1e4
    y_true = np.float32([[0.25, 0]])  # its very place
    value, gradient = value_and_gradient(MaskedLaplace(0.3, 48.0), y_true, peak)
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()


def test_a_loss_of_ones_own():
    class Fourth(MaskedLoss):
        def penalty(self, error):
            return error**4

    value, gradient = value_and_gradient(Fourth(), np.float32([[0, np.nan]]), np.float32([[2, 5]]))
    assert value == 16
    np.testing.assert_allclose(gradient, [[32, 0]])


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
