"""What has to fit together in an estimator."""

import math

import pytest
from sklearn.base import BaseEstimator
from sklearn.preprocessing import StandardScaler

import sklearn_kpd
from sklearn_kpd import AugmentTransformer, KeypointRegressor
from sklearn_kpd._persistence import checks
from sklearn_kpd._persistence.checks import check_consistency, restore_attributes
from sklearn_kpd.exceptions import (
    BrokenFileError,
)
from tests.persistence.fuzz import put_together, take_apart
from tests.persistence.helpers import tuple_of


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("image_shape_", [96, 96, 1]),
        ("image_shape_", tuple_of(96, -96, -1)), ("image_shape_", tuple_of(96, 96.0, 1)),
        ("n_features_in_", 9215), ("n_features_in_", True), ("n_features_in_", "9216"),
        ("y_shape_", tuple_of(10, 3)), ("y_shape_", 30),
        ("keypoint_names_", tuple_of("nose")), ("keypoint_names_", [1] * 15),
        ("flip_permutation_", [0] * 15), ("flip_permutation_", "left"),
        ("schemes_", None), ("schemes_", [[True] * 30]), ("_output_schemes", [0] * 30),
        ("float_gain_", 2.0), ("float_gain_", math.pi), ("calibration_", 3),
        ("heatmap_calibration_", 3),
        ("_random_state", -1), ("_random_state", "0"), ("history_", {"type": "dict", "items": []}),
        ("history_", {"type": "dict", "items": [["loss", "low"]]}), ("model_", None),
    ],
)  # fmt: skip
def test_attributes_that_do_not_fit(load_changed, attribute, value):
    with pytest.raises(BrokenFileError, match=f" {attribute},? (by its shapes, )?does not fit"):
        load_changed(lambda m: m["estimator"]["attributes"].update({attribute: value}))


CALLABLE = {"type": "object", "name": "tests.helpers.tiny_network"}


@pytest.mark.parametrize(
    ("attribute", "message"),
    [
        ("predict", "'predict' that no fit gives it"),
        ("__class__", "'__class__' that no fit gives it"),
        ("_validate_params", "'_validate_params' that no fit gives it"),
        ("get_params", "'get_params' that no fit gives it"),
        ("__sklearn_tags__", "'__sklearn_tags__' that no fit gives it"),
        ("epochs_x", "'epochs_x' that no fit gives it"),
        ("epochs", "'epochs' that no fit gives it"),
        ("checkpoint_dir", "'checkpoint_dir' that no fit gives it"),
        ("more_", r"lacks or has by mistake the attributes \['more_'\]"),
    ],
)
@pytest.mark.parametrize("value", [1, "folder", CALLABLE])
def test_attributes_that_no_fit_gives(load_changed, attribute, message, value):
    with pytest.raises(BrokenFileError, match=message):
        load_changed(lambda m: m["estimator"]["attributes"].update({attribute: value}))


class Odd(BaseEstimator):
    """Its parameter has a name like that of an attribute."""

    def __init__(self, folder_=None):
        self.folder_ = folder_


def test_an_attribute_that_is_a_parameter():
    with pytest.raises(ValueError, match=r"Odd has learnt its parameters \['folder_'\]"):
        restore_attributes(Odd(), {"folder_": "x"})


@pytest.mark.parametrize("value", [0, -1, True, None])
def test_numbers_of_features_that_no_fit_finds(value):
    scaler = StandardScaler().fit([[1.0]])
    scaler.n_features_in_ = value
    with pytest.raises(ValueError, match="n_features_in_ does not fit"):
        check_consistency(scaler)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image_shape_": tuple_of(96, 96, 3)}, "n_features_in_ does not fit"),
        ({"y_shape_": tuple_of(28)}, "keypoint_names_ does not fit"),
        (
            {"image_shape_": tuple_of(96, 96, 3), "n_features_in_": 27648},
            "model_, by its shapes, does not fit",
        ),
    ],
)
def test_attributes_that_do_not_fit_each_other(load_changed, changes, message):
    with pytest.raises(BrokenFileError, match=message):
        load_changed(lambda m: m["estimator"]["attributes"].update(changes))


def test_a_new_attribute_has_a_default_in_older_files(load_changed, monkeypatch):
    table = {**checks.LEARNT[KeypointRegressor], "added_later_": "as before"}
    monkeypatch.setitem(checks.LEARNT, KeypointRegressor, table)
    assert load_changed(lambda m: None).added_later_ == "as before"
    given = load_changed(lambda m: m["estimator"]["attributes"].update(added_later_="new"))
    assert given.added_later_ == "new"
    with pytest.raises(BrokenFileError, match=r"\['another_'\]"):
        load_changed(lambda m: m["estimator"]["attributes"].update(another_=1))
    unfitted = KeypointRegressor()
    checks.restore_attributes(unfitted, {})
    assert not hasattr(unfitted, "added_later_")


@pytest.mark.parametrize("attribute", ["image_shape_", "model_", "history_", "calibration_"])
def test_attributes_that_lack(load_changed, attribute):
    with pytest.raises(BrokenFileError, match=rf"lacks or has .* \['{attribute}'\]"):
        load_changed(lambda m: m["estimator"]["attributes"].pop(attribute))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("ranges", {"type": "dict", "items": [["rotation", 5]]}), ("flip", 2), ("flip", "often"),
        ("ranges", {"type": "dict", "items": [["melt", tuple_of(0, 1)]]}), ("border", 256),
        ("permutation", [1, 0]), ("probability", None), ("out_of_frame", "drop"), ("seed", -1),
        ("engine", "gpu"), ("ops", ["Add"]), ("more", 1),
    ],
)  # fmt: skip
def test_augmentations_that_do_not_fit(faces, tmp_path, load_bytes, field, value):
    path = tmp_path / "augment.kpd"
    sklearn_kpd.save(AugmentTransformer(rotation=5, flip=0.5).fit(*faces), path)
    manifest, parts = take_apart(path.read_bytes())
    manifest["estimator"]["attributes"]["augmentation_"]["fields"][field] = value
    fault = {
        "ops": "imgaug's operations are code", "more": "unexpected keyword argument 'more'",
    }.get(field, rf"augmentation_\.{field} does not fit")  # fmt: skip
    with pytest.raises(BrokenFileError, match=fault):
        load_bytes(put_together(manifest, parts))
