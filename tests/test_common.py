"""scikit-learn's own checks, with a table of those that must fail."""

import keras
from keras import layers
from sklearn.linear_model import LinearRegression
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_kpd import AugmentSampler, AugmentTransformer, CropTransformer, KeypointRegressor
from sklearn_kpd.conformal import ConformalKeypointRegressor
from sklearn_kpd.photographs import BoxFinder

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


_NO_TABLE = (
    "photographs are paths or arrays of pixels of any sizes; the check's X is a table of numbers, "
    "or a sparse one, and is refused"
)
EXPECTED_FAILURES["CropsOfTables"] = EXPECTED_FAILURES["FinderInTables"] = dict.fromkeys(
    [
        "check_dict_unchanged",
        "check_dont_overwrite_parameters",
        "check_estimator_sparse_array",
        "check_estimator_sparse_matrix",
        "check_estimator_sparse_tag",
        "check_estimators_dtypes",
        "check_estimators_fit_returns_self",
        "check_estimators_overwrite_params",
        "check_estimators_pickle",
        "check_f_contiguous_array_estimator",
        "check_fit2d_1feature",
        "check_fit2d_1sample",
        "check_fit_check_is_fitted",
        "check_fit_idempotent",
        "check_fit_score_takes_y",
        "check_methods_sample_order_invariance",
        "check_methods_subset_invariance",
        "check_pipeline_consistency",
        "check_positive_only_tag_during_fit",
        "check_readonly_memmap_input",
        "check_transformer_general",
        "check_transformer_preserve_dtypes",
    ],
    _NO_TABLE,
)


class _Tables:
    """Says that it takes tables of numbers, without which scikit-learn checks next to nothing."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        return tags


class CropsOfTables(_Tables, CropTransformer):
    pass


class FinderInTables(_Tables, BoxFinder):
    pass


class Nameable:
    """Shown without its address, which differs between the processes that name the tests."""

    def __repr__(self):
        return f"{type(self).__name__}()"


class Adam(Nameable, keras.optimizers.Adam):
    pass


class LinearNetwork(Nameable):
    """The checks' data are tables of a few columns, not faces."""

    def __call__(self, image_shape, n_outputs):
        images = keras.Input(image_shape)
        return keras.Model(images, layers.Dense(n_outputs)(layers.Flatten()(images)))


def expected_failures(estimator):
    return EXPECTED_FAILURES.get(type(estimator).__name__, {})


@parametrize_with_checks(
    [
        KeypointRegressor(
            LinearNetwork(),
            image_shape=(1, -1),
            optimizer=Adam(0.05),
            batch_size=20,
            epochs=2,
            validation_split=0,
            verbose=0,
        ),
        AugmentTransformer(image_shape=(1, -1)),
        AugmentTransformer(image_shape=(1, -1), noise=0.1, strength=0),
        AugmentSampler(image_shape=(1, -1)),
        CropTransformer(),
        CropsOfTables(),
        BoxFinder(),
        FinderInTables(),
        ConformalKeypointRegressor(LinearRegression()),
        ConformalKeypointRegressor(LinearRegression(), method="cv+", cv=2),
    ],
    expected_failed_checks=expected_failures,
)
def test_estimator(estimator, check):
    # The one check that asks for good predictions.
    if isinstance(estimator, KeypointRegressor) and "check_regressors_train" in str(check):
        estimator.set_params(epochs=30)
    check(estimator)
