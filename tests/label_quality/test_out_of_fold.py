"""No row is predicted by an estimator that has seen it, or one of its group."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.model_selection import KFold, ShuffleSplit
from sklearn.pipeline import make_pipeline

from sklearn_kpd import AugmentTransformer, CropTransformer
from sklearn_kpd.augment import AugmentedImages
from sklearn_kpd.datasets import make_faces
from sklearn_kpd.label_quality import out_of_fold_predictions
from sklearn_kpd.metrics import root_mean_squared_error
from tests.helpers import make_photographs, tiny_regressor


class Memory(RegressorMixin, BaseEstimator):
    """Predicts for each row how many rows it was fitted on, and whether the row was among them."""

    def fit(self, X, y):
        self.seen_ = set(np.ravel(X).tolist())
        return self

    def predict(self, X):
        return np.array([[len(self.seen_), row in self.seen_] for row in np.ravel(X).tolist()])


Y = np.zeros((20, 2))


@pytest.mark.parametrize("cv", [2, 4, KFold(4), list(KFold(2).split(Y)), None])
def test_no_row_is_seen(cv):
    y_pred, y_std = out_of_fold_predictions(Memory(), np.arange(20), Y, cv=cv, verbose=0)
    assert y_std is None
    assert not y_pred[:, 1].any()
    assert set(y_pred[:, 0]) <= {10, 15, 16}


def test_rows_of_a_group_stay_together():
    groups = np.repeat(np.arange(5), 4)
    X = groups.copy()  # so that the estimator knows its groups
    y_pred, _ = out_of_fold_predictions(Memory(), X, Y, cv=5, groups=groups, verbose=0)
    assert not y_pred[:, 1].any()


def test_rows_of_a_photograph_are_a_group():
    class Paths(Memory):
        def fit(self, X, y):
            return super().fit(X["path"], y)

        def predict(self, X):
            return super().predict(X["path"])

    X = pd.DataFrame({"path": np.repeat([f"{i}.jpg" for i in range(5)], 4)})
    y_pred, _ = out_of_fold_predictions(Paths(), X, Y, cv=5, verbose=0)
    assert not y_pred[:, 1].any()


@pytest.mark.parametrize(
    ("X", "options", "message"),
    [
        (np.arange(20), {"cv": ShuffleSplit(5)}, "holds rows out more than once"),
        (np.arange(20), {"cv": 7, "groups": np.arange(20) % 3}, "needs as many groups"),
        (np.arange(20), {"groups": np.zeros(20)}, "All rows are one group"),
        (np.arange(20), {"cv": KFold(2), "groups": np.arange(20) % 2}, "one group on both sides"),
        (np.arange(19), {}, "inconsistent numbers of samples"),
    ],
)
@pytest.mark.filterwarnings("ignore:The groups parameter is ignored")
def test_errors(X, options, message):
    with pytest.raises(ValueError, match=message):
        out_of_fold_predictions(Memory(), X, Y, verbose=0, **options)


def test_what_cannot_be_held_out_is_refused(faces):
    X, y = faces
    augmented = AugmentTransformer(rotation=5).fit_transform(X, y)
    assert isinstance(augmented, AugmentedImages)
    with pytest.raises(ValueError, match="give the Pipeline that makes it"):
        out_of_fold_predictions(tiny_regressor(), augmented, y)


def test_a_pipeline_tells_its_standard_deviations(capsys):
    X, y = make_faces(90, random_state=0)
    pipe = make_pipeline(AugmentTransformer(rotation=5), tiny_regressor(epochs=10))
    y_pred, y_std = out_of_fold_predictions(pipe, X, y, cv=3, random_state=0)
    assert "Fold 3 of 3" in capsys.readouterr().out
    assert y_std.shape == y_pred.shape == y.shape
    assert (y_std > 0).all()
    assert root_mean_squared_error(y, y_pred) < 12


def test_each_row_is_predicted_by_its_own_labelling_scheme():
    X, y = make_faces(120, missing="kaggle", random_state=0)
    y = y.copy()
    few = y.isna().any(axis=1)
    y.loc[few, "nose_tip_x"] += 30  # the habit of other annotators
    regressor = tiny_regressor(epochs=30)
    y_pred, _ = out_of_fold_predictions(regressor, X, y, cv=2, verbose=0, random_state=0)
    nose = y_pred[:, y.columns.get_loc("nose_tip_x")]
    assert nose[few].mean() - nose[~few].mean() > 15


def test_photographs_are_cut_out_and_predicted_in_their_own_pixels(tmp_path):
    X, y = make_photographs(tmp_path, 30)
    pipe = make_pipeline(CropTransformer(size=48), tiny_regressor(epochs=12))
    y_pred, _ = out_of_fold_predictions(pipe, X, y, cv=2, verbose=0, random_state=0)
    centres = y.to_numpy().reshape(len(y), -1, 2).mean(axis=1)
    found = y_pred.reshape(len(y), -1, 2).mean(axis=1)
    assert np.hypot(*(found - centres).T).mean() < np.hypot(*centres.std(axis=0)) / 2
