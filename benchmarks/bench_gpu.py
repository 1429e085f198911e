"""Images per second of training on a GPU: float32 and mixed precision, augmented or not.

The figure is that of the fastest epoch after the first one, which compiles.
"""

import argparse

import keras
from _clock import Clock
from _sides import AUGMENT

from sklearn_kpd import AugmentTransformer, KeypointRegressor
from sklearn_kpd.datasets import make_faces


def find_gpu():
    """Name of the first GPU that Keras' backend sees, or None."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        found = tf.config.list_physical_devices("GPU")
        return (
            tf.config.experimental.get_device_details(found[0])["device_name"] if found else None
        )
    if backend == "jax":
        import jax

        found = [device for device in jax.devices() if device.platform == "gpu"]
        return found[0].device_kind if found else None
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else None


def images_per_second(X, y, augment, arguments, half):
    clock = Clock()
    regressor = KeypointRegressor(
        arguments.network,
        batch_size=arguments.batch_size,
        epochs=arguments.epochs,
        validation_split=0,
        mixed_precision=half,
        callbacks=[clock],
        verbose=0,
    )
    regressor.fit(augment.fit_transform(X, y), y)
    return len(X) / min(clock.seconds[1:])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--network", choices=["cnn", "heatmap"], default="heatmap")
    parser.add_argument("--faces", type=int, default=7049)
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--epochs", type=int, default=4)
    arguments = parser.parse_args()
    gpu = find_gpu()
    if gpu is None:
        print(
            f"No GPU that Keras sees on its {keras.backend.backend()} backend: nothing to measure."
        )
        return
    print(f"{gpu}, {keras.backend.backend()}, {arguments.network}, batch {arguments.batch_size}")
    X, y = make_faces(arguments.faces, random_state=0)
    augmentations = {"plain": AugmentTransformer(), "augmented": AugmentTransformer(**AUGMENT)}
    for name, augment in augmentations.items():
        single, half = (
            images_per_second(X, y, augment, arguments, half) for half in (None, "float16")
        )
        print(
            f"{name:>9}: float32 {single:7.0f}/s, mixed {half:7.0f}/s, ratio {half / single:.2f}"
        )


if __name__ == "__main__":
    main()
