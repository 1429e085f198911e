"""The plain CNN: convolutions, pooling, fully connected layers, linear output."""

from collections.abc import Sequence

import keras
from keras import layers

from sklearn_kpd.networks._heatmap import LAST


def cnn(
    image_shape: tuple[int, int, int],
    n_outputs: int,
    *,
    filters: Sequence[int] = (16, 32, 64, 128),
    units: Sequence[int] = (500,),
    dropout: float = 0.0,
) -> keras.Model:
    """Convolutions, pooling, fully connected layers and a linear output.

    Parameters
    ----------
    image_shape : (int, int, int)
        Height, width and channels.
    n_outputs : int
        Coordinates to find.
    filters : sequence of int, default=(16, 32, 64, 128)
        Filters of each 3×3 convolution; each is followed by 2×2 max pooling.
    units : sequence of int, default=(500,)
        Units of each fully connected layer.
    dropout : float, default=0.0
        Share of the inputs of each fully connected layer that training drops.

    Returns
    -------
    keras.Model
        From pixels in 0..255, (n, height, width, channels), to network units, (n, n_outputs).

    Examples
    --------
    >>> from sklearn_kpd.networks import cnn
    >>> cnn((96, 96, 1), 30).output_shape
    (None, 30)
    """
    # Layers have names, and a format of the data, for the reasons that those of the heatmap
    # network have them.
    images = keras.Input(image_shape, name="image")
    x = layers.Rescaling(1 / 127.5, offset=-1, name="rescaling")(images)
    for number, n_filters in enumerate(filters, 1):
        x = layers.Conv2D(
            n_filters,
            3,
            padding="same",
            data_format=LAST,
            activation="relu",
            kernel_initializer="he_normal",
            name=f"convolution_{number}",
        )(x)
        x = layers.MaxPooling2D(2, padding="same", data_format=LAST, name=f"pooling_{number}")(x)
    x = layers.Flatten(data_format=LAST, name="flatten")(x)
    for number, n_units in enumerate(units, 1):
        if dropout:
            x = layers.Dropout(dropout, name=f"dropout_{number}")(x)
        x = layers.Dense(
            n_units, activation="relu", kernel_initializer="he_normal", name=f"dense_{number}"
        )(x)
    # Small weights: training starts from the bias, which the regressor sets to the mean face.
    small = keras.initializers.RandomNormal(stddev=1e-3)
    outputs = layers.Dense(n_outputs, kernel_initializer=small, dtype="float32", name="keypoints")(
        x
    )
    return keras.Model(images, outputs, name="cnn")
