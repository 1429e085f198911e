import pickle
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone

from sklearn_kpd import AugmentTransformer
from sklearn_kpd.augment import Augmentation, AugmentedImages
from sklearn_kpd.keypoints import KAGGLE_KEYPOINTS, columns_from_names, flip_permutation
from tests.helpers import assert_same_weights, tiny_regressor

EVERYTHING = {
    "rotation": 15, "scale": 0.1, "translation": 4, "shear": 5, "crop": 0.1, "flip": 0.5,
    "perspective": 0.05, "elastic": 2, "blur": 1, "brightness": 0.1, "contrast": 0.2,
    "noise": 0.05, "cutout": 0.3,
}  # fmt: skip


def test_fit_transform_moves_nothing_and_transform_is_the_identity(faces):
    X, y = faces
    transformer = AugmentTransformer(**EVERYTHING)
    augmented = transformer.fit_transform(X, y)
    assert isinstance(augmented, AugmentedImages)
    assert augmented.images is X
    assert len(augmented) == 40
    assert transformer.transform(X) is X


def test_augmented_images_are_no_array(faces):
    augmented = AugmentTransformer(rotation=5).fit_transform(*faces)
    for use in (np.asarray, np.array, np.mean):
        with pytest.raises(TypeError, match="right before KeypointRegressor"):
            use(augmented)


def test_two_augmentations_add_up(faces):
    X, y = faces
    first = AugmentTransformer(translation=(3, 3), out_of_frame="keep")
    second = AugmentTransformer(translation=(4, 4), out_of_frame="keep")
    augmented = second.fit_transform(first.fit_transform(X, y), y)
    assert augmented.images is X
    assert [a.ranges["translation"] for a in augmented.augmentations] == [(3, 3), (4, 4)]
    settings = {"epochs": 1, "optimizer__learning_rate": 1e-12, "validation_split": 0}
    moved = tiny_regressor(**settings).fit(augmented, y)
    shifted = tiny_regressor(**settings).fit(X, y)
    expected = tiny_regressor(**settings).fit(
        AugmentTransformer(translation=(7, 7), out_of_frame="keep").fit_transform(X, y), y
    )
    assert moved.history_["rmse"] != shifted.history_["rmse"]
    np.testing.assert_allclose(moved.history_["rmse"], expected.history_["rmse"], rtol=0.05)


@pytest.mark.parametrize("engine", ["fused", "imgaug"])
def test_strength_0_is_no_augmentation_bit_for_bit(faces, engine):
    import imgaug.augmenters as iaa

    X, y = faces
    ops = iaa.Add(50) if engine == "imgaug" else None
    off = AugmentTransformer(**EVERYTHING, engine=engine, ops=ops, strength=0)
    X_same, y_same = off.augment(X, y)
    np.testing.assert_array_equal(X_same, X)
    pd.testing.assert_frame_equal(y_same, y)
    floats = np.random.default_rng(0).random((3, 8, 8), dtype=np.float32)
    np.testing.assert_array_equal(off.augment(floats, y[:3])[0], floats)
    plain = tiny_regressor().fit(X, y)
    with_off = tiny_regressor().fit(off.fit_transform(X, y), y)
    assert_same_weights(plain, with_off)


@pytest.mark.parametrize("engine", ["fused", "imgaug"])
def test_augment_repeats_and_keeps_form(faces, engine):
    X, y = faces
    transformer = AugmentTransformer(**EVERYTHING, engine=engine)
    a, b, c = (transformer.augment(X, y, random_state=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(a[0], b[0])
    pd.testing.assert_frame_equal(a[1], b[1])
    assert not np.array_equal(a[0], c[0])
    assert list(a[1].columns) == list(y.columns)
    assert a[0].dtype == np.uint8
    assert not hasattr(transformer, "augmentation_")
    transformer.set_params(flip=0)
    flat = transformer.augment(X.reshape(40, -1), y.to_numpy().reshape(40, 15, 2), random_state=0)
    assert flat[0].shape == (40, 9216)
    assert flat[1].shape == (40, 15, 2)


@pytest.mark.parametrize("engine", ["fused", "imgaug"])
def test_ranges_of_pixels_are_kept(faces, engine):
    X, y = faces
    transformer = AugmentTransformer(rotation=10, contrast=0.2, noise=0.02, engine=engine)
    small = transformer.augment((X / 255).astype(np.float32), y, random_state=0)[0]
    large = transformer.augment(X.astype(np.float64), y, random_state=0)[0]
    assert (small.dtype, large.dtype) == (np.float32, np.float64)
    assert small.max() <= 1
    np.testing.assert_allclose(small * 255, large, atol=1e-2)
    black_white = transformer.augment(X > 127, y, random_state=0)[0]
    assert black_white.dtype == bool
    assert 0.2 < black_white.mean() / (X > 127).mean() < 1.5
    series = pd.Series([image.ravel() for image in X])
    np.testing.assert_array_equal(
        transformer.augment(series, y, random_state=0)[0],
        transformer.augment(X.reshape(len(X), -1), y, random_state=0)[0],
    )
    for wrong in (X.astype("u2") * 257, X / 127.5 - 1):
        with pytest.raises(ValueError, match=r"0\.\.255"):
            transformer.augment(wrong, y, random_state=0)


def test_flip_swaps_the_named_keypoints(faces):
    X, y = faces
    X_flipped, y_flipped = AugmentTransformer(flip=1).augment(X, y)
    np.testing.assert_array_equal(X_flipped, X[:, :, ::-1])
    np.testing.assert_allclose(y_flipped["left_eye_center_x"], 95 - y["right_eye_center_x"])
    np.testing.assert_allclose(y_flipped["left_eye_center_y"], y["right_eye_center_y"])
    np.testing.assert_allclose(y_flipped["nose_tip_x"], 95 - y["nose_tip_x"])
    pairs = [(i, int(j)) for i, j in enumerate(flip_permutation(15, KAGGLE_KEYPOINTS)) if i < j]
    _, by_pairs = AugmentTransformer(flip=1, flip_pairs=pairs).augment(X, y.to_numpy())
    np.testing.assert_array_equal(by_pairs, y_flipped)


@pytest.mark.parametrize("settings", [{}, {"rotation": 5}, {"flip": 0.5, "strength": 0}])
def test_flip_pairs_are_read_and_checked_without_a_flip(faces, settings):
    X, y = faces
    y = y.to_numpy()

    def permutation(flip_pairs, y=y):
        transformer = AugmentTransformer(flip_pairs=flip_pairs, **settings)
        return transformer.fit(X, y).augmentation_.permutation

    expected = flip_permutation(15, KAGGLE_KEYPOINTS)
    np.testing.assert_array_equal(permutation("kaggle15"), expected)
    np.testing.assert_array_equal(permutation([(0, 1)])[:3], [1, 0, 2])
    np.testing.assert_array_equal(permutation([]), np.arange(15))
    np.testing.assert_array_equal(permutation(None, faces[1]), expected)
    for wrong, message in (([(0, 15)], "holds 15"), ("ibug68", "has 68 keypoints, but y has 15")):
        with pytest.raises(ValueError, match=message):
            permutation(wrong)


@pytest.mark.parametrize("name", ["p{}", "{:02d}", "landmark{}"])
def test_names_that_tell_no_side_say_so_where_there_is_a_flip(faces, name):
    X, y = faces
    y = y.set_axis(columns_from_names([name.format(i) for i in range(15)]), axis=1)
    for strength in (1, 0):
        with pytest.raises(ValueError, match="do not say it.* flip_pairs"):
            AugmentTransformer(flip=0.5, strength=strength).fit(X, y)
    assert AugmentTransformer(rotation=5).fit(X, y).augmentation_.permutation is None
    pairs = AugmentTransformer(flip=0.5, flip_pairs=[]).fit(X, y).augmentation_.permutation
    np.testing.assert_array_equal(pairs, np.arange(15))


def test_tta_knows_left_and_right_by_flip_pairs_without_a_flip_in_training(faces):
    X, y = faces
    augmented = AugmentTransformer(flip_pairs="kaggle15").fit_transform(X, y.to_numpy())
    fitted = tiny_regressor(epochs=1, tta="flip").fit(augmented, y.to_numpy())
    np.testing.assert_array_equal(fitted.flip_permutation_, flip_permutation(15, KAGGLE_KEYPOINTS))


@pytest.mark.parametrize("strength", [0, 1])
def test_tables_keep_their_own_columns_and_order(faces, strength):
    X, y = faces
    transformer = AugmentTransformer(
        rotation=(20, 20), flip=1, strength=strength, out_of_frame="keep", random_state=0
    )
    expected = transformer.augment(X, y)[1]
    openface = y[[c for axis in "yx" for c in y.columns if c.endswith(axis)]]
    openface.index = openface.index + 100
    moved = transformer.augment(X, openface)[1]
    assert list(moved.columns) == list(openface.columns)
    assert list(moved.index) == list(openface.index)
    np.testing.assert_allclose(moved[expected.columns], expected, atol=1e-9)
    more = y.assign(**{f"{c[:-2]}_likelihood": 0.5 for c in y.columns[::2]})
    pd.testing.assert_frame_equal(transformer.augment(X, more)[1], expected)
    seen = y.assign(**{f"{c[:-2]}_v": 2 for c in y.columns[::2]})
    seen.loc[0, "nose_tip_v"] = 0
    moved = transformer.augment(X, seen)[1]
    assert list(moved.columns) == list(y.columns)
    assert moved.loc[0, ["nose_tip_x", "nose_tip_y"]].isna().all()
    assert moved.isna().to_numpy().sum() == 2


@given(order=st.permutations(range(15)))
def test_an_augmentation_of_keypoints_in_another_order(order):
    order, names = np.array(order), np.array(KAGGLE_KEYPOINTS)
    augmentation = Augmentation({}, flip=1, permutation=flip_permutation(15, names))
    found = augmentation.reordered(order)
    np.testing.assert_array_equal(found.permutation, flip_permutation(15, names[order]))
    assert replace(found, permutation=None) == replace(augmentation, permutation=None)
    nothing = Augmentation({})
    assert nothing.reordered(order) is nothing


def test_the_engine_is_chosen(faces):
    import imgaug.augmenters as iaa

    X, y = faces
    assert AugmentTransformer(**EVERYTHING).fit(X, y).augmentation_.engine == "fused"
    assert AugmentTransformer(ops=iaa.Add(5)).fit(X, y).augmentation_.engine == "imgaug"
    assert AugmentTransformer(engine="imgaug").fit(X, y).augmentation_.engine == "imgaug"
    with pytest.raises(ValueError, match="engine='fused' knows no ops"):
        AugmentTransformer(ops=iaa.Add(5), engine="fused").fit(X, y)


def test_its_own_random_state_goes_before_that_of_the_regressor(faces):
    X, y = faces

    def history(augment_seed, regressor_seed):
        transformer = AugmentTransformer(rotation=15, random_state=augment_seed)
        regressor = tiny_regressor(
            epochs=1, random_state=regressor_seed, validation_split=0, batch_size=40,
            optimizer__learning_rate=1e-12,
        )  # fmt: skip
        return regressor.fit(transformer.fit_transform(X, y), y).history_["rmse"]

    assert history(None, 0) == history(None, 0)
    assert history(None, 0) != history(None, 1)
    assert history(3, 0) == history(3, 0)
    assert history(3, 0) != history(4, 0)


def test_it_can_be_cloned_and_pickled_with_ops(faces):
    import imgaug.augmenters as iaa

    X, y = faces
    transformer = AugmentTransformer(ops=[iaa.Add((-9, 9))], rotation=(0, 5), random_state=0)
    expected = transformer.augment(X, y)
    for copy in (clone(transformer), pickle.loads(pickle.dumps(transformer.fit(X, y)))):
        np.testing.assert_array_equal(copy.augment(X, y)[0], expected[0])


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"rotation": -5}, "'rotation' parameter"),
        ({"scale": (1.2, 0.9)}, "wrong order"),
        ({"flip": 1.5}, "'flip' parameter"),
        ({"strength": -1}, "'strength' parameter"),
        ({"probability": 2}, "'probability' parameter"),
        ({"border": "wrap"}, "'border' parameter"),
        ({"out_of_frame": "drop"}, "'out_of_frame' parameter"),
        ({"engine": "gpu"}, "'engine' parameter"),
        ({"ops": "blur"}, "imgaug augmenters"),
        ({"elastic": 20}, "would fold images of 96x96: at most 8 pixels"),
    ],
)
def test_bad_parameters(faces, parameters, message):
    with pytest.raises(ValueError, match=message):
        AugmentTransformer(**parameters).fit(*faces)


def test_bad_data(faces):
    X, y = faces
    with pytest.raises(ValueError, match=r"Pass y as a DataFrame .* flip_pairs=.* or flip=0"):
        AugmentTransformer(flip=0.5).fit(X, y.to_numpy())
    with pytest.raises(ValueError, match="y is None, but a flip"):
        AugmentTransformer(flip=0.5).fit(X)
    with pytest.raises(ValueError, match="single coordinate"):
        AugmentTransformer(rotation=5).fit(X, y["nose_tip_x"])
    with pytest.raises(ValueError, match="40 images, but y has 10 rows"):
        AugmentTransformer(rotation=5).fit(X, y[:10])
    with pytest.raises(ValueError, match="X contains NaN"):
        AugmentTransformer(rotation=5).fit(np.full((2, 8, 8), np.nan), y[:2])
    with pytest.raises(ValueError, match="was fitted on"):
        AugmentTransformer().fit(X, y).transform(X[:, ::2])
