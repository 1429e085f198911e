"""What a training is made of, and pure functions that make it: data, split, run."""

import warnings
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import TransformerMixin

from sklearn_kpd._common.schemes import (
    BoolArray,
    IntArray,
    best_scheme,
    find_schemes,
    nearest_scheme,
)
from sklearn_kpd._training.batches import Batches
from sklearn_kpd._training.checkpoints import Checkpoint
from sklearn_kpd.augment.augmentation import Augmentation
from sklearn_kpd.images import Array
from sklearn_kpd.keypoints import FloatArray
from sklearn_kpd.missing import apply_policy
from sklearn_kpd.model_selection import MIN_SHARE

# A training whose length nobody has set: in so many epochs of so many images it comes as far as
# ours have come in a few minutes; a row is not shown more often an epoch, so that tries are short.
_EPOCHS, _IMAGES_AN_EPOCH, _MOST_TIMES = 20, 6400, 16


@dataclass(frozen=True)
class LabelledImages:
    """Images and their keypoints.

    Attributes
    ----------
    images : ndarray of shape (n, height, width, channels)
        Pixels as the user gave them.
    gain : float
        What turns them into grey levels.
    values : ndarray of shape (n, n_outputs)
        Keypoints in pixels, NaN where not labelled.
    columns : list of str, or None
        Names of the coordinates, for messages.
    sample_weight : ndarray of shape (n,), or None
        Weights of the rows.
    groups : ndarray of shape (n,), or None
        Rows of one group are never on both sides of the validation split.
    augmentations : tuple of Augmentation
        Applied to each training batch in turn.
    """

    images: Array
    gain: float
    values: FloatArray
    columns: list[str] | None = None
    sample_weight: FloatArray | None = None
    groups: Array | None = None
    augmentations: tuple[Augmentation, ...] = ()


@dataclass(frozen=True)
class Schemes:
    """Labelling schemes of a network.

    Attributes
    ----------
    patterns : ndarray of shape (n_schemes, n_outputs), bool
        What each labels, the fullest first.
    chosen : ndarray of shape (n_outputs,), int
        Scheme by which each output is predicted.
    mirrored_outputs : bool, default=False
        Whether mirror images have outputs of their own, for each scheme.
    """

    patterns: BoolArray
    chosen: IntArray
    mirrored_outputs: bool = False

    def of_rows(self, values: FloatArray) -> IntArray:
        """Scheme of each row of keypoints, by what it labels."""
        return nearest_scheme(~np.isnan(values), self.patterns)


@dataclass(frozen=True)
class Split:
    """Rows to train on and rows to validate on.

    Attributes
    ----------
    rows : ndarray of int
        Those that are trained on.
    values : ndarray of shape (len(rows), n_outputs)
        Their keypoints, after the missing-label policy.
    validation : ndarray of int
        Those that are measured after every epoch.
    unlabelled : ndarray of int
        Those that have no label at all, and belong to no group that is validated.
    """

    rows: IntArray
    values: FloatArray
    validation: IntArray
    unlabelled: IntArray


@dataclass(frozen=True)
class Run:
    """One call of fit: the only place that knows whether it goes on, and from where.

    Attributes
    ----------
    seed : int
        Of the batches.
    deterministic_seed : int or None
        None where no `random_state` asks for the same weights again.
    epochs : int or None
        Epochs of the whole training; None leaves it to the number of rows.
    whole : bool
        Whether it is a training from its beginning to its end, with a schedule of the learning
        rate and early stopping, and no single epoch.
    goes_on : bool
        Whether the network is one that was trained before, by another call.
    history : dict of str to list of float
        Epochs that are done.
    checkpoint : Checkpoint or None
        Where the state is kept after every epoch.
    """

    seed: int
    deterministic_seed: int | None
    epochs: int | None
    whole: bool = True
    goes_on: bool = False
    history: dict[str, list[float]] = field(default_factory=dict)
    checkpoint: "Checkpoint | None" = None

    @property
    def n_epochs(self) -> int:
        """Epochs of the whole training."""
        return _EPOCHS if self.epochs is None else self.epochs

    def n_draws(self, n_rows: int) -> int:
        """Rows that an epoch shows: each once, or few of them several times.

        Examples
        --------
        >>> from sklearn_kpd._training.data import Run
        >>> run = Run(seed=0, deterministic_seed=None, epochs=None)
        >>> run.n_draws(20), run.n_draws(1000), run.n_draws(60_000)
        (320, 6400, 60000)
        """
        if self.epochs is not None:
            return n_rows
        return max(n_rows, min(_IMAGES_AN_EPOCH, _MOST_TIMES * n_rows))

    @property
    def n_done(self) -> int:
        """Epochs that are done: the number of the next one."""
        return len(self.history.get("loss", []))

    @property
    def first_epoch(self) -> int:
        """Number of the first epoch of this training, if it was killed in between or not."""
        return self.n_done if self.goes_on else 0

    @property
    def last_epoch(self) -> int:
        """Number of the epoch at which this training ends; it is not done any more."""
        if self.checkpoint is not None and self.checkpoint.stopped:
            return self.n_done
        return self.first_epoch + self.n_epochs

    def resumed(self) -> "Run":
        """Go on where a training that was killed has left its checkpoint, if there is one."""
        if self.checkpoint is None:
            return self
        if self.checkpoint.history and (
            self.deterministic_seed not in (None, self.checkpoint.seed)
            or len(self.checkpoint.history["loss"]) > self.n_epochs
        ):
            self.checkpoint.forget("holds this training with another seed, or more epochs", 5)
            return self
        history = {name: list(values) for name, values in self.checkpoint.history.items()}
        return replace(self, seed=self.checkpoint.seed, history=history)


def split_rows(
    n_rows: int,
    share: float,
    seed: int,
    *,
    sample_weight: FloatArray | None = None,
    groups: ArrayLike | None = None,
) -> tuple[IntArray, IntArray]:
    """Draw rows to train on and rows to validate on.

    The same seed draws the same rows, whatever their weights.

    Parameters
    ----------
    n_rows : int
        Rows in all.
    share : float
        Of the rows, for validation.
    seed : int
        Determines them.
    sample_weight : ndarray of shape (n_rows,), optional
        Rows with the weight 0 are on neither side.
    groups : array-like of shape (n_rows,), optional
        Rows of one group stay on one side.

    Returns
    -------
    training, validation : ndarray of int
        In rising order.

    Raises
    ------
    ValueError
        If every weight is 0, or all rows are one group.

    Examples
    --------
    >>> from sklearn_kpd._training.data import split_rows
    >>> split_rows(4, 0.5, seed=0, groups=["a", "a", "b", "b"])
    (array([0, 1]), array([2, 3]))
    """
    order = np.random.default_rng(seed).permutation(n_rows)
    if sample_weight is not None:
        order = order[sample_weight[order] > 0]
        if not len(order):
            raise ValueError(
                "sample_weight is 0 for every row with a label: there is nothing to learn."
            )
    n_validation = min(int(len(order) * share), len(order) - 1)
    if groups is None or not share:
        return np.sort(order[n_validation:]), np.sort(order[:n_validation])
    # groups in the order of their first rows, as many as do not go beyond the share
    _, group = np.unique(np.asarray(groups)[order], return_inverse=True)
    first = np.unique(group, return_index=True)[1]
    rank = np.argsort(np.argsort(first))[group]
    n_groups = len(first)
    if n_groups < 2:
        raise ValueError(
            "groups names one group for all rows, so none can be held out: set "
            "validation_split=0, or pass X_val and y_val."
        )
    sizes = np.cumsum(np.bincount(rank))
    n_held_out = np.clip(np.searchsorted(sizes, n_validation, side="right"), 1, n_groups - 1)
    return np.sort(order[rank >= n_held_out]), np.sort(order[rank < n_held_out])


def make_split(
    data: LabelledImages, share: float, seed: int, missing: str | TransformerMixin
) -> Split:
    """Split the rows, and apply the missing-label policy to those that are trained on.

    A row with no label at all is on neither side: there is nothing to validate, and a policy that
    fills labels would make up all of them.

    Parameters
    ----------
    data : LabelledImages
        All rows.
    share : float
        Of the rows, for validation.
    seed : int
        Determines them.
    missing : str or imputer
        Missing-label policy.
    """
    n_rows = len(data.values)
    without = np.asarray(np.isnan(data.values).all(axis=1))
    weights = np.ones(n_rows) if data.sample_weight is None else data.sample_weight
    labelled = weights if without.all() else np.where(without, 0, weights)  # the policy says so
    training, validation = split_rows(
        n_rows, share, seed, sample_weight=labelled, groups=data.groups
    )
    kept, values = apply_policy(missing, data.values[training], data.columns)
    unlabelled = without & (weights > 0)
    if data.groups is not None:
        unlabelled &= ~np.isin(data.groups, data.groups[validation])
    return Split(training[kept], values, validation, np.flatnonzero(unlabelled))


def validated_rows(
    values: FloatArray, rows: IntArray, missing: str | TransformerMixin
) -> IntArray:
    """Which of the rows that are held out are validated on.

    Those with a label; under "drop" those with all of them: what it leaves out of the training was
    often labelled to another standard, and is no measure of it either.

    Parameters
    ----------
    values : ndarray of shape (n, n_outputs)
        Keypoints, NaN where not labelled.
    rows : ndarray of int
        Held out.
    missing : str or imputer
        Missing-label policy.

    Warns
    -----
    UserWarning
        If "drop" leaves none.
    """
    unlabelled = np.isnan(values[rows])
    if not (isinstance(missing, str) and missing == "drop"):
        return rows[~unlabelled.all(axis=1)]
    complete = rows[~unlabelled.any(axis=1)]
    if len(rows) and not len(complete):
        warnings.warn(
            f"missing='drop' leaves none of the {len(rows)} rows that were held out, as none has "
            "all its labels: nothing is validated, so the training is not stopped early and "
            "standard deviations are not calibrated. Hold more rows out, or pass X_val and y_val.",
            UserWarning,
            stacklevel=4,  # seen from where `fit` was called
        )
    return complete


def make_schemes(labelled: BoolArray, kind: str | None) -> Schemes:
    """Find the labelling schemes of the training rows.

    Parameters
    ----------
    labelled : ndarray of shape (n, n_outputs), bool
        Where the training rows are labelled, before the missing-label policy.
    kind : {"pattern", None}
        None makes one scheme of all.
    """
    patterns = np.ones((1, labelled.shape[1]), dtype=bool)
    if kind is not None:
        patterns = find_schemes(labelled, MIN_SHARE)
    rows = nearest_scheme(labelled, patterns)
    return Schemes(patterns, best_scheme(labelled, rows, len(patterns)))


def training_batches(
    data: LabelledImages,
    split: Split,
    schemes: Schemes,
    run: Run,
    *,
    batch_size: int,
    sampling: str,
    unlabelled: bool = False,
) -> Batches:
    """Batches of the training rows, each drawn anew.

    Parameters
    ----------
    data, split, schemes, run
        What is trained on, and how.
    batch_size : int
        Rows in a batch.
    sampling : {"labels", "rows"}
        How the rows of an epoch are drawn.
    unlabelled : bool, default=False
        Whether rows with no label are there too, the last ones. They have no share of an epoch,
        and NaN for labels, until :class:`SelfTraining` gives them some.
    """
    weights, rows, values = data.sample_weight, split.rows, split.values
    row_schemes = schemes.of_rows(data.values[rows])
    row_shares = label_shares(values) if sampling == "labels" else None
    if unlabelled:
        n_more = len(split.unlabelled)
        rows = np.concatenate([rows, split.unlabelled])
        values = np.pad(values, [(0, n_more), (0, 0)], constant_values=np.nan)
        row_schemes = np.pad(row_schemes, (0, n_more))  # the fullest
        if row_shares is None:
            row_shares = np.full(len(split.rows), 1 / len(split.rows))
        row_shares = np.pad(row_shares, (0, n_more))
    return Batches(
        data.images,
        rows,
        values,
        gain=data.gain,
        batch_size=batch_size,
        row_schemes=row_schemes,
        n_schemes=len(schemes.patterns),
        mirrored_outputs=schemes.mirrored_outputs,
        sample_weight=None if weights is None else weights[rows],
        augmentations=data.augmentations,
        row_shares=row_shares,
        n_draws=run.n_draws(len(rows)),
        seed=run.seed,
    )


def validation_batches(
    data: LabelledImages, rows: IntArray, schemes: Schemes, *, batch_size: int
) -> Batches | None:
    """Batches of rows in their order, as they are; None where there are none.

    Parameters
    ----------
    data : LabelledImages
        Where the rows are from.
    rows : ndarray of int
        The rows.
    schemes : Schemes
        Of the training rows.
    batch_size : int
        Rows in a batch.
    """
    if not len(rows):
        return None
    return Batches(
        data.images,
        rows,
        data.values[rows],
        gain=data.gain,
        batch_size=batch_size,
        row_schemes=schemes.of_rows(data.values[rows]),
        n_schemes=len(schemes.patterns),
        mirrored_outputs=schemes.mirrored_outputs,
        sample_weight=None if data.sample_weight is None else data.sample_weight[rows],
    )


def label_shares(values: FloatArray) -> FloatArray:
    """Share of all labelled values that each row has.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_kpd._training.data import label_shares
    >>> label_shares(np.array([[1.0, np.nan], [1.0, 2.0], [3.0, np.nan]]))
    array([0.25, 0.5 , 0.25])
    """
    counts = (~np.isnan(values)).sum(axis=1)
    return counts / counts.sum()
