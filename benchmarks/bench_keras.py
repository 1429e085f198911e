"""Time and peak memory of `KeypointRegressor.fit` against a loop in Keras, written by hand.

The same network, loss, optimizer, averaged weights, schedule, batches and epochs, without
augmentation or validation. The time is that of everything from the arrays to the trained network.
"""

import argparse
import time

from _sides import compare, memory

from sklearn_kpd.datasets import make_faces


def by_hand(arguments):
    import keras
    import tensorflow as tf

    from sklearn_kpd.networks import NETWORKS

    keras.ops.zeros(1)  # TensorFlow is up
    X, y = make_faces(arguments.faces, random_state=0)
    y = y.to_numpy()
    start = time.perf_counter()
    units = ((y - 47.5) / 48).astype("float32")
    model = NETWORKS[arguments.network](X.shape[1:], y.shape[1])
    n_steps = -(-len(X) // 32) * arguments.epochs
    rate = keras.optimizers.schedules.CosineDecay(
        0.0, round(0.95 * n_steps), warmup_target=2e-3, warmup_steps=round(0.05 * n_steps)
    )
    optimizer = keras.optimizers.AdamW(
        rate, weight_decay=0.01, use_ema=True, ema_momentum=1 - 1 / (0.05 * n_steps)
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    model.compile(
        optimizer, keras.losses.Huber(1.5 / 48), metrics=[keras.metrics.RootMeanSquaredError()]
    )
    if arguments.pipeline == "arrays":
        model.fit(X, units, batch_size=32, epochs=arguments.epochs, verbose=0)
    else:
        data = tf.data.Dataset.from_tensor_slices((X, units)).shuffle(len(X)).batch(32)
        model.fit(data.prefetch(tf.data.AUTOTUNE), epochs=arguments.epochs, verbose=0)
    return {"seconds": time.perf_counter() - start, "megabytes": memory("VmHWM")}


def ours(arguments):
    import keras

    from sklearn_kpd import KeypointRegressor

    keras.ops.zeros(1)
    X, y = make_faces(arguments.faces, random_state=0)
    start = time.perf_counter()
    KeypointRegressor(
        arguments.network, epochs=arguments.epochs, validation_split=0, verbose=0
    ).fit(X, y)
    return {"seconds": time.perf_counter() - start, "megabytes": memory("VmHWM")}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--network", choices=["cnn", "heatmap"], default="cnn")
    parser.add_argument("--pipeline", choices=["arrays", "dataset"], default="dataset")
    parser.add_argument("--faces", type=int, default=7049)
    parser.add_argument("--epochs", type=int, default=3)
    found = compare({"by hand": by_hand, "ours": ours}, parser)
    if found:
        for name, value in found["ours"].items():
            hand = found["by hand"][name]
            print(f"{name}: ours {value:.1f}, by hand {hand:.1f}, ratio {value / hand:.3f}")


if __name__ == "__main__":
    main()
