"""Serving: `predict` beside the exported file in ONNX Runtime and in LiteRT.

Each engine by itself, and as `ExportedModel` runs it. Batches of 1 and of 256 images, in turn in
one process, on as many cores as `--cores` says. Times are of the clock on the wall; with
`--processor` of the processor, which a busy machine hardly moves: where several cores work at
once, it counts each.
"""

import argparse
import os
import tempfile
from pathlib import Path

import numpy as np
from _sides import faces, take_turns

BATCHES = (1, 256)


def onnx_runtime(path, n_cores):
    """A function from images to keypoints."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = n_cores
    session = onnxruntime.InferenceSession(path, options)
    return lambda images: session.run(["keypoints"], {"images": images})[0]


def litert(path, n_cores, shape):
    """A function from images of one batch size to keypoints."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path), num_threads=n_cores)
    given = interpreter.get_input_details()[0]["index"]
    interpreter.resize_tensor_input(given, shape)
    interpreter.allocate_tensors()
    returned = interpreter.get_output_details()[0]["index"]

    def run(images):
        interpreter.set_tensor(given, images)
        interpreter.invoke()
        return interpreter.get_tensor(returned)

    return run


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--cores", type=int, default=1)
    parser.add_argument("--processor", action="store_true")
    arguments = parser.parse_args()
    n_cores, clock = arguments.cores, int(arguments.processor)
    if hasattr(os, "sched_setaffinity"):  # before TensorFlow starts its threads
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:n_cores])
    from sklearn_kpd import KeypointRegressor
    from sklearn_kpd.serving import ExportedModel

    X, y = faces(max(BATCHES))
    print(f"{n_cores} core(s), milliseconds of {'processor' if clock else 'wall'} time a batch")
    for network in ("cnn", "heatmap"):
        fitted = KeypointRegressor(network, epochs=1, verbose=0, random_state=0)
        fitted.fit(X[:64], y[:64])
        with tempfile.TemporaryDirectory() as folder:
            onnx, tflite = (Path(folder) / f"model{ending}" for ending in (".onnx", ".tflite"))
            fitted.export(onnx)
            fitted.export(tflite)
            run_onnx = onnx_runtime(onnx, n_cores)
            for n_images in BATCHES:
                images = X[:n_images]
                sides = {
                    "predict": fitted.predict,
                    "ONNX Runtime": run_onnx,
                    "ExportedModel of it": ExportedModel(onnx, n_cores).predict,
                    "LiteRT": litert(tflite, n_cores, images.shape),
                    "ExportedModel of that": ExportedModel(tflite, n_cores).predict,
                }
                expected = fitted.predict(images)
                for run in sides.values():
                    np.testing.assert_allclose(run(images), expected, atol=1e-2)
                # one image takes so little that it is asked more often
                rounds = arguments.rounds * (10 if n_images == 1 else 1)
                calls = {name: lambda run=run: run(images) for name, run in sides.items()}  # noqa: B023
                times = take_turns(calls, rounds)
                found = {name: 1000 * np.median(times[name][:, clock]) for name in sides}
                figures = ", ".join(
                    f"{name} {found[name]:.2f} ({found[name] / found['ONNX Runtime']:.2f} x)"
                    for name in sides
                )
                print(f"{network:>8}, {n_images:3d} image(s): {figures}", flush=True)


if __name__ == "__main__":
    main()
