"""scikit-learn's own checks, with a table of those that must fail."""

import keras
from keras import layers
from sklearn.linear_model import LinearRegression
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_kpd import AugmentSampler, AugmentTransformer, KeypointRegressor
from sklearn_kpd.conformal import ConformalKeypointRegressor

_ODD = "a keypoint is two columns, x and y: the check's y has an odd number of columns"
_NO_ARRAY = (
    "fit_transform hands images on with the augmentation to apply; as an array the augmentation "
    "would be lost, so AugmentedImages refuses to be one"
)

EXPECTED_FAILURES = {
    "ConformalKeypointRegressor": {
        "check_regressor_multioutput": _ODD,
        "check_supervised_y_2d": _ODD,
    },
    "KeypointRegressor": {
        "check_regressor_multioutput": _ODD,
        "check_supervised_y_2d": _ODD,
        "check_sample_weight_equivalence_on_dense_data": (
            "a network trained on shuffled batches in float32: a repeated row falls into other "
            "batches than one of double weight"
        ),
        "check_do_not_raise_errors_in_init_or_set_params": (
            "parameters are routed to Keras by their prefix, so __init__ has **routed; the check "
            "passes a parameter of that very name, which is no prefix and so refused"
        ),
        "check_estimator_tags_renamed": (
            "SciKeras, which the regressor is built on, defines the method of old versions"
        ),
    },
    "AugmentTransformer": dict.fromkeys(
        [
            "check_pipeline_consistency",
            "check_transformer_data_not_an_array",
            "check_transformer_general",
            "check_transformer_preserve_dtypes",
        ],
        _NO_ARRAY,
    ),
}


def linear_network(image_shape, n_outputs):
    """The checks' data are tables of a few columns, not faces."""
    images = keras.Input(image_shape)
    return keras.Model(images, layers.Dense(n_outputs)(layers.Flatten()(images)))


def expected_failures(estimator):
    return EXPECTED_FAILURES.get(type(estimator).__name__, {})


@parametrize_with_checks(
    [
        KeypointRegressor(
            linear_network,
            image_shape=(1, -1),
            optimizer=keras.optimizers.Adam(0.05),
            batch_size=20,
            epochs=30,
            validation_split=0,
            verbose=0,
        ),
        AugmentTransformer(image_shape=(1, -1)),
        AugmentTransformer(image_shape=(1, -1), noise=0.1, strength=0),
        AugmentSampler(image_shape=(1, -1)),
        ConformalKeypointRegressor(LinearRegression()),
        ConformalKeypointRegressor(LinearRegression(), method="cv+", cv=2),
    ],
    expected_failed_checks=expected_failures,
)
def test_estimator(estimator, check):
    check(estimator)
