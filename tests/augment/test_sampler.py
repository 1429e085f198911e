import numpy as np
import pandas as pd
import pytest
from imblearn.pipeline import Pipeline

from sklearn_kpd import AugmentSampler, AugmentTransformer
from sklearn_kpd.augment.transformer import AugmentBase
from tests.helpers import tiny_regressor


def test_it_takes_the_transformers_parameters_and_one_more():
    sampler, transformer = AugmentSampler().get_params(), AugmentTransformer().get_params()
    assert sampler.pop("n_copies") == 1
    assert sampler == transformer
    names = {**transformer, "ops": None}
    stored = AugmentSampler(3, **{name: i for i, name in enumerate(names)}).get_params()
    assert stored == {"n_copies": 3, **{name: i for i, name in enumerate(names)}}
    assert not hasattr(AugmentSampler, "transform")  # imbalanced-learn refuses both
    assert issubclass(AugmentSampler, AugmentBase)


def test_originals_come_first_and_copies_after(kaggle_like):
    X, y = kaggle_like
    sampler = AugmentSampler(2, rotation=15, translation=3, out_of_frame="keep", random_state=0)
    X_more, y_more = sampler.fit_resample(X, y)
    assert X_more.shape == (180, 96, 96, 1)
    assert X_more.dtype == X.dtype
    np.testing.assert_array_equal(X_more[:60], X)
    pd.testing.assert_frame_equal(y_more[:60], y)
    assert list(y_more.columns) == list(y.columns)
    np.testing.assert_array_equal(y_more.index, np.tile(y.index, 3))
    values = y_more.to_numpy().reshape(3, 60, 30)
    np.testing.assert_array_equal(np.isnan(values[1]), np.isnan(values[0]))
    assert not np.array_equal(X_more[60:120], X_more[120:])
    again = AugmentSampler(2, rotation=15, translation=3, out_of_frame="keep", random_state=0)
    np.testing.assert_array_equal(again.fit_resample(X, y)[0], X_more)


def test_forms_are_kept(faces):
    X, y = faces
    frame, points = pd.DataFrame(X.reshape(40, -1)), y.to_numpy().reshape(40, 15, 2)
    X_more, y_more = AugmentSampler(rotation=5).fit_resample(frame, points)
    assert isinstance(X_more, pd.DataFrame)
    assert X_more.shape == (80, 9216)
    assert y_more.shape == (80, 15, 2)
    assert AugmentSampler(0, rotation=5).fit_resample(X, y)[0].shape == X.shape


def test_tables_of_any_convention(kaggle_like):
    X, y = kaggle_like
    openface = y[[c for axis in "xy" for c in y.columns if c.endswith(axis)]]
    likely = openface.assign(nose_tip_likelihood=0.5)
    sampler = AugmentSampler(rotation=15, out_of_frame="keep", random_state=0)
    expected = sampler.fit_resample(X, y)[1]
    for table in (openface, likely):
        found = sampler.fit_resample(X, table)[1]
        assert list(found.columns) == list(openface.columns)
        pd.testing.assert_frame_equal(found[y.columns], expected)


def test_polars(faces):
    pl = pytest.importorskip("polars")
    X, y = faces
    table = pl.DataFrame(y.to_numpy(), schema=list(y.columns))
    found = AugmentSampler(rotation=15, random_state=0).fit_resample(X, table)[1]
    assert isinstance(found, pl.DataFrame)
    assert found.columns == list(y.columns)
    expected = AugmentSampler(rotation=15, random_state=0).fit_resample(X, y)[1]
    np.testing.assert_array_equal(found.to_numpy(), expected)


def test_in_imbalanced_learns_pipeline(faces):
    X, y = faces
    pipe = Pipeline(
        [("augment", AugmentSampler(rotation=15, flip=0.5, random_state=0)),
         ("regressor", tiny_regressor(epochs=1))]
    )  # fmt: skip
    assert pipe.fit(X, y).predict(X).shape == y.shape


def test_errors(faces):
    X, y = faces
    with pytest.raises(ValueError, match="'n_copies' parameter"):
        AugmentSampler(-1).fit_resample(X, y)
    with pytest.raises(TypeError, match="put it before AugmentTransformer"):
        AugmentSampler().fit_resample(AugmentTransformer().fit_transform(X, y), y)
    with pytest.raises(ValueError, match="flip_pairs"):
        AugmentSampler(flip=1).fit_resample(X, y.to_numpy())
