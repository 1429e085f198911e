"""Time and peak memory of `KeypointRegressor.fit` against a loop in Keras, written by hand.

The same network, loss, optimizer, averaged weights, schedule, batches and epochs, without
augmentation or validation. The time is that of everything from the arrays to the trained network.
"""

import argparse
import time

from _sides import compare, faces, memory


def figures(start):
    """Time since `start`, of the clock on the wall and of the processor, and peak memory."""
    return {
        "seconds": time.perf_counter() - start[0],
        "processor seconds": time.process_time() - start[1],
        "peak megabytes": memory("VmHWM"),
    }


def by_hand(arguments):
    import keras
    import tensorflow as tf

    from sklearn_kpd.networks import NETWORKS

    keras.ops.zeros(1)  # TensorFlow is up
    X, y = faces(arguments.faces)
    y = y.to_numpy()
    start = time.perf_counter(), time.process_time()
    units = ((y - 47.5) / 48).astype("float32")
    model = NETWORKS[arguments.network](X.shape[1:], y.shape[1])
    n_steps = -(-len(X) // 32) * arguments.epochs
    rate = keras.optimizers.schedules.CosineDecay(
        0.0, round(0.95 * n_steps), warmup_target=4e-3, warmup_steps=round(0.05 * n_steps)
    )
    optimizer = keras.optimizers.AdamW(
        rate, weight_decay=0.01, use_ema=True, ema_momentum=1 - 1 / (0.05 * n_steps)
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    model.compile(
        optimizer, keras.losses.Huber(1.5 / 48), metrics=[keras.metrics.RootMeanSquaredError()]
    )
    options = tf.data.Options()
    options.autotune.enabled = False  # else TensorFlow may stall at the end of an epoch
    data = tf.data.Dataset.from_tensor_slices((X, units)).shuffle(len(X)).batch(32).prefetch(4)
    model.fit(data.with_options(options), shuffle=False, epochs=arguments.epochs, verbose=0)
    return figures(start)


def ours(arguments):
    import keras

    from sklearn_kpd import KeypointRegressor

    keras.ops.zeros(1)
    X, y = faces(arguments.faces)
    start = time.perf_counter(), time.process_time()
    KeypointRegressor(
        arguments.network, epochs=arguments.epochs, validation_split=0, verbose=0
    ).fit(X, y)
    return figures(start)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--network", choices=["cnn", "heatmap"], default="cnn")
    parser.add_argument("--faces", type=int, default=7049)
    parser.add_argument("--epochs", type=int, default=3)
    found = compare({"by hand": by_hand, "ours": ours}, parser)
    if found:
        for name, value in found["ours"].items():
            hand = found["by hand"][name]
            print(f"{name}: ours {value:.1f}, by hand {hand:.1f}, ratio {value / hand:.3f}")


if __name__ == "__main__":
    main()
