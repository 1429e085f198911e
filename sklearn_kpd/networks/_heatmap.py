"""A fully convolutional network with a spatial soft-argmax: one heatmap a keypoint."""

import keras
from keras import layers

from sklearn_kpd._common.heatmaps import mean_and_variance
from sklearn_kpd.losses import PACKAGE

#: Images have the shape (n, height, width, channels).
LAST = "channels_last"


def heatmap(image_shape: tuple[int, int, int], n_outputs: int, *, width: int = 16) -> keras.Model:
    """Residual encoder, decoder with skip connections, one heatmap a keypoint, soft-argmax.

    Heatmaps have a quarter of the image's resolution; the soft-argmax finds coordinates between
    their pixels. Sun et al., Integral Human Pose Regression, ECCV 2018.

    Parameters
    ----------
    image_shape : (int, int, int)
        Height, width and channels.
    n_outputs : int
        Coordinates to find: two for each keypoint.
    width : int, default=16
        Filters at half resolution; deeper layers have two, four and six times as many.

    Returns
    -------
    keras.Model
        From pixels in 0..255, (n, height, width, channels), to network units, (n, n_outputs).

    Raises
    ------
    ValueError
        If `n_outputs` is odd.

    Examples
    --------
    >>> from sklearn_kpd.networks import heatmap
    >>> heatmap((96, 96, 1), 30, width=8).output_shape
    (None, 30)
    """
    check_points(n_outputs, "heatmap")
    # Every layer has a name of its own: those that Keras gives count on from network to network,
    # and TensorFlow sums gradients in the order of the names, so that results would depend on
    # what was built before. The format of the data is named for the same reason: Keras has one
    # for the whole process, and images of scikit-learn have their channels last.
    images = keras.Input(image_shape, name="image")
    x = layers.Rescaling(1 / 127.5, offset=-1, name="rescaling")(images)
    x = convolution(x, width, kernel=5, strides=2, name="half")
    x = convolution(x, 2 * width, strides=2, name="quarter")
    quarter = _residual(x, 2 * width, name="quarter_residual")
    x = _residual(quarter, 4 * width, strides=2, name="eighth_residual_1")
    eighth = _residual(x, 4 * width, name="eighth_residual_2")
    x = _residual(eighth, 6 * width, strides=2, name="sixteenth_residual_1")
    x = _residual(x, 6 * width, name="sixteenth_residual_2")
    x = merge(x, eighth, name="eighth_merge")
    x = convolution(x, 3 * width, name="eighth_decoder")
    x = merge(x, quarter, name="quarter_merge")
    x = convolution(x, 2 * width, name="quarter_decoder")
    return keras.Model(images, keypoints_in(x, n_outputs), name="heatmap")


def check_points(n_outputs: int, network: str) -> None:
    """Refuse single coordinates, of which heatmaps find none."""
    if n_outputs % 2:
        raise ValueError(
            f"network={network!r} finds points, so it needs an x and a y for each keypoint; y has "
            f"{n_outputs} column(s). Use network='cnn'."
        )


def keypoints_in(x: keras.KerasTensor, n_outputs: int) -> keras.KerasTensor:
    """One heatmap a keypoint from features, and the place that each shows."""
    # Single precision in any case: what is found between pixels depends on small differences.
    x = layers.Conv2D(n_outputs // 2, 1, data_format=LAST, dtype="float32", name="heatmaps")(x)
    return SpatialSoftArgmax(dtype="float32", name="keypoints")(x)


def convolution(
    x: keras.KerasTensor,
    filters: int,
    *,
    name: str,
    kernel: int = 3,
    strides: int = 1,
    activation: str = "relu",
) -> keras.KerasTensor:
    """Convolution without bias, normalisation, activation."""
    x = layers.Conv2D(
        filters,
        kernel,
        strides,
        padding="same",
        data_format=LAST,
        use_bias=False,
        kernel_initializer="he_normal",
        name=f"{name}_convolution",
    )(x)
    # Trainings of a few thousand steps: the usual momentum of 0.99 would lag behind.
    x = layers.BatchNormalization(momentum=0.95, name=f"{name}_normalization")(x)
    return layers.Activation(activation, name=f"{name}_activation")(x)


def _residual(
    x: keras.KerasTensor, filters: int, *, name: str, strides: int = 1
) -> keras.KerasTensor:
    """He et al., Deep Residual Learning for Image Recognition, CVPR 2016, basic block."""
    shortcut = x
    if strides > 1:
        shortcut = layers.AveragePooling2D(
            strides, padding="same", data_format=LAST, name=f"{name}_pooling"
        )(x)
    if shortcut.shape[-1] != filters:
        shortcut = convolution(
            shortcut, filters, kernel=1, activation="linear", name=f"{name}_shortcut"
        )
    x = convolution(x, filters, strides=strides, name=f"{name}_1")
    x = convolution(x, filters, activation="linear", name=f"{name}_2")
    return _sum([x, shortcut], name)


def merge(x: keras.KerasTensor, skip: keras.KerasTensor, *, name: str) -> keras.KerasTensor:
    """Enlarge `x` to the resolution of `skip` and add the two."""
    height, width = skip.shape[1:3]
    x = layers.Resizing(
        height, width, interpolation="bilinear", data_format=LAST, name=f"{name}_resizing"
    )(x)
    skip = convolution(skip, x.shape[-1], kernel=1, activation="linear", name=f"{name}_skip")
    return _sum([x, skip], name)


def _sum(terms: list[keras.KerasTensor], name: str) -> keras.KerasTensor:
    total = layers.Add(name=f"{name}_sum")(terms)
    return layers.Activation("relu", name=f"{name}_activation")(total)


@keras.saving.register_keras_serializable(PACKAGE)
class SpatialSoftArgmax(layers.Layer):
    """Expected place under the softmax of each heatmap.

    Input shape
        (n, height, width, k): one heatmap a keypoint.
    Output shape
        (n, 2 * k): x, y in network units, in which 0 is the centre of the image and ±1 the edge
        of its longer side.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_kpd.networks import SpatialSoftArgmax
    >>> peak = np.full((1, 4, 4, 1), -100.0, np.float32)
    >>> peak[0, 0, 3] = 100  # the upper right corner, whose pixel is half a unit wide
    >>> np.asarray(SpatialSoftArgmax()(peak))
    array([[ 0.75, -0.75]], dtype=float32)
    """

    def call(self, heatmaps: keras.KerasTensor) -> keras.KerasTensor:
        """Coordinates of a batch of heatmaps."""
        return mean_and_variance(heatmaps)[0]

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, int]:
        """Shape of the coordinates."""
        n_keypoints = input_shape[3]
        assert n_keypoints is not None
        return input_shape[0], 2 * n_keypoints
