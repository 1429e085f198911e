"""Photographs through Pipelines, searches and files: y and predictions are their pixels."""

from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_predict, cross_val_score
from sklearn.pipeline import Pipeline

import sklearn_kpd
from sklearn_kpd import AugmentTransformer, CropTransformer, metrics
from sklearn_kpd._training import data as training_data
from sklearn_kpd._training.data import split_rows
from sklearn_kpd.exceptions import PhotographError
from sklearn_kpd.photographs import _pieces
from tests.helpers import make_photographs, tiny_network, tiny_regressor


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    return make_photographs(tmp_path_factory.mktemp("photographs"), 40)


def pipeline(augment=True, size=32, **parameters):
    steps = [("crop", CropTransformer(size=size))]
    if augment:
        steps.append(("augment", AugmentTransformer(rotation=15, scale=0.1, flip=0.5)))
    return Pipeline([*steps, ("regressor", tiny_regressor(**parameters))])


@pytest.fixture(scope="module")
def fitted(photographs):
    """For tests after which it is as it was."""
    return pipeline().fit(*photographs)


def weights_of(pipe):
    return np.concatenate([w.ravel() for w in pipe[-1].model_.get_weights()])


def test_predictions_are_pixels_of_the_photograph(photographs, fitted):
    X, y = photographs
    predicted = fitted.predict(X)
    assert predicted.shape == y.shape
    middles = predicted.reshape(len(X), -1, 2).mean(axis=1)
    labelled = y.to_numpy().reshape(len(X), -1, 2).mean(axis=1)
    sides = (X["right"] - X["left"]).to_numpy()
    # the mean face of the crops lies within each box, wherever that is
    assert (np.linalg.norm(middles - labelled, axis=1) < sides / 3).all()
    assert np.corrcoef(middles[:, 0], labelled[:, 0])[0, 1] > 0.95


def test_a_crop_of_the_whole_array_is_training_without_crops(faces):
    images, y = faces
    X = pd.DataFrame({"image": list(images)})
    plain = tiny_regressor().fit(images, y)
    cropped = pipeline(augment=False, size=96).set_params(crop__margin=0).fit(X, y)
    np.testing.assert_allclose(cropped.predict(X), plain.predict(images), atol=1e-4)
    np.testing.assert_allclose(cropped[-1].history_["rmse"], plain.history_["rmse"], rtol=1e-5)


def test_the_same_in_memory_and_in_a_file(photographs, fitted, monkeypatch):
    X, y = photographs
    monkeypatch.setattr(_pieces, "_MAX_BYTES", 10_000)
    in_file = pipeline().fit(X, y)
    np.testing.assert_array_equal(weights_of(fitted), weights_of(in_file))


def test_frames_of_a_pipeline_with_memory(photographs, fitted, tmp_path):
    X, y = photographs
    pipe = pipeline()
    pipe.memory = str(tmp_path)
    first, again = pipe.fit(X, y).predict(X), clone(pipe).fit(X, y).predict(X)
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(first, fitted.predict(X))


def test_cross_validation_by_photograph(photographs):
    X, y = photographs
    X, y = (table.iloc[np.arange(40) // 2 * 2].reset_index(drop=True) for table in (X, y))
    options = {"groups": X["path"], "cv": GroupKFold(3)}
    scores = cross_val_score(
        pipeline(epochs=1), X, y, scoring=metrics.neg_root_mean_squared_error, **options
    )
    assert np.isfinite(scores).all()
    predicted = cross_val_predict(pipeline(epochs=1), X, y, **options)
    assert predicted.shape == y.shape
    inside = (predicted[:, ::2] > X[["left"]].to_numpy() - 20).mean()
    assert inside > 0.9


def test_a_search_over_crops_on_two_workers(photographs):
    X, y = photographs
    search = GridSearchCV(
        pipeline(epochs=1),
        {"crop__margin": [0.0, 0.3], "crop__size": [24, (32, 40)]},
        scoring=metrics.neg_normalized_mean_error,
        cv=GroupKFold(2),
        n_jobs=2,
        error_score="raise",
    ).fit(X, y, groups=X["path"])
    assert len(search.cv_results_["mean_test_score"]) == 4
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.predict(X).shape == y.shape


@pytest.mark.parametrize("way", ["joblib", "save"])
def test_it_is_kept(photographs, fitted, tmp_path, way):
    X, _ = photographs
    if way == "joblib":
        joblib.dump(fitted, tmp_path / "p.joblib")
        again = joblib.load(tmp_path / "p.joblib")
    else:
        sklearn_kpd.save(fitted, tmp_path / "p.kpd")
        again = sklearn_kpd.load(tmp_path / "p.kpd", trusted=[tiny_network])
    np.testing.assert_array_equal(again.predict(X), fitted.predict(X))


def test_fitted_on_arrays_and_asked_about_photographs_and_the_reverse(photographs, fitted, faces):
    X, y = photographs
    images, y_images = faces
    by_arrays = pipeline(epochs=1).fit(list(images), y_images)
    assert by_arrays.predict(X).shape == y.shape
    assert fitted.predict(list(images)).shape == y_images.shape
    # crops of the same size can come from anywhere, also as arrays
    crops = fitted[0].transform(X)
    inside = fitted[-1].predict(crops.pixels())
    np.testing.assert_allclose(crops.to_photograph(inside), fitted.predict(X), atol=1e-9)


@pytest.mark.parametrize("tta", [None, "flip", "moves"])
def test_standard_deviations_and_test_time_augmentation(photographs, tta):
    X, y = photographs
    pipe = pipeline(epochs=1, tta=tta, validation_split=0.2).fit(X, y)
    predicted, std = pipe.predict(X, return_std=True)
    np.testing.assert_allclose(predicted, pipe.predict(X), atol=1e-6)
    crops = pipe[0].transform(X)
    inside, inside_std = pipe[-1].predict(crops.pixels(), return_std=True)
    np.testing.assert_allclose(crops.to_photograph(inside), predicted, atol=1e-6)
    scale = (X["right"] - X["left"]).to_numpy() * 1.4 / 32
    np.testing.assert_allclose(std, inside_std * scale[:, None], rtol=1e-6)


def test_score_is_that_of_the_photographs(photographs, fitted):
    X, y = photographs
    assert fitted.score(X, y) == pytest.approx(metrics.r2_score(y.to_numpy(), fitted.predict(X)))


def test_faces_of_one_photograph_are_on_one_side_of_the_split(photographs, monkeypatch):
    X, y = photographs
    X, y = (table.iloc[np.arange(40) // 4 * 4].reset_index(drop=True) for table in (X, y))
    seen = []

    def spy(*args, **options):
        seen.append(split_rows(*args, **options))
        return seen[-1]

    monkeypatch.setattr(training_data, "split_rows", spy)
    pipeline(epochs=1, validation_split=0.3).fit(X, y)
    (training, validation) = seen[0]
    assert len(validation)
    assert not set(X["path"].iloc[training]) & set(X["path"].iloc[validation])


def test_validation_photographs_of_the_user(photographs):
    X, y = photographs
    with sklearn_kpd_routing():
        pipe = Pipeline(
            [("crop", CropTransformer(32)),
             ("regressor", tiny_regressor(epochs=1).set_fit_request(X_val=True, y_val=True))],
            transform_input=["X_val"],
        )  # fmt: skip
        pipe.fit(X[:30], y[:30], X_val=X[30:], y_val=y[30:])
    errors = pipe.predict(X[30:]) - y[30:].to_numpy()
    side = (X["right"] - X["left"]).to_numpy()[30:, None] * 1.4 / 32
    assert pipe[-1].history_["val_rmse"][-1] == pytest.approx(
        np.sqrt(((errors / side) ** 2).mean()), rel=1e-3
    )


def sklearn_kpd_routing():
    import sklearn

    return sklearn.config_context(enable_metadata_routing=True)


class Counting:
    """A network function that counts its calls: training begins with one."""

    def __init__(self):
        self.calls = 0

    def __call__(self, image_shape, n_outputs):
        self.calls += 1
        return tiny_network(image_shape, n_outputs)


@pytest.fixture(scope="module")
def counted(photographs):
    """A network function and a Pipeline that was fitted with it."""
    network = Counting()
    return network, pipeline(network=network).fit(*photographs)


@pytest.mark.parametrize("fault", ["absent", "broken", "outside", "box"])
def test_a_bad_photograph_is_named_before_training_and_nothing_has_changed(
    photographs, counted, tmp_path, fault
):
    X, y = photographs
    network, pipe = counted
    before, calls = pipe.predict(X), network.calls
    bad = X.copy()
    if fault == "absent":
        bad.loc[17, "path"] = str(tmp_path / "gone.jpg")
    elif fault == "broken":
        (tmp_path / "cut.jpg").write_bytes(Path(X["path"].iloc[17]).read_bytes()[:700])
        bad.loc[17, "path"] = str(tmp_path / "cut.jpg")
    elif fault == "outside":
        bad.loc[17, ["left", "right"]] = [900, 950]
    else:
        bad.loc[17, ["left", "right"]] = [50, 50]
    with pytest.raises(ValueError, match="row 17") as caught:
        pipe.fit(bad, y)
    assert isinstance(caught.value, PhotographError) == (fault != "box")
    assert network.calls == calls
    np.testing.assert_array_equal(pipe.predict(X), before)
    unfitted = pipeline()
    with pytest.raises(ValueError, match="row 17"):
        unfitted.fit(bad, y)
    assert not hasattr(unfitted[-1], "model_")


def test_single_coordinates_cannot_be_taken_into_a_crop(photographs):
    X, y = photographs
    with pytest.raises(ValueError, match="an x and a y for each keypoint"):
        pipeline(augment=False).fit(X, y.iloc[:, 0])


def test_missing_labels_and_partial_fit_and_warm_start(photographs):
    X, y = photographs
    holes = y.mask(np.random.default_rng(0).random(y.shape) < 0.3)
    pipe = pipeline(epochs=1).fit(X, holes)
    assert np.isfinite(pipe.predict(X)).all()
    crops = pipe[0].transform(X)
    pipe[-1].partial_fit(crops, holes)
    assert len(pipe[-1].history_["loss"]) == 2
    pipe[-1].set_params(warm_start=True)
    pipe.fit(X, holes)
    assert len(pipe[-1].history_["loss"]) == 3


def test_a_training_that_was_killed_goes_on(photographs, tmp_path):
    X, y = photographs
    import keras

    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 0:
                raise KeyError("killed")

    whole = pipeline(epochs=2).fit(X, y)
    killed = pipeline(epochs=2, checkpoint_dir=str(tmp_path), callbacks=[Stop()])
    with pytest.raises(KeyError):
        killed.fit(X, y)
    resumed = pipeline(epochs=2, checkpoint_dir=str(tmp_path)).fit(X, y)
    assert len(resumed[-1].history_["loss"]) == 2
    np.testing.assert_allclose(weights_of(resumed), weights_of(whole), atol=1e-6)


def test_progress_is_shown_where_training_is(photographs, capsys):
    X, y = photographs
    pipeline(epochs=1, verbose=1).fit(X, y)
    assert "40/40" in capsys.readouterr().out
    pipeline(epochs=1, verbose=0).fit(X, y)
    assert not capsys.readouterr().out
