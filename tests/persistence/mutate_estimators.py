"""Replace what scikit-learn's estimators have learnt, and use those that load all the same.

Compiled code that does not look at sizes would end the process. Run as
``python -m tests.persistence.mutate_estimators --n 2000``; the mutation at hand is printed before
it is tried, so the last line names the one that ended it.
"""

import argparse
import contextlib
import io
import random
import tempfile
import warnings
from pathlib import Path

import numpy as np
from sklearn.compose import TransformedTargetRegressor
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.dummy import DummyRegressor
from sklearn.feature_selection import (
    SelectKBest,
    SelectPercentile,
    VarianceThreshold,
    f_regression,
)
from sklearn.frozen import FrozenEstimator
from sklearn.impute import KNNImputer, MissingIndicator, SimpleImputer
from sklearn.kernel_approximation import Nystroem, RBFSampler
from sklearn.linear_model import BayesianRidge, LinearRegression, Ridge, RidgeCV
from sklearn.multioutput import MultiOutputRegressor, RegressorChain
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)
from sklearn.random_projection import GaussianRandomProjection

import sklearn_kpd
from sklearn_kpd.exceptions import PersistenceError
from tests.helpers import without_address
from tests.persistence.fuzz import places, put_together, take_apart

#: One at least of each class that may be kept once it is fitted.
FITTED = [
    Binarizer(), FunctionTransformer(), MaxAbsScaler(), MinMaxScaler(), Normalizer(),
    OneHotEncoder(), OneHotEncoder(handle_unknown="ignore", sparse_output=False),
    OrdinalEncoder(), PolynomialFeatures((2, 3)), PowerTransformer(),
    PowerTransformer(standardize=False), QuantileTransformer(n_quantiles=5), RobustScaler(),
    StandardScaler(), StandardScaler(with_std=False), GaussianRandomProjection(2), PCA(2),
    TruncatedSVD(2), SelectKBest(f_regression, k=2), SelectPercentile(f_regression),
    VarianceThreshold(), KNNImputer(n_neighbors=2), KNNImputer(add_indicator=True),
    MissingIndicator(), SimpleImputer(), SimpleImputer(add_indicator=True),
    Nystroem(n_components=3), RBFSampler(n_components=3), BayesianRidge(),
    BayesianRidge(compute_score=True),
    LinearRegression(), Ridge(), Ridge(solver="sag"), RidgeCV(), RidgeCV(store_cv_results=True),
    DummyRegressor(), MultiOutputRegressor(Ridge()), RegressorChain(LinearRegression()),
    TransformedTargetRegressor(Ridge(), transformer=StandardScaler()),
    Pipeline([("scale", StandardScaler()), ("ridge", Ridge())]),
    FeatureUnion([("scale", StandardScaler()), ("pca", PCA(2))]),
    FrozenEstimator(StandardScaler().fit(np.eye(3))),
]  # fmt: skip
N_FEATURES = 3
_DTYPES = ["<f8", "<f4", ">f8", "<f2", "<i8", "<i4", ">i4", "|u1", "|b1", "<U3"]
_SCALARS = [None, True, 0, 1, 3, -1, 2**31, 2**62, 1e308, -0.5, "x", [], [1, 2, 3]]


def fitted_files():
    """Every estimator, fitted, and its file; those that take them, on missing values too."""
    X = np.random.RandomState(0).randint(4, size=(20, N_FEATURES)).astype(float)
    y = X @ np.ones((N_FEATURES, 2)) + np.random.RandomState(1).rand(20, 2)
    for estimator in FITTED:
        single = isinstance(estimator, BayesianRidge | SelectKBest | SelectPercentile)
        gaps = np.where(X == 3, np.nan, X) if "imputer" in str(estimator).lower() else X
        estimator.fit(gaps, y[:, 0] if single else y)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.kpd"
            sklearn_kpd.save(estimator, path)
            yield without_address(estimator), path.read_bytes()


def random_array(rng):
    sizes = [0, 1, 2, N_FEATURES, 4, 20, 200]
    shape = [rng.choice(sizes) for _ in range(rng.choice([0, 1, 2, 3]))]
    values = np.random.RandomState(rng.randrange(2**31)).normal(size=shape)
    values = values * rng.choice([0, 1, 3, 1e9, 1e300])
    with np.errstate(all="ignore"):
        return values.astype(rng.choice(_DTYPES))


def mutated(data, rng):
    """Another file, and what was done to it."""
    manifest, parts = take_apart(data)
    done = []
    for _ in range(rng.choice([1, 1, 2, 4])):
        spots = [
            (container, key)
            for node, name in places(manifest["estimator"])
            if name == "attributes" and isinstance(node[name], dict)
            for container, key in [(node[name], key) for key in node[name]]
        ]
        if not spots:
            break
        container, key = rng.choice(spots)
        if rng.random() < 0.5:
            array = random_array(rng)
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, array, version=(1, 0))
            old = container[key].get("part") if isinstance(container[key], dict) else None
            part = old if old in parts else f"{900 + len(done)}.npy"
            parts[part] = buffer.getvalue()
            kind = "array" if array.ndim else "scalar"
            container[key] = {"type": kind, "part": part}
            done.append(f"{key}={array.dtype}{array.shape}")
        else:
            for node, name in places([container[key]]):
                if name == "part":
                    parts.pop(node[name], None)
            container[key] = rng.choice(_SCALARS)
            done.append(f"{key}={container[key]!r}")
    return put_together(manifest, parts), ", ".join(done)


def use(estimator):
    """Call all that an estimator can do, on data of its size and of another."""
    rng = np.random.RandomState(0)
    for n_features in (N_FEATURES, 200, 1):
        X = rng.randint(4, size=(7, n_features)).astype(float)
        for name in ("transform", "inverse_transform", "predict", "partial_fit"):
            for y in (np.ones(7), np.ones((7, 2))):
                with contextlib.suppress(Exception):
                    getattr(estimator, name)(*([X, y] if name == "partial_fit" else [X]))
    with contextlib.suppress(Exception):
        estimator.fit(rng.rand(7, 200), np.ones(7)).transform(rng.rand(7, 200))


def run(n, seed=0):
    """Number of mutated files that loaded."""
    files = list(fitted_files())
    n_loaded = 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.kpd"
        for number in range(n):
            rng = random.Random(f"{seed} {number}")
            name, data = files[number % len(files)]
            data, done = mutated(data, rng)
            print(f"{number}: {name}: {done}", flush=True)
            path.write_bytes(data)
            try:
                estimator = sklearn_kpd.load(path)
            except PersistenceError:
                continue
            n_loaded += 1
            use(estimator)
    return n_loaded


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--n", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    print(run(arguments.n, arguments.seed), "of", arguments.n, "loaded")
