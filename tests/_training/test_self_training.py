"""Images without labels: they teach nothing, or what the network itself finds in them."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline

from sklearn_kpd import AugmentTransformer, CropTransformer
from sklearn_kpd._training.batches import Batches
from sklearn_kpd._training.data import Run, label_shares
from sklearn_kpd._training.self_training import SelfTraining, mixed_shares
from sklearn_kpd.datasets import make_faces
from sklearn_kpd.exceptions import DivergedError
from sklearn_kpd.images import LazyImages
from tests._training.test_checkpoints import interrupt
from tests._training.test_checkpoints import make as make_with_checkpoints
from tests.helpers import assert_same_weights, make_photographs, tiny_heatmap, tiny_regressor
from tests.stores import opened

N_LABELLED = 20


@pytest.fixture(scope="module")
def few():
    """60 faces, of which the last 40 have no label."""
    X, y = make_faces(60, random_state=0)
    y.iloc[N_LABELLED:] = np.nan
    return X, y


def fit(few, **parameters):
    X, y = few
    augment = AugmentTransformer(rotation=10, flip=0.5)
    defaults = {"epochs": 4, "batch_size": 8, "validation_split": 0.2, "self_training": 0.5}
    return make_pipeline(augment, tiny_regressor(**{**defaults, **parameters})).fit(X, y)


@given(
    st.lists(st.sampled_from([0.0, 1.0, 2.5]), min_size=1, max_size=40).filter(any),
    st.floats(0.01, 0.99),
)
def test_rows_without_labels_get_a_share_and_the_others_keep_their_proportions(counts, share):
    shares = np.array(counts) / np.sum(counts)
    mixed = mixed_shares(shares, share)
    without = shares == 0
    np.testing.assert_allclose(mixed.sum(), 1)
    np.testing.assert_allclose(mixed[without].sum(), min(share, without.mean()))
    kept = mixed[~without] / mixed[~without].sum()
    np.testing.assert_allclose(kept, shares[~without])


def test_drawn_rows_are_labelled_anew_after_the_first_quarter():
    values = np.full((8, 4), np.nan)
    values[:3] = np.arange(12).reshape(3, 4)
    rows = np.arange(8) + 100
    batches = Batches(
        np.zeros((108, 4, 4, 1), np.uint8), rows, values.copy(), gain=1.0, batch_size=2,
        row_shares=label_shares(values), n_draws=6, seed=0,
    )  # fmt: skip
    asked = []

    def label(model, rows):
        asked.append(rows)
        return np.repeat(rows[:, np.newaxis] + 0.5 * len(asked), 4, axis=1)

    run = Run(seed=0, deterministic_seed=0, epochs=5)
    callback = SelfTraining(batches, label, 0.5, run)
    for epoch in range(5):
        callback.on_epoch_begin(epoch)
        unlabelled = np.flatnonzero(batches.drawn[3:]) + 3
        if epoch < 2:  # a quarter of five epochs, rounded up
            assert not len(unlabelled)
            assert not asked
            continue
        assert len(unlabelled) == 3
        np.testing.assert_array_equal(asked[-1], rows[unlabelled])
        expected = np.repeat(rows[unlabelled, np.newaxis] + 0.5 * (epoch - 1), 4, axis=1)
        np.testing.assert_array_equal(batches.values[unlabelled], expected)
        np.testing.assert_array_equal(batches.values[:3], values[:3])
    assert len(asked) == 3


def test_a_training_that_goes_on_counts_from_where_it_is():
    values = np.array([[1.0, 1.0], [np.nan, np.nan]])
    batches = Batches(
        np.zeros((2, 4, 4, 1), np.uint8), np.arange(2), values, gain=1.0, batch_size=2,
        row_shares=label_shares(values), seed=0,
    )  # fmt: skip
    run = Run(seed=0, deterministic_seed=0, epochs=4, goes_on=True, history={"loss": [1.0] * 6})
    callback = SelfTraining(batches, lambda model, rows: np.ones((len(rows), 2)), 0.5, run)
    for epoch, drawn in ((6, False), (7, True)):
        callback.on_epoch_begin(epoch)
        assert batches.drawn[1] == drawn


@pytest.mark.parametrize("missing", ["mask", "drop", "mean", "knn", SimpleImputer()])
@pytest.mark.parametrize("sampling", ["labels", "rows"])
def test_rows_without_labels_teach_nothing_by_default(few, missing, sampling):
    # A policy that fills holes would make up whole faces of nothing.
    X, y = few
    options = {"missing": missing, "sampling": sampling, "validation_split": 0.0}
    options["self_training"] = 0.0
    labelled = X[:N_LABELLED], y.iloc[:N_LABELLED]
    assert_same_weights(fit(few, **options), fit(labelled, **options))


@pytest.mark.parametrize("parameters", [{}, {"network": tiny_heatmap}, {"sampling": "rows"}])
def test_images_without_labels_teach(few, parameters):
    regressor, again = (fit(few, **parameters)[-1] for _ in range(2))
    assert_same_weights(regressor, again)
    without = fit(few, self_training=0.0, **parameters)[-1]
    assert regressor.history_["val_rmse"] != without.history_["val_rmse"]
    # the network agrees more with itself than with labels
    assert regressor.history_["rmse"][1] < 0.9 * regressor.history_["rmse"][0]


class Watching(keras.callbacks.Callback):
    """Note what the network finds when an epoch begins."""

    found: list = []

    def __init__(self, images):
        super().__init__()
        self.images = images

    def on_epoch_begin(self, epoch, logs=None):
        self.found.append(self.model.predict(self.images, verbose=0))


def test_labels_are_those_of_the_average_that_is_validated(few, monkeypatch):
    X, y = few
    labels = []
    begin = SelfTraining.on_epoch_begin

    def watched(self, epoch, logs=None):
        begin(self, epoch, logs)
        drawn = self.batches.drawn & self._unlabelled
        labels.append((self.batches.rows[drawn], self.batches.values[drawn].copy()))

    monkeypatch.setattr(SelfTraining, "on_epoch_begin", watched)
    Watching.found.clear()
    augment = AugmentTransformer(rotation=10)
    regressor = tiny_regressor(epochs=3, self_training=0.5, callbacks=Watching(X))
    # no names, so no mirrored copies
    make_pipeline(augment, regressor).fit(X, y.to_numpy())
    assert [len(rows) > 0 for rows, _ in labels] == [False, True, True]
    for units, (rows, found) in zip(Watching.found[1:], labels[1:], strict=True):
        np.testing.assert_allclose(found, 47.5 + 48 * units[rows], atol=1e-3)


def test_schemes(kaggle_like):
    # Labels of images that have none are those of the fullest scheme.
    X, y = kaggle_like
    y = y.copy()
    y.iloc[40:] = np.nan
    regressor = fit((X, y), validation_split=0.0)[-1]
    assert len(regressor.schemes_) == 2
    assert np.isfinite(regressor.predict(X)).all()


def test_a_training_that_was_killed_goes_on_to_the_same_weights(few, tmp_path):
    X, y = few
    options = {"self_training": 0.5, "patience": None, "network": tiny_heatmap}
    whole = make_with_checkpoints(None, **options).fit(X, y)
    interrupt(tmp_path, X, y, epoch=3, **options)
    again = make_with_checkpoints(tmp_path, **options).fit(X, y)
    assert again[-1].history_ == whole[-1].history_
    assert_same_weights(again, whole)


def test_images_on_disk_and_in_memory_teach_the_same(few, tmp_path):
    X, y = few
    stored = LazyImages(opened(X, "npy", tmp_path))
    assert_same_weights(fit((stored, y)), fit(few))


def test_photographs_without_labels_teach(tmp_path):
    X, y = make_photographs(tmp_path, 24)
    y.iloc[10:] = np.nan
    regressor = tiny_regressor(epochs=4, batch_size=8)
    augment = AugmentTransformer(rotation=10, flip=0.5)
    pipe = make_pipeline(CropTransformer(size=32), augment, regressor).fit(X, y)
    before = pipe[-1].history_
    pipe.set_params(keypointregressor__self_training=0.5).fit(X, y)
    assert pipe[-1].history_["val_rmse"] != before["val_rmse"]
    # labels are pixels of the crop, and so are errors
    assert pipe[-1].history_["rmse"][-1] < before["rmse"][-1]


def test_without_images_that_have_no_labels_it_changes_nothing(few):
    labelled = few[0][:N_LABELLED], few[1].iloc[:N_LABELLED]
    assert_same_weights(fit(labelled), fit(labelled, self_training=0.0))


def test_a_loss_of_keras_serves_where_labelled_rows_are_complete(few):
    fit(few, loss=keras.losses.MeanSquaredError())


def test_it_diverges_with_a_word(few):
    with pytest.raises(DivergedError):
        fit(few, learning_rate=1e30, optimizer="sgd")


@pytest.mark.parametrize("share", [-0.1, 1.0, "half", None])
def test_wrong_shares_are_named(few, share):
    with pytest.raises(ValueError, match="'self_training' parameter"):
        fit(few, self_training=share)
