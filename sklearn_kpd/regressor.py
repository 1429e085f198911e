"""KeypointRegressor: a Keras CNN that finds keypoints, as a scikit-learn regressor."""

from sklearn_kpd._common import quiet  # noqa: F401, isort: skip

import contextlib
import copy
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from numbers import Integral, Real
from typing import Any

import keras
import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import TransformerMixin
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from sklearn_kpd import losses, metrics, networks
from sklearn_kpd._common.gpus import claim_gpus
from sklearn_kpd._common.keras import check_process, fitting_alone, n_replicas
from sklearn_kpd._common.label_checks import warn_of_shifted_labels, warn_of_suspicious_labels
from sklearn_kpd._common.schemes import IntArray, nearest_scheme
from sklearn_kpd._common.sklearn import (
    HasMethods,
    Interval,
    RandomState,
    StrOptions,
    check_sample_weight,
)
from sklearn_kpd._inference.calibration import calibrate, calibrated
from sklearn_kpd._inference.export import serving_model, write
from sklearn_kpd._inference.predictor import Predictor
from sklearn_kpd._training.averaging import ema_momentum
from sklearn_kpd._training.batches import Batches
from sklearn_kpd._training.build import build_network, start_from_mean
from sklearn_kpd._training.callbacks import make_callbacks
from sklearn_kpd._training.checkpoints import Checkpoint, fingerprint
from sklearn_kpd._training.data import (
    LabelledImages,
    Run,
    Schemes,
    make_schemes,
    make_split,
    training_batches,
    validated_rows,
    validation_batches,
)
from sklearn_kpd._training.devices import on_devices
from sklearn_kpd._training.heatmaps import ends_in_heatmaps, shows_heatmaps, takes_heatmaps
from sklearn_kpd._training.optimizer import compile_model, make_optimizer
from sklearn_kpd._training.options import check_options
from sklearn_kpd._training.schedules import SCHEDULES
from sklearn_kpd._training.scikeras import KerasRegressorBase
from sklearn_kpd._training.self_training import Labeller, SelfTraining
from sklearn_kpd._training.stream import DrawEpochs
from sklearn_kpd._training.train import Outcome, schedule_callbacks, train
from sklearn_kpd.augment.augmentation import Augmentation, mirrors_half, share_mirrored
from sklearn_kpd.augment.images import AugmentedImages
from sklearn_kpd.images import check_images, grey_level_gain
from sklearn_kpd.keypoints import (
    FloatArray,
    Keypoints,
    align,
    check_keypoints,
    columns_from_names,
    flip_permutation,
    keypoint_order,
    pixels_per_unit,
)
from sklearn_kpd.losses import PixelRMSE
from sklearn_kpd.missing import POLICIES
from sklearn_kpd.photographs.crops import Crops

__all__ = ["KeypointRegressor"]

_NO_SCALE = (
    "spread='heatmaps' needs heatmaps that were trained to reach as far as the errors do: a "
    "network that ends in networks.SpatialSoftArgmax, as 'heatmap' does, and loss='laplace'. All "
    "others have spread='moves'."
)
# Images that predict looks at together, if the batches of training are not larger.
_PREDICTION_BATCH = 64


class KeypointRegressor(KerasRegressorBase):
    """Find keypoints in images with a convolutional network.

    Images may have the shape (n, height, width, channels), (n, height, width) or
    (n, height * width), as integers in 0..255 or floats in 0..1 or 0..255, the same range at
    `fit` and `predict`; bool is black and white. Keypoints are
    pixels, (0, 0) the centre of the first pixel, NaN where not labelled: a DataFrame with
    columns ``<name>_x``, ``<name>_y``, or an array of shape (n, 2 * k) or (n, k, 2).

    Parameters
    ----------
    network : str or callable, default="heatmap"
        Name of a network of :mod:`sklearn_kpd.networks`: "heatmap", the more accurate, "cnn",
        the plain and faster one, which takes single coordinates too, or "backbone", a model of
        ``keras.applications``, for those who have weights of it. Or a function
        ``network(image_shape, n_outputs)`` that returns a ``keras.Model``, not compiled, from
        pixels in 0..255 to network units, in which 0 is the centre of the image and ±1 the
        edge of its longer side. Its other arguments can be given as ``network__<argument>``.
    missing : str or imputer, default="mask"
        What becomes of labels that are missing from the training rows: "mask" (each value
        that is labelled counts, the others do not), "drop" (rows with a missing label are left
        out, of the validation too), "mean", "median", "knn", "iterative" (filled by
        scikit-learn's imputers), or an imputer. The loss leaves out what is still missing,
        whatever the policy.
    schemes : {"pattern", None}, default="pattern"
        Labelling schemes. "pattern": rows with other patterns of labels (in Kaggle's file 15
        keypoints or 4) were annotated by other people, to other standards, so each pattern
        that a twentieth of the rows share, and ten at least, has outputs of its own, from shared
        features; a row with another pattern counts to the nearest. Predictions follow the fullest
        pattern. None: one set of outputs for all rows.
    mirrored_outputs : bool, default=False
        Whether mirror images, of an augmentation that flips, have outputs of their own, from
        shared features. Labels that are not the same in a mirror, all a little to the right or
        left and right set with other care, teach one set of outputs neither the one nor the other;
        two sets learn both, and predictions of images follow what was labelled. Both have to be
        taught, best with ``flip=0.5``; without a flip there is one set. Loss and metrics have to
        leave missing values out. A training that goes on keeps to what its network has.

        .. versionadded:: 0.2
    sampling : {"labels", "rows"}, default="labels"
        How the rows of an epoch are drawn: "labels" draws a row the more often the more labels it
        has, so that the time goes to the rows that teach most; the length of an epoch stays as it
        is. "rows" draws all alike, as "labels" does where all rows have as many labels.
    self_training : float, default=0.0
        Share of the images of an epoch, at most, that may come from rows with no label at all,
        whole rows of NaN: the network labels them itself, from the first quarter of the training
        on and for each epoch anew, and learns from moved copies of them. So it needs an
        augmentation to gain from it. With few labels it gains much, with thousands of labelled
        rows it may cost. With 0 rows without labels teach nothing.

        .. versionadded:: 0.2
    loss : {"auto", "laplace", "huber", "mse", "wing"} or keras.losses.Loss, default="auto"
        Loss over the labelled values, see :mod:`sklearn_kpd.losses`. "auto" is "laplace" for
        networks that end in heatmaps (:class:`~sklearn_kpd.networks.SpatialSoftArgmax`), "huber"
        for others. Arguments of the named ones can be given, in pixels, as ``loss__<argument>``:
        ``loss__delta=2.0``.
    optimizer : str, class or keras.optimizers.Optimizer, default="adamw"
        Keras optimizer. Its arguments can be given as ``optimizer__<argument>``, for example
        ``optimizer__beta_2=0.99``; an instance keeps its own.
    learning_rate : float, default=4e-3
        The highest learning rate, unless the optimizer is an instance.
    weight_decay : float, default=0.01
        Decoupled weight decay, unless the optimizer is an instance. Biases and normalisation are
        left out of it.
    learning_rate_schedule : {"cosine", "constant"}, default="cosine"
        "cosine" warms up over the first twentieth of the training and then falls to 0 with
        half a cosine. An optimizer that brings a schedule of its own keeps to that.
    batch_size : int, default=32
        Images in a batch. `predict` looks at 64 together, or at these where they are more.
    epochs : int or None, default=None
        Number of passes over the training rows. None trains by time more than by rows: 20 epochs
        of 6,400 images at least, in which few rows are shown several times, each up to 16 times an
        epoch and augmented anew each time.
    validation_split : float, default=0.1
        Share of the rows, drawn at random, that is not trained on, never augmented, and
        measured after every epoch. 0 for none.
    weight_average : float, default=0.05
        What is validated and kept is an exponential moving average of the weights that looks
        back over this share of the training. 0 keeps the weights of the last step.
    patience : int or None, default=10
        Stop when the validation RMSE has not improved for so many epochs, and restore the
        weights of the best epoch. None trains for all the epochs and keeps the last weights: the
        better choice for a long training, whose learning rate would still be high when by chance
        ten short epochs gain nothing.
    mixed_precision : {"float16", "bfloat16", None}, default=None
        Compute in half precision, "float16" on a GPU, "bfloat16" on processors and accelerators
        that have it, while weights, output and loss stay float32. A network of your own has to
        give its last layer ``dtype="float32"``. None computes in float32, or by Keras' global
        dtype policy.
    devices : "all" or list of str, default=None
        What to train on: all GPUs of this machine, or names such as ``["GPU:0", "GPU:1"]``. Each
        takes a part of every batch, and the network learns what it would on one device, but for
        rounding: loss, clipping and batch normalisation are those of the whole batch. So give
        `batch_size` for all together. None leaves it to Keras, which takes the first GPU. Needs
        Keras on TensorFlow.

        .. versionadded:: 0.2
    tta : {"flip", "moves", None}, default=None
        Test-time augmentation: "flip" predicts the mean of what is found in an image and in its
        mirror image, at twice the cost; "moves" that of eight slightly moved copies, half of them
        mirrored, at eight times the cost. Left and right are known from the names of y's columns,
        or from the `flip_pairs` of the augmentation; if they are not, "moves" mirrors no copy.
    spread : {"moves", "heatmaps"}, default="moves"
        What `predict` reads its standard deviation from: "moves", how far the predictions for
        eight slightly moved copies of an image lie apart, at some ten times the cost; "heatmaps",
        how far the heatmap of each keypoint reaches, in the pass that predicts, or in one more
        with `tta`. For images like those of the training the one is as good as the other; in
        others, noisy ones above all, "heatmaps" may find too small a standard deviation. It needs
        a network that ends in heatmaps, and the loss "laplace". It can be set after `fit`.

        .. versionadded:: 0.2
    image_shape : tuple of int, default=None
        Shape of flat images, (height, width) or (height, width, channels); one number may be
        -1. By default flat images are grey squares.
    callbacks : list of keras.callbacks.Callback, default=None
        Further callbacks, instances or classes.
    warm_start : bool, default=False
        Whether `fit` goes on from the weights and the optimizer that are there.
    checkpoint_dir : str or path-like, default=None
        Folder in which `fit` keeps the state of the training after every epoch. If it is killed
        or interrupted, `fit` with the same data and parameters goes on from the last finished
        epoch, to the same weights; with others it starts anew, with a warning. Files of finished
        trainings are deleted. Does not concern `partial_fit`, a `fit` that goes on by
        `warm_start`, nor the state of `callbacks`.
    verbose : int, default=1
        Keras' progress bar: 1 for a bar, 2 for a line an epoch, 0 for silence.
    random_state : int, RandomState instance or None, default=None
        Determines the split, the weights at the start, the order of the batches, and the
        augmentation if its own `random_state` is None.
    **routed : dict
        Arguments for parts, as ``network__<argument>``, ``loss__<argument>``,
        ``optimizer__<argument>``, ``callbacks__<argument>``, and ``compile__<argument>``,
        ``fit__<argument>`` for those functions of ``keras.Model``.

    Attributes
    ----------
    model_ : keras.Model
        The network.
    history_ : dict of str to list of float
        Per epoch: ``loss`` (network units, or a log-likelihood with "laplace") and ``rmse``
        (pixels) of the training batches as augmented, ``val_loss`` and ``val_rmse`` of the
        validation rows. For crops of photographs these are pixels of the crop.
    keypoint_names_ : tuple of str, or None
        Names of the keypoints, if y was a DataFrame that has them.
    schemes_ : ndarray of shape (n_schemes, n_outputs), bool
        Pattern of labels of each labelling scheme, the fullest first.
    image_shape_ : (int, int, int)
        Height, width and channels.
    flip_permutation_ : ndarray of shape (k,), int, or None
        Which keypoint takes which place in a mirror image, if names or `flip_pairs` say so.
    calibration_ : ndarray of shape (2, n_outputs), or None
        What turns the spread of the predictions for moved copies into a standard deviation: floor
        in pixels, and slope, by which ``std² = floor² + (slope · spread)²``. None without
        validation rows.
    heatmap_calibration_ : ndarray of shape (2, n_outputs), or None
        The same for ``spread="heatmaps"``. None also where the heatmaps tell no scale.

        .. versionadded:: 0.2
    n_features_in_ : int
        Pixels of an image, times channels.
    feature_names_in_ : ndarray of str
        Names of the columns of X, if X was a DataFrame of flat images.

    Examples
    --------
    >>> from sklearn_kpd import KeypointRegressor
    >>> from sklearn_kpd.datasets import make_faces
    >>> X, y = make_faces(20, random_state=0)
    >>> regressor = KeypointRegressor("cnn", epochs=1, verbose=0, random_state=0).fit(X, y)
    >>> regressor.predict(X).shape
    (20, 30)
    """

    _parameter_constraints = {
        "network": [str, callable],
        "missing": [StrOptions(set(POLICIES)), HasMethods(["fit_transform"])],
        "schemes": [StrOptions({"pattern"}), None],
        "mirrored_outputs": ["boolean"],
        "sampling": [StrOptions({"labels", "rows"})],
        "self_training": [Interval(Real, 0, 1, closed="left")],
        "loss": [StrOptions({"auto", *losses.LOSSES}), keras.losses.Loss],
        "optimizer": [str, type, keras.optimizers.Optimizer],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "learning_rate_schedule": [StrOptions(set(SCHEDULES))],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "epochs": [Interval(Integral, 1, None, closed="left"), None],
        "validation_split": [Interval(Real, 0, 1, closed="left")],
        "weight_average": [Interval(Real, 0, 1, closed="left")],
        "patience": [Interval(Integral, 1, None, closed="left"), None],
        "mixed_precision": [StrOptions({"float16", "bfloat16"}), None],
        "devices": [StrOptions({"all"}), list, tuple, None],
        "tta": [StrOptions({"flip", "moves"}), None],
        "spread": [StrOptions({"moves", "heatmaps"})],
        "image_shape": [tuple, list, None],
        "callbacks": [list, dict, type, keras.callbacks.Callback, None],
        "warm_start": ["boolean"],
        "checkpoint_dir": [str, os.PathLike, None],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
    }

    float_gain_: float | None
    calibration_: FloatArray | None
    heatmap_calibration_: FloatArray | None
    flip_permutation_: IntArray | None

    def __init__(
        self,
        network: str | Callable[..., keras.Model] = "heatmap",
        *,
        missing: str | TransformerMixin = "mask",
        schemes: str | None = "pattern",
        mirrored_outputs: bool = False,
        sampling: str = "labels",
        self_training: float = 0.0,
        loss: str | keras.losses.Loss = "auto",
        optimizer: str | type | keras.optimizers.Optimizer = "adamw",
        learning_rate: float = 4e-3,
        weight_decay: float = 0.01,
        learning_rate_schedule: str = "cosine",
        batch_size: int = 32,
        epochs: int | None = None,
        validation_split: float = 0.1,
        weight_average: float = 0.05,
        patience: int | None = 10,
        mixed_precision: str | None = None,
        devices: str | Sequence[str] | None = None,
        tta: str | None = None,
        spread: str = "moves",
        image_shape: tuple[int, ...] | None = None,
        callbacks: Any = None,
        warm_start: bool = False,
        checkpoint_dir: str | os.PathLike[str] | None = None,
        verbose: int = 1,
        random_state: RandomState = None,
        **routed: Any,
    ) -> None:
        self.network = network
        self.missing = missing
        self.schemes = schemes
        self.mirrored_outputs = mirrored_outputs
        self.sampling = sampling
        self.self_training = self_training
        self.loss = loss
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.learning_rate_schedule = learning_rate_schedule
        self.batch_size = batch_size
        self.epochs = epochs
        self.validation_split = validation_split
        self.weight_average = weight_average
        self.patience = patience
        self.mixed_precision = mixed_precision
        self.devices = devices
        self.tta = tta
        self.spread = spread
        self.image_shape = image_shape
        self.callbacks = callbacks
        self.warm_start = warm_start
        self.checkpoint_dir = checkpoint_dir
        self.verbose = verbose
        self.random_state = random_state
        self._set_routed(routed)

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        groups: ArrayLike | None = None,
        X_val: ArrayLike | None = None,
        y_val: ArrayLike | None = None,
    ) -> "KeypointRegressor":
        """Train the network.

        Parameters
        ----------
        X : array-like, LazyImages, AugmentedImages or Crops
            Images, what `AugmentTransformer` makes of them, or crops of photographs from
            `CropTransformer`, whose photographs are read now.
        y : DataFrame or array-like of shape (n, 2 * k) or (n, k, 2)
            Keypoints in pixels of the images, or of the photographs; NaN where not labelled.
        sample_weight : array-like of shape (n,), default=None
            Weights of the rows.
        groups : array-like of shape (n,), default=None
            Rows of one group, such as faces of one photograph or frames of one video, are never
            on both sides of the validation split. Crops of one photograph are a group by
            themselves.

            .. versionadded:: 0.2
        X_val, y_val : as X and y, default=None
            Rows to validate on, in place of a share of `X` and `y`. In a Pipeline, name them in
            ``Pipeline(..., transform_input=["X_val"])``.

            .. versionadded:: 0.2

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For parameters or data that are wrong; the message says what to do.
        DivergedError
            If the loss became NaN or infinite.

        Notes
        -----
        Whatever error ends it, the estimator is as it was before: not fitted, or fitted as it was.
        """
        with fitting_alone(self):
            return self._fit(
                X, y, sample_weight, groups, X_val, y_val, goes_on=self.warm_start, whole=True
            )

    def partial_fit(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> "KeypointRegressor":
        """Train for one more epoch, on all rows and at the optimizer's own learning rate.

        Parameters
        ----------
        X, y, sample_weight
            As in :meth:`fit`.

        Returns
        -------
        self
        """
        with fitting_alone(self):
            return self._fit(X, y, sample_weight, None, None, None, goes_on=True, whole=False)

    def _fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None,
        groups: ArrayLike | None,
        X_val: ArrayLike | None,
        y_val: ArrayLike | None,
        *,
        goes_on: bool,
        whole: bool,
    ) -> "KeypointRegressor":
        # 1 validate
        goes_on = goes_on and hasattr(self, "model_")
        self._check_parameters()
        learnt, data = self._read_data(X, y, sample_weight, groups, reset=not goes_on)
        held_out = learnt._read_held_out(X_val, y_val)
        run = learnt._plan(data, goes_on=goes_on, whole=whole)

        # 2 split, missing-label policy, labelling schemes
        share = self.validation_split if whole and held_out is None else 0.0
        split = make_split(data, share, learnt._split_seed, self.missing)
        schemes = learnt._find_schemes(data, split.rows, reset=not goes_on)

        # 3 batches, each drawn anew, in network units
        sizes = {"batch_size": self.batch_size}
        others = whole and self.self_training > 0 and len(split.unlabelled) > 0
        training = training_batches(
            data, split, schemes, run, sampling=self.sampling, unlabelled=others, **sizes
        )
        if held_out is None:
            held_out, rows = data, split.validation
        else:
            rows = np.arange(len(held_out.values))
        rows = validated_rows(held_out.values, rows, self.missing)
        validation = validation_batches(held_out, rows, schemes, **sizes)

        # 4 the network, its masked loss and its optimizer
        if not goes_on:
            learnt._build(training, data.values.shape[1], run.n_epochs * len(training))
        learnt._check_spread()

        # 5 Keras ▶ history_
        validates = validation is not None
        epochs = learnt._epochs(data, training, run, others=others)
        callbacks = learnt._callbacks(run, len(training), validates=validates)
        shown = shows_heatmaps(learnt.model_)
        with on_devices(shown, self.devices) as model, self._in_training(model):
            outcome = train(model, epochs, validation, run, callbacks, verbose=self.verbose)
        learnt.history_ = outcome.history

        # 6 calibrate
        if validates:
            mirrors = mirrors_half(data.augmentations)
            learnt._calibrate(held_out, rows, schemes, mirrors=mirrors)
        self._take_over(learnt)
        self._finish(run, outcome)
        return self

    def _check_parameters(self) -> None:
        check_process()
        claim_gpus()
        self._validate_params()
        check_options(self._routed("fit"), self._routed("compile"))
        if n_replicas() > 1:
            raise ValueError(
                "fit inside a tf.distribute strategy with several devices would average "
                "gradients wrongly where labels are missing: fit outside of its scope, and set "
                "devices."
            )

    def _read_data(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None,
        groups: ArrayLike | None,
        *,
        reset: bool,
    ) -> tuple["KeypointRegressor", LabelledImages]:
        """Read the data; what is learnt goes to a copy, so that failing changes nothing."""
        learnt = self._unfitted() if reset else copy.copy(self)
        images, augmentations = _unwrap(X)
        images = check_images(learnt, images, self.image_shape, reset=reset)
        keypoints = check_keypoints(y)
        check_consistent_length(images, keypoints.values, groups)
        weights: FloatArray | None = None
        if sample_weight is not None:
            weights = check_sample_weight(sample_weight, images, ensure_non_negative=True)
        if not reset:
            augmentations = _in_order(augmentations, keypoints.names, self.keypoint_names_)
        keypoints = learnt._check_targets(keypoints, reset=reset)
        if groups is None and isinstance(images, Crops) and images.n_photographs > 1:
            groups = images.paths
        images, values = _in_frame(images, keypoints.values, augmentations, self.verbose)
        warn_of_suspicious_labels(values, images.shape[1:3])
        gain = grey_level_gain(images, None if reset else self.float_gain_ or 1.0)
        if reset:
            learnt.float_gain_ = gain if images.dtype.kind == "f" else None
            learnt.calibration_ = learnt.heatmap_calibration_ = None
            learnt._set_flip(keypoints, augmentations)
        return learnt, LabelledImages(
            images,
            gain,
            values,
            columns=None if keypoints.names is None else columns_from_names(keypoints.names),
            sample_weight=weights,
            groups=None if groups is None else np.asarray(groups),
            augmentations=augmentations,
        )

    def _read_held_out(self, X: ArrayLike | None, y: ArrayLike | None) -> LabelledImages | None:
        """Read the user's own validation rows, if there are any."""
        if X is None and y is None:
            return None
        if X is None or y is None:
            raise ValueError("X_val and y_val belong together: one of them is None.")
        images = check_images(self, X, reset=False)
        keypoints = check_keypoints(y)
        check_consistent_length(images, keypoints.values)
        keypoints = self._check_targets(keypoints, reset=False)
        images, values = _in_frame(images, keypoints.values, (), self.verbose)
        gain = grey_level_gain(images, self.float_gain_ or 1.0)
        return LabelledImages(images, gain, values)

    def _plan(self, data: LabelledImages, *, goes_on: bool, whole: bool) -> Run:
        """Decide on seeds and epochs, and look for a training that was killed."""
        self._random_state = None
        if self.random_state is not None:
            rng = check_random_state(self.random_state)
            self._random_state = rng.randint(2**31 - 1)
        seed = self._random_state
        if seed is None:  # the global state of NumPy is nobody's to move
            seed = int(np.random.default_rng().integers(2**31 - 1))
        checkpoint = None
        if self.checkpoint_dir is not None and not goes_on:
            settings = [
                self._training_settings(), data.values, data.columns, data.sample_weight,
                data.groups, data.augmentations,
            ]  # fmt: skip
            checkpoint = Checkpoint(self.checkpoint_dir, fingerprint(data.images, settings), seed)
        run = Run(
            seed=seed,
            deterministic_seed=self._random_state,
            epochs=self.epochs if whole else 1,
            whole=whole,
            goes_on=goes_on,
            history=self.history_ if goes_on else {},
            checkpoint=checkpoint,
        ).resumed()
        # A fit that goes on holds the same rows out as the first one.
        if not goes_on or getattr(self, "_split_seed", None) is None:
            self._split_seed = run.seed
        return run

    def _find_schemes(self, data: LabelledImages, rows: IntArray, *, reset: bool) -> Schemes:
        if reset:
            found = make_schemes(~np.isnan(data.values[rows]), self.schemes)
            self.schemes_, self._output_schemes = found.patterns, found.chosen
        apart = self._sets_mirrors_apart(data, goes_on=not reset)
        return Schemes(self.schemes_, self._output_schemes, apart)

    def _build(self, training: Batches, n_coordinates: int, n_batches: int) -> None:
        """Make and compile a new network."""
        n_outputs = training.n_output_sets * n_coordinates
        scale = pixels_per_unit(self.image_shape_[:2])
        defaults = {"learning_rate": self.learning_rate, "weight_decay": self.weight_decay}
        optimizer = make_optimizer(self.optimizer, defaults, self._routed("optimizer"))
        self.model_ = build_network(
            networks.get(self.network),
            self.image_shape_,
            n_outputs,
            self._routed("network"),
            seed=self._random_state,
            mixed_precision=self.mixed_precision,
        )
        start_from_mean(self.model_, training, self.flip_permutation_)
        loss = self._make_loss(scale)
        labelled = training.values[~np.isnan(training.values).all(axis=1)]
        _check_loss(loss, labelled, training, n_outputs)
        options = self._routed("compile")
        compile_model(
            self.model_,
            optimizer,
            loss,
            [PixelRMSE(scale), *(options.pop("metrics", None) or [])],
            ema_momentum(self.weight_average, n_batches),
            options,
        )

    def _make_loss(self, scale: float) -> keras.losses.Loss:
        by_heatmaps = ends_in_heatmaps(self.model_)
        loss = self.loss
        if loss == "auto":
            loss = "laplace" if by_heatmaps else "huber"
        made = losses.get(loss, scale, **self._routed("loss"))
        if takes_heatmaps(made) and not by_heatmaps:
            raise ValueError(
                f"loss={self.loss!r} takes its scale from heatmaps, and the network does not end "
                "in them: use loss='huber', or a network that ends in "
                "networks.SpatialSoftArgmax, as 'heatmap' does."
            )
        return made

    def _check_spread(self) -> None:
        if self.spread == "heatmaps" and not takes_heatmaps(self.model_.loss):
            raise ValueError(_NO_SCALE)

    def _calibrate(
        self, data: LabelledImages, rows: IntArray, schemes: Schemes, *, mirrors: bool
    ) -> None:
        """Fit the spread of predictions to their errors on the validation rows.

        And look whether the labels lie to one side, where the training has mirrored images.
        """
        if data.values.shape[1] % 2:  # no points
            return
        images, gain, size = data.images, data.gain, self._prediction_batch
        predictor = replace(self._predictor(), spread="moves")
        found, spread = predictor.pixels_and_spread(images, gain, rows=rows, batch_size=size)
        row_schemes = schemes.of_rows(data.values[rows])
        followed = row_schemes[:, np.newaxis] == schemes.chosen
        labels = np.where(followed, data.values[rows], np.nan)
        if mirrors:
            alike = self._alike_in_mirrors(data, rows, found)
            warn_of_shifted_labels(labels, alike, learnt=self._mirrors_apart)
        errors = found - labels
        if np.isnan(errors).all():
            return
        self.calibration_ = calibrate(spread, errors)
        if takes_heatmaps(self.model_.loss):
            predictor = replace(predictor, spread="heatmaps", tta=None)
            _, spread = predictor.pixels_and_spread(images, gain, rows=rows, batch_size=size)
            self.heatmap_calibration_ = calibrate(spread, errors)

    def _alike_in_mirrors(
        self, data: LabelledImages, rows: IntArray, found: FloatArray
    ) -> FloatArray:
        """What is found, less what only one set of outputs has learnt, where there are two."""
        predictor = self._predictor()
        if not predictor.mirrored_outputs:
            return found
        # The outputs of images as they are, asked for mirror images too: a shift cancels out.
        alike = replace(
            predictor, tta="flip", n_schemes=predictor.n_output_sets, mirrored_outputs=False
        )
        return alike.pixels(data.images, data.gain, rows=rows, batch_size=self._prediction_batch)

    def _epochs(
        self, data: LabelledImages, training: Batches, run: Run, *, others: bool
    ) -> DrawEpochs:
        """What draws the epochs, of images without labels too if there are others."""
        if not others:
            return DrawEpochs(training)
        return SelfTraining(training, self._labeller(data), self.self_training, run)

    def _callbacks(
        self, run: Run, n_batches: int, *, validates: bool
    ) -> list[keras.callbacks.Callback]:
        """Callbacks of the user's, and of a whole training."""
        users = make_callbacks(self.callbacks, self._routed("callbacks"))
        scheduled = schedule_callbacks(
            self.model_,
            run,
            run.n_epochs * n_batches,
            users,
            schedule=self.learning_rate_schedule,
            patience=self.patience if validates else None,
        )
        return [*users, *scheduled]

    def _labeller(self, data: LabelledImages) -> Labeller:
        """Labels of the fullest scheme for images, by the network that is trained."""
        predictor = replace(
            self._predictor(),
            schemes=np.zeros(data.values.shape[1], int),
            tta=None if self.flip_permutation_ is None else "flip",
        )

        def label(model: keras.Model, rows: IntArray) -> FloatArray:
            found = replace(predictor, model=model).pixels(
                data.images, data.gain, rows=rows, batch_size=self._prediction_batch
            )
            return np.where(self.schemes_[0], found, np.nan)

        return label

    @contextlib.contextmanager
    def _in_training(self, model: keras.Model) -> Iterator[None]:
        """Show the network that is trained, for as long as that takes.

        The functions of a LambdaCallback have no other way to it.
        """
        before = getattr(self, "model_", None)
        self.model_ = model
        try:
            yield
        finally:
            if before is None:
                del self.model_
            else:
                self.model_ = before

    def _unfitted(self) -> "KeypointRegressor":
        """Copy the parameters, and nothing that was learnt."""
        unfitted = copy.copy(self)
        for name in _learnt(self):
            delattr(unfitted, name)
        return unfitted

    def _take_over(self, learnt: "KeypointRegressor") -> None:
        """Assign what was learnt, all at once and last."""
        for name in _learnt(self) - _learnt(learnt):
            delattr(self, name)
        for name in vars(learnt).keys() - self.get_params(deep=False).keys():
            setattr(self, name, getattr(learnt, name))

    def _finish(self, run: Run, outcome: Outcome) -> None:
        if outcome.interrupted:
            warnings.warn(
                f"Training was interrupted in epoch {len(self.history_['loss'])}; the estimator "
                "has the best weights so far.",
                stacklevel=4,
            )
        elif run.checkpoint is not None:
            run.checkpoint.remove()

    def predict(
        self, X: ArrayLike, return_std: bool = False, scheme: ArrayLike | None = None
    ) -> Any:
        """Find the keypoints.

        Parameters
        ----------
        X : array-like, LazyImages or Crops
            Images of the size that was fitted, in any of the forms that `fit` takes.
        return_std : bool, default=False
            Whether to return a standard deviation too, of what is predicted about what a label
            would be. It is read from slightly moved copies of each image, at some ten times the
            cost, or from the heatmaps, see `spread`, and calibrated on the validation rows of
            `fit`, for images and labels like theirs. Were errors normal, 68.3 % of them would lie
            within one and 95.4 % within two; tails are heavier, and it lies half way between the
            numbers that keep the one and the other, which is about 70 and 94 %.
        scheme : int, array-like of shape (n,), int, or of shape (n, 2 * k), bool, default=None
            Labelling scheme to predict by: its number in `schemes_`, one for each image, or which
            coordinates each image is asked for, or is labelled with, such as ``y.notna()``; the
            nearest scheme is taken then. None predicts each coordinate by the fullest scheme that
            has it.

            .. versionadded:: 0.2

        Returns
        -------
        y_pred : ndarray of shape (n, 2 * k) or (n, k, 2), as y had, float64
            Keypoints in pixels.
        y_std : ndarray of the same shape, float64
            Standard deviation in pixels. Only if `return_std`.

        Raises
        ------
        ValueError
            For images of another size than at fit, an unknown scheme, or `return_std` with a
            scheme, after a fit without validation rows, or with a `spread` that the network does
            not tell.
        """
        check_is_fitted(self)
        check_process()
        claim_gpus()
        self._check_tta()
        images = check_images(self, X, reset=False)
        predictor = self._predictor(scheme, len(images))
        gain = grey_level_gain(images, self.float_gain_ or 1.0)
        shape = len(images), *self.y_shape_
        if not return_std:
            found = predictor.pixels(images, gain, batch_size=self._prediction_batch)
            return _from_frame(images, found).reshape(shape)
        if scheme is not None:
            raise ValueError(
                "return_std=True is calibrated for the scheme that predict takes by itself: leave "
                "scheme out, or return_std."
            )
        calibration = self._chosen_calibration()
        found, spread = predictor.pixels_and_spread(
            images, gain, batch_size=self._prediction_batch
        )
        y_std = calibrated(spread, calibration)
        if isinstance(images, Crops):
            y_std = images.scale_to_photograph(y_std)
        return _from_frame(images, found).reshape(shape), y_std.reshape(shape)

    def _chosen_calibration(self) -> FloatArray:
        if self.calibration_ is None:
            raise ValueError(
                "return_std=True needs a spread that was calibrated on validation rows, and there "
                "were none with labels of points: fit with validation_split above 0, so large "
                "that it holds a row out, or pass X_val and y_val to fit."
            )
        if self.spread == "moves":
            return self.calibration_
        if self.heatmap_calibration_ is None:
            raise ValueError(f"{_NO_SCALE} A model of before version 0.2 has to be fitted again.")
        return self.heatmap_calibration_

    def export(self, path: str | os.PathLike[str]) -> None:
        """Write what `predict` does to a file that is served without this package.

        The file takes ``images``, uint8 of shape (n, height, width, channels), and gives
        ``keypoints``, pixels in the shape that y had, float32; with ``tta="flip"`` those of image
        and mirror image are averaged in it. It computes in float32, also where the training was in
        mixed precision.

        Parameters
        ----------
        path : str or path-like
            Ends with ``.onnx``, for ONNX Runtime (``pip install 'sklearn-kpd[export]'``), or with
            ``.tflite``, for LiteRT.

        Raises
        ------
        ValueError
            For another ending, or with ``tta="moves"``.
        ImportError
            If a package that the format needs is not installed.

        See Also
        --------
        sklearn_kpd.serving.ExportedModel : Predicts by the file.
        """
        check_is_fitted(self)
        self._check_tta()
        if self.tta == "moves":
            raise ValueError(
                "export cannot move images: set_params(tta='flip') or set_params(tta=None) first."
            )
        write(serving_model(self._predictor(), self.y_shape_), path)

    def score(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """R² of the labelled values, averaged over the coordinates.

        Parameters
        ----------
        X : array-like
            Images.
        y : DataFrame or array-like
            Keypoints in pixels, NaN where not labelled.
        sample_weight : array-like of shape (n,), default=None
            Weights of the rows.

        Returns
        -------
        float
            1 is perfect, 0 what the column means reach.
        """
        check_is_fitted(self)
        keypoints = self._check_targets(check_keypoints(y), reset=False)
        return metrics.r2_score(keypoints.values, self.predict(X), sample_weight=sample_weight)

    def _check_targets(self, keypoints: Keypoints, *, reset: bool) -> Keypoints:
        """Learn the form of y, or bring y into the form, and the order, that was fitted."""
        if reset:
            self.y_shape_ = keypoints.shape
            self.keypoint_names_ = keypoints.names
            return keypoints
        if keypoints.names and self.keypoint_names_:
            keypoints = align(keypoints, self.keypoint_names_)
        if keypoints.shape != self.y_shape_:
            raise ValueError(
                f"y has the shape (n, *{keypoints.shape}), but {type(self).__name__} was fitted "
                f"on (n, *{self.y_shape_})."
            )
        return keypoints

    def _set_flip(self, keypoints: Keypoints, augmentations: tuple[Augmentation, ...]) -> None:
        """Find out which keypoints swap in a mirror image; None where nothing says so."""
        known = [a.permutation for a in augmentations if a.permutation is not None]
        self.flip_permutation_ = None
        if known:
            self.flip_permutation_ = known[0]
        elif keypoints.names is not None:
            # Names with no counterpart matter to those alone who ask for a flip.
            with contextlib.suppress(ValueError):
                self.flip_permutation_ = flip_permutation(len(keypoints.names), keypoints.names)
        self._check_tta()

    def _check_tta(self) -> None:
        if self.tta == "flip" and self.flip_permutation_ is None:
            raise ValueError(
                "tta='flip' has to know which keypoints swap left and right. Pass y as a "
                "DataFrame with columns such as 'left_eye_center_x', or put an AugmentTransformer "
                "with flip_pairs=[(0, 1), ...] before the regressor, and fit again."
            )
        if self.tta == "moves" and len(self.y_shape_) == 0:
            raise ValueError("tta='moves' moves points, and y has single coordinates.")

    def _predictor(self, scheme: ArrayLike | None = None, n_images: int = 0) -> Predictor:
        return Predictor(
            model=self.model_,
            image_size=self.image_shape_[:2],
            n_schemes=len(self.schemes_),
            schemes=self._output_schemes if scheme is None else self._schemes_of(scheme, n_images),
            permutation=self.flip_permutation_,
            tta=self.tta,
            mirrored_outputs=self._mirrors_apart,
            spread=self.spread,
        )

    def _schemes_of(self, scheme: ArrayLike, n_images: int) -> IntArray:
        """Read `scheme` of predict: one number an image, (n_images, 1)."""
        chosen, n_schemes = np.asarray(scheme), len(self.schemes_)
        if chosen.dtype.kind == "b" and chosen.size == n_images * self.schemes_.shape[1]:
            return nearest_scheme(chosen.reshape(n_images, -1), self.schemes_)[:, np.newaxis]
        if chosen.dtype.kind not in "iu" or chosen.shape not in ((), (n_images,)):
            raise ValueError(
                f"scheme has the shape {chosen.shape} and the type {chosen.dtype}; it may be a "
                "number, one for each image, or booleans, one for each coordinate of each image."
            )
        if ((chosen < 0) | (chosen >= n_schemes)).any():
            raise ValueError(
                f"scheme names the labelling scheme {chosen.max()}; there are {n_schemes}, from 0."
            )
        return np.broadcast_to(chosen, n_images).astype(np.intp)[:, np.newaxis]

    @property
    def _mirrors_apart(self) -> bool:
        """Whether mirror images have outputs of their own in the network."""
        n_outputs = len(self.schemes_) * self.schemes_.shape[1]
        return bool(self.model_.output_shape[1] == 2 * n_outputs)

    def _sets_mirrors_apart(self, data: LabelledImages, *, goes_on: bool) -> bool:
        """Whether mirror images have outputs of their own in this training."""
        share = share_mirrored(data.augmentations)
        wanted = self.mirrored_outputs and share > 0
        apart = self._mirrors_apart if goes_on else wanted
        if apart and share == 1:
            raise ValueError(
                "The augmentation mirrors every image, which would leave the outputs of images as "
                "they are untrained: with mirrored_outputs=True, flip times strength has to be "
                "below 1, best 0.5."
            )
        if wanted and not apart:
            warnings.warn(
                "mirrored_outputs=True changes nothing here, as the training goes on with a "
                "network that has one set of outputs for all images: fit anew.",
                UserWarning,
                stacklevel=5,
            )
        return apart

    @property
    def _prediction_batch(self) -> int:
        return max(self.batch_size, _PREDICTION_BATCH)

    def _training_settings(self) -> dict[str, Any]:
        """All parameters that decide how a training goes."""
        others = {
            "callbacks", "checkpoint_dir", "devices", "random_state", "spread", "tta", "verbose",
            "warm_start",
        }  # fmt: skip
        settings = {
            name: value
            for name, value in self.get_params(deep=False).items()
            if name.partition("__")[0] not in others
        }
        return {**settings, "seed": self._random_state, "keras": keras.__version__}

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "model_")

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.target_tags.multi_output = True
        return tags


def _learnt(estimator: KeypointRegressor) -> set[str]:
    """Names of attributes that say that an estimator is fitted."""
    return {name for name in vars(estimator) if name.endswith("_")}


def _in_order(
    augmentations: tuple[Augmentation, ...],
    names: Sequence[str] | None,
    wanted: Sequence[str] | None,
) -> tuple[Augmentation, ...]:
    """Augmentations of keypoints that are brought into the order of other names."""
    if not names or not wanted or names == wanted:
        return augmentations
    return tuple(a.reordered(keypoint_order(names, wanted)) for a in augmentations)


def _in_frame(
    images: Any, values: FloatArray, augmentations: tuple[Augmentation, ...], verbose: int | str
) -> tuple[Any, FloatArray]:
    """Read photographs, once, and take keypoints into their crops; arrays stay as they are."""
    if not isinstance(images, Crops):
        return images, values
    if values.shape[1] % 2:
        raise ValueError(
            "y holds single coordinates, and crops of photographs need an x and a y for each "
            "keypoint."
        )
    reach = sum(augmentation.reach(images.frame) for augmentation in augmentations)
    progress = None
    if verbose in (1, "auto"):
        bar = keras.utils.Progbar(images.n_photographs, unit_name="photograph")
        progress = bar.update
    return images.read(reach, progress=progress), images.to_crop(values)


def _from_frame(images: Any, values: FloatArray) -> FloatArray:
    """Bring keypoints from crops back to their photographs."""
    return images.to_photograph(values) if isinstance(images, Crops) else values


def _unwrap(X: ArrayLike | AugmentedImages) -> tuple[ArrayLike, tuple[Augmentation, ...]]:
    if isinstance(X, AugmentedImages):
        return X.images, X.augmentations
    return X, ()


def _check_loss(
    loss: keras.losses.Loss, values: FloatArray, training: Batches, n_outputs: int
) -> None:
    """Refuse a loss that takes no NaN where there will be some."""
    if np.isnan(values).any():
        reason, advice = "labels are missing", "missing='mean'"
    elif training.n_schemes > 1:
        reason, advice = "each row has labels for one scheme alone", "schemes=None"
    elif training.mirrored_outputs:
        reason = "each image has labels for its own outputs or those of mirror images"
        advice = "mirrored_outputs=False"
    else:
        return
    if losses.leaves_missing_out(loss, n_outputs):
        return
    raise ValueError(
        f"loss={type(loss).__name__}() takes no NaN, and {reason}: use a loss of "
        f"sklearn_kpd.losses, derive yours from losses.MaskedLoss, or set {advice}."
    )
