"""KeypointRegressor: a Keras CNN that finds keypoints, as a scikit-learn regressor."""

import contextlib
import os
import warnings
from numbers import Integral, Real
from typing import Any

import keras
import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils._tags import Tags
from sklearn.utils.validation import _check_sample_weight, check_consistent_length, check_is_fitted

from sklearn_kpd import losses, metrics, networks
from sklearn_kpd._averaging import AveragedWeights, ema_momentum
from sklearn_kpd._batches import Batches
from sklearn_kpd._checkpoints import Checkpoint, fingerprint
from sklearn_kpd._export import MirrorBack, SelectOutputs, serving_model, write
from sklearn_kpd._inference import infer
from sklearn_kpd._mixed_precision import in_single_precision, unscaled
from sklearn_kpd._moves import (
    Predict,
    calibrate,
    calibrated,
    flip_averaged,
    mean_and_spread,
)
from sklearn_kpd._schedules import SCHEDULES, CosineDecay
from sklearn_kpd._schemes import (
    IntArray,
    best_scheme,
    find_schemes,
    from_scheme_outputs,
    nearest_scheme,
    to_scheme_outputs,
)
from sklearn_kpd._scikeras import KerasRegressorBase
from sklearn_kpd.augment.images import AugmentedImages
from sklearn_kpd.images import Array, check_images, grey_level_gain, to_grey_levels
from sklearn_kpd.keypoints import (
    FloatArray,
    Keypoints,
    align,
    check_keypoints,
    columns_from_names,
    flip_permutation,
    from_units,
    keypoint_order,
    pixels_per_unit,
    to_units,
)
from sklearn_kpd.losses import PixelRMSE
from sklearn_kpd.missing import POLICIES, apply_policy
from sklearn_kpd.model_selection import MIN_SHARE

_PREDICTION_BATCH = 64


class KeypointRegressor(KerasRegressorBase):
    """Find keypoints in images with a convolutional network.

    Images may have the shape (n, height, width, channels), (n, height, width) or
    (n, height * width), as integers in 0..255 or floats in 0..1 or 0..255. Keypoints are
    pixels, (0, 0) the centre of the first pixel, NaN where not labelled: a DataFrame with
    columns ``<name>_x``, ``<name>_y``, or an array of shape (n, 2 * k) or (n, k, 2).

    Parameters
    ----------
    network : str or callable, default="heatmap"
        Name of a network of :mod:`sklearn_kpd.networks`: "heatmap", the more accurate, or "cnn",
        the plain and faster one, which takes single coordinates too. Or a function
        ``network(image_shape, n_outputs)`` that returns a ``keras.Model``, not compiled, from
        pixels in 0..255 to network units, in which 0 is the centre of the image and ±1 the
        edge of its longer side. Its other arguments can be given as ``network__<argument>``.
    missing : str or imputer, default="mask"
        What becomes of labels that are missing from the training rows: "mask" (each value
        that is labelled counts, the others do not), "drop" (rows with a missing label are left
        out), "mean", "median", "knn", "iterative" (filled by scikit-learn's imputers), or an
        imputer. The loss leaves out what is still missing, whatever the policy.
    schemes : {"pattern", None}, default="pattern"
        Labelling schemes. "pattern": rows with other patterns of labels (in Kaggle's file 15
        keypoints or 4) were annotated by other people, to other standards, so each pattern
        that a twentieth of the rows share, and ten at least, has outputs of its own, from shared
        features; a row with another pattern counts to the nearest. Predictions follow the fullest
        pattern. None: one set of outputs for all rows.
    sampling : {"labels", "rows"}, default="labels"
        How the rows of an epoch are drawn: "labels" draws a row the more often the more labels it
        has, so that the time goes to the rows that teach most; an epoch has as many draws as there
        are rows. "rows" takes each row once, as "labels" does where all rows have as many labels.
    loss : {"mse", "huber", "wing"} or keras.losses.Loss, default="huber"
        Loss over the labelled values, see :mod:`sklearn_kpd.losses`. Arguments of the named ones
        can be given, in pixels, as ``loss__<argument>``: ``loss__delta=2.0``.
    optimizer : str, class or keras.optimizers.Optimizer, default="adamw"
        Keras optimizer. Its arguments can be given as ``optimizer__<argument>``, for example
        ``optimizer__beta_2=0.99``; an instance keeps its own.
    learning_rate : float, default=2e-3
        The highest learning rate, unless the optimizer is an instance.
    weight_decay : float, default=0.01
        Decoupled weight decay, unless the optimizer is an instance. Biases and normalisation are
        left out of it.
    learning_rate_schedule : {"cosine", "constant"}, default="cosine"
        "cosine" warms up over the first twentieth of the training and then falls to 0 with
        half a cosine. An optimizer that brings a schedule of its own keeps to that.
    batch_size : int, default=32
        Images in a batch.
    epochs : int, default=15
        Number of passes over the training rows.
    validation_split : float, default=0.1
        Share of the rows, drawn at random, that is not trained on, never augmented, and
        measured after every epoch. 0 for none.
    weight_average : float, default=0.05
        What is validated and kept is an exponential moving average of the weights that looks
        back over this share of the training. 0 keeps the weights of the last step.
    patience : int or None, default=10
        Stop when the validation RMSE has not improved for so many epochs, and restore the
        weights of the best epoch. None trains for all the epochs and keeps the last weights.
    mixed_precision : {"float16", "bfloat16", None}, default=None
        Compute in half precision, "float16" on a GPU, "bfloat16" on processors and accelerators
        that have it, while weights, output and loss stay float32. A network of your own has to
        give its last layer ``dtype="float32"``. None computes in float32, or by Keras' global
        dtype policy.
    tta : {"flip", "moves", None}, default=None
        Test-time augmentation: "flip" predicts the mean of what is found in an image and in its
        mirror image, at twice the cost; "moves" that of eight slightly moved copies, half of them
        mirrored, at eight times the cost. Left and right are known from the names of y's columns,
        or from the `flip_pairs` of the augmentation; if they are not, "moves" mirrors no copy.
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
        Per epoch: ``loss`` (network units) and ``rmse`` (pixels) of the training batches as
        augmented, ``val_loss`` and ``val_rmse`` of the validation rows.
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
        in pixels, and slope. None without validation rows.
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
        "sampling": [StrOptions({"labels", "rows"})],
        "loss": [StrOptions(set(losses.LOSSES)), keras.losses.Loss],
        "optimizer": [str, type, keras.optimizers.Optimizer],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "learning_rate_schedule": [StrOptions(set(SCHEDULES))],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "epochs": [Interval(Integral, 1, None, closed="left")],
        "validation_split": [Interval(Real, 0, 1, closed="left")],
        "weight_average": [Interval(Real, 0, 1, closed="left")],
        "patience": [Interval(Integral, 1, None, closed="left"), None],
        "mixed_precision": [StrOptions({"float16", "bfloat16"}), None],
        "tta": [StrOptions({"flip", "moves"}), None],
        "image_shape": [tuple, list, None],
        "callbacks": [list, dict, type, keras.callbacks.Callback, None],
        "warm_start": ["boolean"],
        "checkpoint_dir": [str, os.PathLike, None],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
    }

    float_gain_: float | None
    calibration_: FloatArray | None
    flip_permutation_: Any

    def __init__(
        self,
        network: Any = "heatmap",
        *,
        missing: Any = "mask",
        schemes: str | None = "pattern",
        sampling: str = "labels",
        loss: Any = "huber",
        optimizer: Any = "adamw",
        learning_rate: float = 2e-3,
        weight_decay: float = 0.01,
        learning_rate_schedule: str = "cosine",
        batch_size: int = 32,
        epochs: int = 15,
        validation_split: float = 0.1,
        weight_average: float = 0.05,
        patience: int | None = 10,
        mixed_precision: str | None = None,
        tta: str | None = None,
        image_shape: tuple[int, ...] | None = None,
        callbacks: Any = None,
        warm_start: bool = False,
        checkpoint_dir: Any = None,
        verbose: int = 1,
        random_state: Any = None,
        **routed: Any,
    ) -> None:
        self.network = network
        self.missing = missing
        self.schemes = schemes
        self.sampling = sampling
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
        self.tta = tta
        self.image_shape = image_shape
        self.callbacks = callbacks
        self.warm_start = warm_start
        self.checkpoint_dir = checkpoint_dir
        self.verbose = verbose
        self.random_state = random_state
        self._set_routed(routed)

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "KeypointRegressor":
        """Train the network.

        Parameters
        ----------
        X : array-like or AugmentedImages
            Images, or what `AugmentTransformer` makes of them.
        y : DataFrame or array-like of shape (n, 2 * k) or (n, k, 2)
            Keypoints in pixels, NaN where not labelled.
        sample_weight : array-like of shape (n,), default=None
            Weights of the rows.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For parameters or data that are wrong; the message says what to do.
        """
        return self._fit(X, y, sample_weight, go_on=self.warm_start, one_epoch=False)

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> "KeypointRegressor":
        """Train for one more epoch, on all rows and at the optimizer's own learning rate.

        Parameters
        ----------
        X, y, sample_weight
            As in :meth:`fit`.

        Returns
        -------
        self
        """
        return self._fit(X, y, sample_weight, go_on=True, one_epoch=True)

    def _fit(
        self, X: Any, y: Any, sample_weight: Any, *, go_on: bool, one_epoch: bool
    ) -> "KeypointRegressor":
        # 1 validate
        self._validate_params()
        network = networks.get(self.network)
        go_on = go_on and hasattr(self, "model_")
        images, augmentations = _unwrap(X)
        images = check_images(self, images, self.image_shape, reset=not go_on)
        keypoints = check_keypoints(y)
        check_consistent_length(images, keypoints.values)
        if sample_weight is not None:
            sample_weight = _check_sample_weight(sample_weight, images, ensure_non_negative=True)
        if go_on:
            augmentations = _in_order(augmentations, keypoints.names, self.keypoint_names_)
        keypoints = self._check_targets(keypoints, reset=not go_on)
        if not go_on:
            self._set_flip(keypoints, augmentations)
        rng = check_random_state(self.random_state)
        self._random_state = None if self.random_state is None else rng.randint(2**31 - 1)
        seed = self._random_state
        if seed is None:  # the global state of NumPy is nobody's to move
            seed = int(np.random.default_rng().integers(2**31 - 1))
        checkpoint = None
        if self.checkpoint_dir is not None and not go_on:
            settings = [self._training_settings(), keypoints, sample_weight, augmentations]
            checkpoint = Checkpoint(self.checkpoint_dir, fingerprint(images, settings), seed)
            seed = checkpoint.seed

        # 2 missing-label policy and labelling schemes, on the training rows alone
        rows = np.arange(len(images)) if sample_weight is None else np.flatnonzero(sample_weight)
        if not len(rows):
            raise ValueError("sample_weight is 0 for every row: there is nothing to learn.")
        training, validation = _split(rows, 0 if one_epoch else self.validation_split, seed)
        columns = None if keypoints.names is None else columns_from_names(keypoints.names)
        # a row with no label has nothing to validate
        validation = validation[~np.isnan(keypoints.values[validation]).all(axis=1)]
        kept, values = apply_policy(self.missing, keypoints.values[training], columns)
        training = training[kept]
        labelled = ~np.isnan(keypoints.values)
        if not go_on:
            self._set_schemes(labelled[training])
        row_schemes = nearest_scheme(labelled, self.schemes_)

        # 3 pixels ▶ network units and 4 batches, drawn anew every epoch
        gain = grey_level_gain(images, self.float_gain_ if go_on else None)
        if not go_on:
            self.float_gain_ = gain if images.dtype.kind == "f" else None

        def batches(rows: Array, values: FloatArray, **options: Any) -> Batches:
            weights = None if sample_weight is None else sample_weight[rows]
            return Batches(
                images,
                rows,
                values,
                gain=gain,
                batch_size=self.batch_size,
                row_schemes=row_schemes[rows],
                n_schemes=len(self.schemes_),
                sample_weight=weights,
                **options,
            )

        first_epoch = 0
        if go_on:
            first_epoch = self.current_epoch
        elif checkpoint is not None:
            first_epoch = checkpoint.n_epochs
        training_set = batches(
            training,
            values,
            augmentations=augmentations,
            row_shares=_label_shares(values) if self.sampling == "labels" else None,
            seed=seed,
            epoch=first_epoch,
        )
        validation_set = None
        if len(validation):
            validation_set = batches(validation, keypoints.values[validation])

        # 5 masked loss ▶ Keras ▶ history_
        epochs = 1 if one_epoch else self.epochs
        n_batches = epochs * len(training_set)
        if not go_on:
            n_outputs = len(self.schemes_) * keypoints.values.shape[1]
            self.model_ = self._build(network, self.image_shape_, n_outputs)
            _check_output(self.model_, n_outputs)
            _start_from_mean(self.model_, training_set)
            scale = pixels_per_unit(self.image_shape_[:2])
            self._compile(
                losses.get(self.loss, scale, **self._routed("loss")),
                [PixelRMSE(scale)],
                ema_momentum(self.weight_average, n_batches),
            )
        callbacks = []
        if not one_epoch:
            callbacks = self._fit_callbacks_for(n_batches, validated=validation_set is not None)
        if unscaled(self.model_.optimizer).use_ema:
            callbacks.append(AveragedWeights())
        if checkpoint is not None:
            checkpoint.restore(self.model_, callbacks)
            callbacks.append(checkpoint)
            self.history_ = {name: list(values) for name, values in checkpoint.history.items()}
            epochs = 0 if checkpoint.stopped else epochs - checkpoint.n_epochs
        interrupted = self._train(
            training_set, validation_set, epochs=epochs, callbacks=callbacks, go_on=first_epoch > 0
        )
        if interrupted:
            warnings.warn(
                f"Training was interrupted in epoch {self.current_epoch}; the estimator has the "
                "best weights so far.",
                stacklevel=3,
            )
        if not go_on:
            self.calibration_ = None
        if len(validation):
            self._calibrate(images, gain, validation, keypoints.values, row_schemes)
        if checkpoint is not None and not interrupted:
            checkpoint.remove()
        return self

    def predict(self, X: Any, return_std: bool = False) -> Any:
        """Find the keypoints.

        Parameters
        ----------
        X : array-like
            Images of the size that was fitted, in any of the forms that `fit` takes.
        return_std : bool, default=False
            Whether to return a standard deviation too, of what is predicted about what a label
            would be. It is measured on slightly moved copies of each image, at some eight times
            the cost, and calibrated on the validation rows of `fit`.

        Returns
        -------
        y_pred : ndarray of shape (n, 2 * k) or (n, k, 2), as y had, float64
            Keypoints in pixels.
        y_std : ndarray of the same shape, float64
            Standard deviation in pixels. Only if `return_std`.

        Raises
        ------
        ValueError
            For images of another size than at fit, or `return_std` after a fit without
            validation rows.
        """
        check_is_fitted(self)
        self._check_tta()
        images = check_images(self, X, reset=False)
        gain = grey_level_gain(images, self.float_gain_)
        shape = len(images), *self.y_shape_
        if not return_std:
            return self._by_batch(self._predict_pixels, images, gain).reshape(shape)
        if self.calibration_ is None:
            raise ValueError(
                "return_std=True needs a spread that was calibrated on validation rows, and there "
                "were none with labels of points: fit with validation_split above 0."
            )
        found = self._by_batch(self._pixels_and_spread, images, gain)
        y_std = calibrated(found[:, 1], self.calibration_)
        return found[:, 0].reshape(shape), y_std.reshape(shape)

    def export(self, path: Any) -> None:
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
        """
        check_is_fitted(self)
        self._check_tta()
        if self.tta == "moves":
            raise ValueError(
                "export cannot move images: set_params(tta='flip') or set_params(tta=None) first."
            )
        n_outputs = self.schemes_.shape[1]
        size = self.image_shape_[:2]
        to_pixels = SelectOutputs(
            self._output_schemes * n_outputs + np.arange(n_outputs),
            pixels_per_unit(size),
            from_units(np.zeros((1, n_outputs)), size)[0],
        )
        mirror_back = None
        if self.tta == "flip":
            mirror_back = MirrorBack(self.flip_permutation_, size[1])
        network = self.model_ if self.mixed_precision is None else in_single_precision(self.model_)
        write(serving_model(network, to_pixels, self.y_shape_, mirror_back), path)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
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

    def _set_flip(self, keypoints: Keypoints, augmentations: tuple[Any, ...]) -> None:
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

    def _set_schemes(self, labelled: Array) -> None:
        n_outputs = labelled.shape[1]
        self.schemes_ = np.ones((1, n_outputs), dtype=bool)
        if self.schemes is not None:
            self.schemes_ = find_schemes(labelled, MIN_SHARE)
        rows = nearest_scheme(labelled, self.schemes_)
        self._output_schemes = best_scheme(labelled, rows, len(self.schemes_))

    def _calibrate(
        self, images: Array, gain: float, rows: Array, values: FloatArray, row_schemes: IntArray
    ) -> None:
        """Fit the spread of predictions to their errors on the validation rows."""
        if values.shape[1] % 2:  # no points
            return
        found = self._by_batch(self._pixels_and_spread, images, gain, rows)
        errors = found[:, 0] - values[rows]
        errors[row_schemes[rows, np.newaxis] != self._output_schemes] = np.nan
        if not np.isnan(errors).all():
            self.calibration_ = calibrate(found[:, 1], errors)

    def _by_batch(
        self, function: Predict, images: Array, gain: float, rows: Array | None = None
    ) -> FloatArray:
        """Apply a function to images in grey levels, a batch at a time."""
        size = max(self.batch_size, _PREDICTION_BATCH)
        batches = [
            slice(start, start + size) if rows is None else rows[start : start + size]
            for start in range(0, len(images) if rows is None else len(rows), size)
        ]
        return np.concatenate([function(to_grey_levels(images[batch], gain)) for batch in batches])

    def _predict_pixels(self, images: Array) -> FloatArray:
        if self.tta == "flip":
            return flip_averaged(self._network_pixels, images, self.flip_permutation_)
        if self.tta == "moves":
            return self._pixels_and_spread(images)[:, 0]
        return self._network_pixels(images)

    def _pixels_and_spread(self, images: Array) -> FloatArray:
        """What is predicted, and the spread over moved copies: (n, 2, n_outputs)."""
        mean, spread = mean_and_spread(self._network_pixels, images, self.flip_permutation_)
        pixels = mean if self.tta == "moves" else self._predict_pixels(images)
        return np.stack([pixels, spread], axis=1)

    def _network_pixels(self, images: Array) -> FloatArray:
        """What the network finds in a batch of images in grey levels."""
        outputs = infer(self.model_, images)
        units = from_scheme_outputs(outputs, self._output_schemes, len(self.schemes_))
        return from_units(units.astype(np.float64), self.image_shape_[:2])

    def _fit_callbacks_for(
        self, n_batches: int, *, validated: bool
    ) -> list[keras.callbacks.Callback]:
        """Callbacks of a whole training: the learning rate, and when to stop."""
        callbacks: list[keras.callbacks.Callback] = []
        rate = unscaled(self.model_.optimizer)._learning_rate
        if self.learning_rate_schedule == "cosine" and not isinstance(
            rate, keras.optimizers.schedules.LearningRateSchedule
        ):
            callbacks.append(CosineDecay(float(keras.ops.convert_to_numpy(rate)), n_batches))
        if self.patience is not None and validated:
            callbacks.append(
                keras.callbacks.EarlyStopping(
                    "val_rmse", mode="min", patience=self.patience, restore_best_weights=True
                )
            )
        return callbacks

    def _training_settings(self) -> dict[str, Any]:
        """All parameters that decide how a training goes."""
        others = {"callbacks", "checkpoint_dir", "random_state", "tta", "verbose", "warm_start"}
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


def _in_order(augmentations: tuple[Any, ...], names: Any, wanted: Any) -> tuple[Any, ...]:
    """Augmentations of keypoints that are brought into the order of other names."""
    if not names or not wanted or names == wanted:
        return augmentations
    return tuple(a.reordered(keypoint_order(names, wanted)) for a in augmentations)


def _unwrap(X: Any) -> tuple[Any, tuple[Any, ...]]:
    if isinstance(X, AugmentedImages):
        return X.images, X.augmentations
    return X, ()


def _split(rows: Array, validation_split: float, seed: int) -> tuple[Array, Array]:
    """Rows to train on and rows to validate on, drawn at random."""
    order = np.random.default_rng(seed).permutation(rows)
    n_validation = min(int(len(rows) * validation_split), len(rows) - 1)
    return np.sort(order[n_validation:]), np.sort(order[:n_validation])


def _label_shares(values: FloatArray) -> FloatArray:
    """Share of all labelled values that each row has."""
    counts = (~np.isnan(values)).sum(axis=1)
    return counts / counts.sum()


def _check_output(model: keras.Model, n_outputs: int) -> None:
    if not isinstance(model, keras.Model):
        raise ValueError(f"The network function must return a keras.Model; it returned {model!r}.")
    if model.output_shape != (None, n_outputs):
        raise ValueError(
            f"The network's output must have the shape (None, {n_outputs}), an x and a y for each "
            f"keypoint, but its shape is {model.output_shape}."
        )
    if "float16" in model.output.dtype:  # bfloat16 too
        raise ValueError(
            f"The network's output is {model.output.dtype}, too coarse for coordinates: give its "
            "last layer dtype='float32'."
        )


def _start_from_mean(model: keras.Model, batches: Batches) -> None:
    """Set the bias of a fully connected last layer to the mean of the labels."""
    layer = model.layers[-1]
    if isinstance(layer, keras.layers.Dense) and layer.use_bias:
        units = to_units(batches.values, batches.images.shape[1:3])
        units = to_scheme_outputs(units, batches.row_schemes, batches.n_schemes)
        weights = (~np.isnan(units)).astype(float)
        if batches.sample_weight is not None:
            weights *= batches.sample_weight[:, np.newaxis]
        total = weights.sum(axis=0)
        layer.bias.assign((weights * np.nan_to_num(units)).sum(axis=0) / np.where(total, total, 1))
