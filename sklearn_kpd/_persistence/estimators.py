"""scikit-learn's estimators that a file may hold, and what each has learnt.

Some of scikit-learn's compiled code does not look at the sizes of what it is given, so that an
array of a wrong size would have it read or write elsewhere in memory. An estimator stands here
only if its arrays are checked, or if only NumPy, which looks, sees them.

What was learnt is written as ``name: form``, one a line. ``name?`` need not be there. Forms are::

    int, float, number, bool, text, dtype, dict, none      a single value
    float[p], int[k,p], values[_]                          an array: values are numbers or text
    =k                                                     the integer k
    q * float[p]                                           a list of q items
    StandardScaler, estimator                              one of these, or any
    a | b                                                  one or the other

A letter is a size, 1 or more, and the same wherever it stands; ``p`` is ``n_features_in_``, and
``_`` is any size.
"""

import re
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

_LINEAR = """
    coef_: float[p] | float[q,p]
    intercept_: float | float[q]
"""
_COMPONENTS = """
    components_: float[k,p]
    explained_variance_: float[k]
    explained_variance_ratio_: float[k]
    singular_values_: float[k]
"""
_SCORES = """
    scores_: float[p]
    pvalues_: float[p] | none
"""
# Some cannot be kept once they are fitted: they hold slices, sparse matrices or named tuples.
_UNFITTED = None

_LEARNT: dict[str, str | None] = {
    "compose.ColumnTransformer": _UNFITTED,
    "compose.TransformedTargetRegressor": """
        regressor_: estimator
        transformer_: estimator
        _training_dim: int
    """,
    "decomposition.PCA": f"""
        {_COMPONENTS}
        mean_: float[p]
        n_components_: =k
        n_samples_: int
        noise_variance_: float
        _fit_svd_solver?: text
    """,
    "decomposition.TruncatedSVD": _COMPONENTS,
    "dummy.DummyRegressor": """
        constant_: number[1,q]
        n_outputs_: =q
    """,
    "feature_selection.SelectKBest": _SCORES,
    "feature_selection.SelectPercentile": _SCORES,
    "feature_selection.VarianceThreshold": "variances_: float[p]",
    "impute.IterativeImputer": _UNFITTED,
    "impute.KNNImputer": """
        _fit_X: float[n,p]
        _mask_fit_X: bool[n,p]
        _valid_mask: bool[p]
        indicator_: MissingIndicator | none
    """,
    "impute.MissingIndicator": """
        features_: int[_]
        _n_features: =p
        _precomputed: bool
    """,
    "impute.SimpleImputer": """
        statistics_: values[p]
        indicator_: MissingIndicator | none
        _fit_dtype?: dtype
        _fill_dtype?: dtype
    """,
    "kernel_approximation.Nystroem": """
        components_: number[k,p]
        normalization_: float[k,k]
        component_indices_: int[k]
        _n_features_out?: =k
    """,
    "kernel_approximation.RBFSampler": """
        random_weights_: float[p,k]
        random_offset_: float[k]
        _gamma?: float
        _n_features_out?: =k
    """,
    "linear_model.BayesianRidge": """
        coef_: float[p]
        intercept_: float
        alpha_: float
        lambda_: float
        sigma_: float[p,p]
        scores_?: float[_] | _ * float
        n_iter_: int
        X_offset_: float[p]
        X_scale_: float[p]
    """,
    "linear_model.LinearRegression": f"""
        {_LINEAR}
        rank_?: int
        singular_?: float[_]
    """,
    "linear_model.Ridge": f"""
        {_LINEAR}
        n_iter_: int[_] | none
        solver_?: text
    """,
    "linear_model.RidgeCV": f"""
        {_LINEAR}
        alpha_: float | float[_]
        best_score_: float | float[_]
        cv_results_?: float[_,_] | float[_,_,_]
    """,
    "multioutput.MultiOutputRegressor": "estimators_: q * estimator",
    "multioutput.RegressorChain": """
        estimators_: q * estimator
        order_: int[q] | q * int
    """,
    "frozen.FrozenEstimator": "",
    "pipeline.FeatureUnion": "",
    "pipeline.Pipeline": "",
    "preprocessing.Binarizer": "",
    "preprocessing.FunctionTransformer": "",
    "preprocessing.MaxAbsScaler": """
        max_abs_: float[p]
        scale_: float[p]
        n_samples_seen_: int
    """,
    "preprocessing.MinMaxScaler": """
        min_: float[p]
        scale_: float[p]
        data_min_: float[p]
        data_max_: float[p]
        data_range_: float[p]
        n_samples_seen_: int
    """,
    "preprocessing.Normalizer": "",
    "preprocessing.OneHotEncoder": """
        categories_: p * values[_]
        drop_idx_: none
        _drop_idx_after_grouping?: none
        _infrequent_enabled: bool
        _n_features_outs: p * int
    """,
    "preprocessing.OrdinalEncoder": """
        categories_: p * values[_]
        _infrequent_enabled?: bool
        _missing_indices: dict
    """,
    "preprocessing.PolynomialFeatures": """
        n_output_features_: int
        _min_degree: int
        _max_degree: int
        _n_out_full: int
    """,
    "preprocessing.PowerTransformer": """
        lambdas_: float[p]
        _scaler?: StandardScaler
    """,
    "preprocessing.QuantileTransformer": """
        n_quantiles_: =k
        quantiles_: float[k,p]
        references_: float[k]
    """,
    "preprocessing.RobustScaler": """
        center_: float[p] | none
        scale_: float[p] | none
    """,
    "preprocessing.StandardScaler": """
        mean_: float[p] | none
        var_: float[p] | none
        scale_: float[p] | none
        n_samples_seen_: number | number[p]
    """,
    "random_projection.GaussianRandomProjection": """
        components_: float[k,p]
        n_components_: =k
        _n_features_out?: =k
    """,
    "random_projection.SparseRandomProjection": _UNFITTED,
}
_OF_ALL = """
    n_features_in_: =p
    feature_names_in_?: text[p]
    _sklearn_output_config?: dict
"""
#: Names as ``sklearn.<module>.<class>``.
NAMES = frozenset(f"sklearn.{name}" for name in _LEARNT)

_LINE = re.compile(r"\s*(\w+)(\??): (.+)")
_FORM = re.compile(r"(\w+)(?:\[([\w,]+)\])?")
# dtypes by their kinds; numbers have 4 or 8 bytes as floats, in this machine's order
_KINDS = {
    "float": "f",
    "int": "iu",
    "number": "iuf",
    "bool": "b",
    "text": "UO",
    "values": "biufUO",
}
_TYPES: dict[str, tuple[type, ...]] = {
    "float": (float, np.floating),
    "int": (int, np.integer),
    "number": (int, float, np.integer, np.floating),
    "bool": (bool, np.bool_),
    "text": (str,),
    "dtype": (np.dtype,),
    "dict": (dict,),
    "none": (type(None),),
    "estimator": (BaseEstimator,),
}


def public_name(kind: Any) -> str | None:
    """Name by which a file calls a class of scikit-learn's; None for what is none.

    Examples
    --------
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn_kpd._persistence.estimators import public_name
    >>> public_name(StandardScaler)
    'sklearn.preprocessing.StandardScaler'
    """
    package, *modules = getattr(kind, "__module__", "").split(".")
    if package != "sklearn" or not modules or not isinstance(kind, type):
        return None
    return f"sklearn.{modules[0]}.{kind.__name__}"


def check_learnt(estimator: BaseEstimator, learnt: dict[str, Any]) -> None:
    """Check that what one of these estimators has learnt is what its fit leaves behind.

    Parameters
    ----------
    estimator : BaseEstimator
        Of another class, it is let through.
    learnt : dict of str to object
        Its attributes that are no parameters. Empty if it is not fitted.

    Raises
    ------
    ValueError
        If an attribute lacks, is too much, or does not fit the others.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn_kpd._persistence.estimators import check_learnt
    >>> check_learnt(StandardScaler(), {"n_features_in_": 3, "n_samples_seen_": 9,
    ...              "mean_": np.zeros(3), "var_": np.ones(3), "scale_": np.ones(2)})
    Traceback (most recent call last):
    ...
    ValueError: scale_ of StandardScaler is no float[p] | none, given what else it has learnt
    """
    kind = type(estimator)
    if public_name(kind) not in NAMES:
        return
    forms = _forms(str(public_name(kind)).removeprefix("sklearn."))
    if learnt.keys() <= {"_sklearn_output_config"}:
        return
    if forms is None:
        raise ValueError(f"{kind.__name__} can only be kept while it is not fitted")
    if hasattr(kind, "n_features_in_"):  # which asks another estimator, and learns none
        del forms["n_features_in_"]
    optional = {name for name, (_, may_lack) in forms.items() if may_lack}
    wrong = (learnt.keys() ^ forms.keys()) - (optional - learnt.keys())
    if wrong:
        raise ValueError(
            f"{kind.__name__} lacks or has by mistake the attributes {sorted(wrong)}"[:300]
        )
    sizes: dict[str, int] = {}
    for name, (form, _) in forms.items():
        if name in learnt and not _is_one_of(learnt[name], form, sizes):
            raise ValueError(
                f"{name} of {kind.__name__} is no {form}, given what else it has learnt"
            )
    _check_codes(kind.__name__, learnt)


def _forms(name: str) -> dict[str, tuple[str, bool]] | None:
    """Form of each attribute, and whether it may lack; None where nothing learnt is kept."""
    text = _LEARNT[name]
    if text is None:
        return None
    lines = filter(None, map(_LINE.fullmatch, f"{_OF_ALL}\n{text}".splitlines()))
    return {line[1]: (line[3].strip(), line[2] == "?") for line in lines}


def _is_one_of(value: Any, forms: str, sizes: dict[str, int]) -> bool:
    for form in forms.split(" | "):
        found = dict(sizes)
        if _is(value, form, found):
            sizes.update(found)
            return True
    return False


def _is(value: Any, form: str, sizes: dict[str, int]) -> bool:
    """Whether a value has a form. Sizes that are met for the first time are noted."""
    if form.startswith("="):
        return _is(value, "int", sizes) and _has_size(int(value), form[1:], sizes)
    size, times, item = form.partition(" * ")
    if times:
        return (
            isinstance(value, list)
            and _has_size(len(value), size, sizes)
            and all(_is(part, item, sizes) for part in value)
        )
    parts = _FORM.fullmatch(form)
    assert parts is not None
    kind, shape = parts[1], parts[2]
    if shape is not None:
        return _is_array(value, kind, shape.split(","), sizes)
    if kind not in _TYPES:  # the name of a class
        return public_name(type(value)) in NAMES and type(value).__name__ == kind
    return isinstance(value, _TYPES[kind]) and not (
        isinstance(value, bool) and kind in ("int", "number")
    )


def _is_array(value: Any, kind: str, shape: list[str], sizes: dict[str, int]) -> bool:
    return (
        type(value) is np.ndarray
        and value.dtype.kind in _KINDS[kind]
        and value.dtype.isnative
        and (value.dtype.kind != "f" or value.dtype.itemsize in (4, 8))
        and value.ndim == len(shape)
        and all(_has_size(n, size, sizes) for n, size in zip(value.shape, shape, strict=True))
    )


def _has_size(n: int, size: str, sizes: dict[str, int]) -> bool:
    if size == "_":
        return True
    if size.isdecimal():
        return n == int(size)
    return n > 0 and sizes.setdefault(size, n) == n


def _check_codes(kind: str, learnt: dict[str, Any]) -> None:
    """Check what becomes an index into memory: where it points is not looked at again."""
    if kind == "RegressorChain" and sorted(learnt["order_"]) != list(range(len(learnt["order_"]))):
        raise ValueError("order_ of RegressorChain is no order")
    if learnt.get("_infrequent_enabled", False):
        raise ValueError(f"{kind} that gathers infrequent categories can only be kept unfitted")
    categories = learnt.get("categories_", [])
    if not all(map(_is_sorted, categories)):
        raise ValueError(f"categories_ of {kind} are not sorted")
    if learnt.get("_n_features_outs", [*map(len, categories)]) != [*map(len, categories)]:
        raise ValueError(f"_n_features_outs of {kind} are not the numbers of its categories")


def _is_sorted(values: Any) -> bool:
    """Whether values rise, NaN at the end; of text, which is found by a table, any order will do.

    Searching in others would find places beyond the last.
    """
    if values.dtype.kind in "UO":
        return True
    numbers = values[~np.isnan(values)] if values.dtype.kind == "f" else values
    return bool((numbers[1:] > numbers[:-1]).all()) and (
        values.dtype.kind != "f" or not np.isnan(values[: len(numbers)]).any()
    )
