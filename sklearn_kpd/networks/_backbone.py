"""A model of `keras.applications` with heatmaps on its features, for those who have weights."""

import inspect
import itertools
import math
import os
import sys
from collections.abc import Callable
from numbers import Real
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from sklearn_kpd._common.files import open_regular
from sklearn_kpd._common.keras import as_numpy
from sklearn_kpd.losses import PACKAGE
from sklearn_kpd.networks._heatmap import LAST, check_points, convolution, keypoints_in, merge

#: What the names of a backbone's layers begin with.
PREFIX = "backbone_"

#: The models of `keras.applications` by their names.
APPLICATIONS: dict[str, Callable[..., keras.Model]] = {
    name: item for name, item in vars(keras.applications).items() if inspect.isfunction(item)
}

# Where features are taken from, beside the last: what of the image's resolution they have.
_STRIDES = (4, 8, 16)
# Of red, green and blue in ImageNet, as shares of 255.
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def backbone(
    image_shape: tuple[int, int, int],
    n_outputs: int,
    *,
    application: str = "MobileNetV3Small",
    weights: str | os.PathLike[str] | None = None,
    learning_rate_factor: float = 0.1,
    width: int = 64,
) -> keras.Model:
    """Model of `keras.applications`, decoder with skip connections, heatmaps, soft-argmax.

    The model comes without its classifier. Its last features are brought up to a quarter of the
    image's resolution, and those that it has on the way are added; from there on it is as
    :func:`heatmap`. Pixels go in as the application expects them, and grey as three channels.

    With weights, the backbone is fine-tuned: it learns at a share of the learning rate, is left
    out of the weight decay, and its batch normalisation keeps to what it has learnt, as in
    inference. Without, it is trained as any network.

    Parameters
    ----------
    image_shape : (int, int, int)
        Height, width and channels, of which there may be 1 or 3.
    n_outputs : int
        Coordinates to find: two for each keypoint.
    application : str, default="MobileNetV3Small"
        Name of a model of ``keras.applications``.
    weights : str or path-like, default=None
        File of weights of that model without its classifier (``include_top=False``), as
        ``save_weights`` writes it or as Keras offers it for download; a str, if
        :func:`sklearn_kpd.save` is to keep the estimator. "imagenet" has Keras download that,
        into its cache. None draws weights at random.
    learning_rate_factor : float, default=0.1
        What the learning rate is multiplied by for the backbone, where it has weights; 0 keeps
        them as they are.
    width : int, default=64
        Filters of the decoder.

    Returns
    -------
    keras.Model
        From pixels in 0..255, (n, height, width, channels), to network units, (n, n_outputs).

    Raises
    ------
    ValueError
        If `n_outputs` is odd, for an unknown application, for images that it does not take, or
        weights that are not its own.
    OSError
        If the file of weights cannot be opened.

    .. versionadded:: 0.2

    Examples
    --------
    >>> from sklearn_kpd.networks import backbone
    >>> backbone((96, 96, 1), 30, application="MobileNetV2").output_shape
    (None, 30)
    """
    _check(image_shape, n_outputs, application, learning_rate_factor)
    make = APPLICATIONS[application]
    trained = weights is not None
    images = keras.Input(image_shape, name="image")
    x = BackboneInput(
        *_pixels(make, image_shape[2]),
        learning_rate_factor if trained else 1.0,
        dtype="float32",
        name=f"{PREFIX}input",
    )(images)
    body = _made(make, x, weights)
    body = _renamed(body, trained, frozen=trained and learning_rate_factor == 0)
    features = _features(body, image_shape[:2])
    x = convolution(features[-1], width, kernel=1, name="top")
    for number, skip in enumerate(reversed(features[:-1]), start=1):
        x = merge(x, skip, name=f"merge_{number}")
        x = convolution(x, width, name=f"decoder_{number}")
    return keras.Model(body.inputs[0], keypoints_in(x, n_outputs), name="backbone")


@keras.saving.register_keras_serializable(PACKAGE)
class BackboneInput(layers.Layer):
    """Pixels as a backbone expects them, and how fast it learns.

    Parameters
    ----------
    channels : list of int
        Which channel of the image takes which place.
    scale, offset : list of float
        What each is then multiplied by, and what is added.
    learning_rate_factor : float
        What the learning rate is multiplied by for the layers whose names begin with `PREFIX`.
    """

    def __init__(
        self,
        channels: list[int],
        scale: list[float],
        offset: list[float],
        learning_rate_factor: float,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.channels, self.scale, self.offset = channels, scale, offset
        self.learning_rate_factor = learning_rate_factor

    def call(self, images: keras.KerasTensor) -> keras.KerasTensor:
        """From (n, height, width, channels) to three channels."""
        pixels = ops.take(ops.cast(images, self.compute_dtype), np.array(self.channels), axis=-1)
        return pixels * np.array(self.scale, "float32") + np.array(self.offset, "float32")

    def get_config(self) -> dict[str, Any]:
        """What makes an equal one."""
        return {
            **super().get_config(),
            "channels": self.channels,
            "scale": self.scale,
            "offset": self.offset,
            "learning_rate_factor": self.learning_rate_factor,
        }


def learning_rate_factors(model: keras.Model) -> list[tuple[keras.Variable, float]]:
    """What the learning rate is multiplied by for each variable of a backbone that has weights.

    Parameters
    ----------
    model : keras.Model
        Any network; most have none.

    Returns
    -------
    list of (Variable, float)
        Those that learn at another rate than the rest.
    """
    factors = {x.learning_rate_factor for x in model.layers if isinstance(x, BackboneInput)}
    return [
        (variable, factor)
        for factor in factors
        if factor != 1
        for layer in model.layers
        if layer.name.startswith(PREFIX)
        for variable in layer.trainable_variables
    ]


def _check(
    image_shape: tuple[int, int, int], n_outputs: int, application: str, factor: float
) -> None:
    check_points(n_outputs, "backbone")
    if application not in APPLICATIONS:
        raise ValueError(
            f"network__application={application!r} is no model of keras.applications; it may be "
            f"{', '.join(sorted(APPLICATIONS))}."
        )
    if image_shape[2] not in (1, 3):
        raise ValueError(
            f"network='backbone' takes grey images or red, green and blue, and these have "
            f"{image_shape[2]} channels: give 1 or 3, as X[..., :3] drops the transparency."
        )
    if not isinstance(factor, Real) or not 0 <= factor < math.inf:
        raise ValueError(
            f"network__learning_rate_factor={factor!r} must be a number that is not negative."
        )
    if keras.config.image_data_format() != LAST:  # the one thing that they ask Keras for
        raise ValueError(
            "network='backbone' needs keras.config.set_image_data_format('channels_last'), as "
            "models of keras.applications follow that; it is 'channels_first'."
        )


def _pixels(
    make: Callable[..., keras.Model], n_channels: int
) -> tuple[list[int], list[float], list[float]]:
    """Find what an application's own function does to pixels: channel, scale and offset of each.

    Raises
    ------
    ValueError
        If it is nothing of this kind.
    """
    preprocess = sys.modules[make.__module__].preprocess_input

    def of(pixels: list[Any]) -> Any:
        values = np.array(pixels, "float32").reshape(1, 1, -1, 3)
        return np.asarray(preprocess(values, data_format=LAST), "float64").reshape(-1, 3)

    offset, *ends = of([[0, 0, 0], [256, 0, 0], [0, 256, 0], [0, 0, 256]])
    scales = (np.array(ends) - offset) / 256  # (channel that goes in, channel that comes out)
    channels = abs(scales).argmax(axis=0)
    scale = scales[channels, range(3)]
    tried = np.array([[255, 128, 1]])
    if not np.allclose(tried[:, channels] * scale + offset, of(tried.tolist()), atol=1e-4):
        raise ValueError(
            f"{make.__name__} of this Keras changes pixels otherwise than channel by channel: "
            "choose another application."
        )
    if n_channels == 1:
        channels = np.zeros(3, int)
    return channels.tolist(), scale.tolist(), offset.tolist()


def _made(
    make: Callable[..., keras.Model], x: keras.KerasTensor, weights: str | os.PathLike[str] | None
) -> keras.Model:
    """Make an application upon a tensor, without its classifier."""
    height, width = x.shape[1:3]
    downloaded = "imagenet" if weights == "imagenet" else None
    try:
        body = make(include_top=False, weights=downloaded, input_tensor=x, input_shape=x.shape[1:])
    except ValueError as error:
        raise ValueError(
            f"network__application={make.__name__!r} cannot be made for images of {height}x"
            f"{width}: {' '.join(str(error).split())[:200]} Give larger images, by "
            "CropTransformer(size=...) for photographs, or choose another application."
        ) from error
    if weights is None or downloaded:
        return body
    path = os.fspath(weights)
    open_regular(path).close()
    try:
        body.load_weights(path)
    except Exception as error:  # of a file of any kind, nearly anything
        raise ValueError(
            f"network__weights={path!r} does not hold the weights of {make.__name__} without its "
            f"classifier (include_top=False): {' '.join(str(error).split())[:200]}"
        ) from error
    if body.name.startswith("efficientnetb"):
        _as_for_imagenet(body)
    return body


def _renamed(body: keras.Model, trained: bool, frozen: bool) -> keras.Model:
    """Copy an application, with names that do not depend on what was made before.

    Many of its layers have names that Keras counts on, see :func:`heatmap`.
    """
    numbers = itertools.count()

    def copied(layer: Any) -> Any:
        kind, config = type(layer), layer.get_config()
        if isinstance(layer, BackboneInput):
            return kind.from_config(config)
        if isinstance(layer, layers.Normalization):
            kind, config = layers.Rescaling, _rescaling(layer)
        elif kind.__name__ == "StochasticDepth":  # of ConvNeXt, by random numbers of the process
            kind = layers.Dropout
            config = {"rate": layer.drop_path_rate, "noise_shape": [None, 1, 1, 1]}
        elif isinstance(layer, layers.BatchNormalization) and not trained:
            # what is usual for ImageNet would lag behind in trainings of a few thousand steps
            config["momentum"] = min(layer.momentum, 0.95)
        config["name"] = f"{PREFIX}{next(numbers)}_{kind.__name__.lower()}"
        copy = kind.from_config(config)
        if frozen or (trained and isinstance(layer, layers.BatchNormalization)):
            copy.trainable = False
        copies.append((layer, copy))
        return copy

    copies: list[tuple[Any, Any]] = []
    model = keras.models.clone_model(body, clone_function=copied)
    if trained:
        for layer, copy in copies:
            if getattr(copy, "weights", None):
                copy.set_weights(layer.get_weights())
    return model


def _as_for_imagenet(body: keras.Model) -> None:
    """Have an EfficientNet that holds ImageNet's weights do what it does by weights="imagenet".

    For these Keras divides pixels by one more root of their standard deviation, but of a file it
    does not know that it holds them.
    """
    for layer in body.layers:
        if isinstance(layer, layers.Normalization) and layer.weights:
            mean, variance, count = map(as_numpy, layer.weights)
            if np.allclose(mean, _MEAN, atol=1e-4):
                layer.set_weights([mean, variance * np.array(_STD), count])


def _rescaling(layer: keras.layers.Normalization) -> dict[str, Any]:
    """Configuration of a Rescaling that does what a Normalization has learnt.

    Keras keeps what that has learnt as weights too, which it reads at one moment alone.
    """
    layer.finalize_state()
    mean = as_numpy(layer.mean).astype("float64").ravel()
    std = np.sqrt(as_numpy(layer.variance).astype("float64")).ravel()
    return {"scale": (1 / std).tolist(), "offset": (-mean / std).tolist(), "dtype": "float32"}


def _features(body: keras.Model, image_size: tuple[int, int]) -> list[keras.KerasTensor]:
    """Last output of each resolution that is near to one of `_STRIDES`, and the last of all.

    The one before a reduction is the one that saw the most, as in U-Nets.
    """
    last: dict[tuple[int, int], keras.KerasTensor] = {}
    for operation in body.operations:
        output = operation.output
        # what is padded is on its way into a reduction
        if len(output.shape) == 4 and not isinstance(operation, layers.ZeroPadding2D):
            last[output.shape[1:3]] = output
    coarsest = math.prod(body.output.shape[1:3])
    sizes = [size for size in last if math.prod(size) > coarsest]
    chosen = {
        min(sizes, key=lambda size: abs(math.log(math.prod(size) * stride**2 / n_pixels)))
        for stride in _STRIDES
        for n_pixels in [math.prod(image_size)]
    }
    return [last[size] for size in sorted(chosen, key=math.prod, reverse=True)] + [body.output]
