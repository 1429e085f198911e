"""Small files that ask for much time or memory, their hashes right."""

import copy
import functools
import json
from pathlib import Path

import keras
from keras import layers, ops

import sklearn_kpd
from sklearn_kpd import KeypointRegressor
from sklearn_kpd.datasets import make_faces
from tests.persistence.fuzz import put_together, take_apart


def network(image_shape, n_outputs):
    images = keras.Input(image_shape, name="in")
    x = layers.Flatten(name="flat")(layers.AveragePooling2D(32, name="pool")(images))
    return keras.Model(images, layers.Dense(n_outputs, name="last")(x))


def folding(image_shape, n_outputs):
    images = keras.Input(image_shape, name="in")
    x = layers.Dense(1)(layers.Flatten(name="flat")(images))
    for name in "ab":
        x = ops.reshape(layers.RepeatVector(4, name=name)(x), (-1, 1))
    x = ops.reshape(ops.max(ops.reshape(x, (-1, 16)), axis=-1), (-1, 1))
    return keras.Model(images, layers.Dense(n_outputs, name="last")(x))


@functools.cache
def saved(function, folder):
    X, y = make_faces(4, random_state=0)
    fitted = KeypointRegressor(
        function, epochs=1, verbose=0, validation_split=0, schemes=None, random_state=0
    ).fit(X, y)
    fitted.network = "cnn"  # a name, so that nothing has to be trusted
    path = Path(folder) / "model.kpd"
    sklearn_kpd.save(fitted, path)
    return path.read_bytes()


def tensor(name, node=0):
    history = {"shape": [None, 9], "dtype": "float32", "keras_history": [name, node, 0]}
    return {"class_name": "__keras_tensor__", "config": history}


def call(*args):
    return {"args": list(args), "kwargs": {}}


def layer(class_name, name, *calls, module="keras.layers", **config):
    ours = "sklearn_kpd>SpatialSoftArgmax" if class_name == "SpatialSoftArgmax" else None
    return {
        "module": module, "class_name": class_name, "config": {"name": name, **config},
        "registered_name": ours, "name": name, "inbound_nodes": list(calls),
    }  # fmt: skip


def wrapped(layer, times):
    inner = {n: v for n, v in layer.items() if n not in ("name", "inbound_nodes")}
    for number in range(times):
        inner = {
            "module": "keras.layers", "class_name": "TimeDistributed", "registered_name": None,
            "config": {"name": f"wrapper{number}", "layer": inner},
        }  # fmt: skip
    return {**inner, "name": "wrapped", "inbound_nodes": []}


def called_twice_each(found):
    """Twelve models, each of which calls the one inside it twice."""
    entrance = layer("InputLayer", "in", batch_shape=[None, 9], dtype="float32")
    model = layer("Activation", "model", call(tensor("in")), activation="relu")
    for _ in range(12):
        model["inbound_nodes"] = [call(tensor("in")), call(tensor("model"))]
        config = {
            "name": "model", "trainable": True, "layers": [copy.deepcopy(entrance), model],
            "input_layers": [["in", 0, 0]], "output_layers": [["model", 1, 0]],
        }  # fmt: skip
        model = layer("Functional", "model", module="keras")
        model["config"] = config
    found.append(model)


def many_nested_nodes(found):
    node = {}
    for _ in range(90):
        node = {"inbound_nodes": [node]}
    found.append(layer("Activation", "more", node, activation="relu"))


def reverse_order(found):
    chain = [
        layer("Activation", f"a{k}", call(tensor(f"a{k - 1}" if k else "flat")), activation="relu")
        for k in range(4000)
    ]
    found.extend(chain[::-1])


def wrapped_deeply(found):
    lists = [[] for _ in range(90_000)]
    found.append(wrapped(layer("Activation", "more", activation=lists), 30))


def long_text(found):
    found[1]["config"]["pool_size"] = "1" * 7_000_000


def many_empty_lists(found):
    found[1]["config"]["pool_size"] = [[] for _ in range(2_000_000)]


def constants(found):
    node = call([0.0] * 15_000, [[0.0]] * 15_000, tensor("flat"))
    found.append(layer("Add", "more", node, module="keras.ops"))


def constants_and_no_tensor(found):
    node = {**call([0.0] * 2000, [[0.0]] * 2000), "x": {"class_name": "__keras_tensor__"}}
    found.append(layer("Add", "more", node, module="keras.ops"))


def a_tensor_without_history(found):
    node = call(tensor("flat"), [[0.0]] * 2000)
    node["args"][0]["config"]["keras_history"] = None
    found.append(layer("Add", "more", node, module="keras.ops"))


def a_large_window(class_name, found):
    found[1:3] = [
        layer("UpSampling2D", "up", call(tensor("in")), size=[80, 80]),
        layer(class_name, "window", call(tensor("up")), pool_size=[5000, 5000], strides=[1, 1]),
        layer("AveragePooling2D", "pool", call(tensor("window")), pool_size=[800, 800]),
        layer("Flatten", "flat", call(tensor("pool"))),
    ]


def sizes_in_the_batch(found):
    for item in found:
        if item["name"] in "ab":
            item["config"]["n"] = 18_000


def between(*steps):
    """Put layers between the images and the last one, which takes nine numbers."""

    def change(found):
        names = ["in", *(step[1] for step in steps)]
        found[1:3] = [
            layer(class_name, name, call(tensor(before)), **config)
            for before, (class_name, name, config) in zip(names, steps, strict=False)
        ]

    return change


def grown(class_name, **config):
    """A layer that makes a lot of pixels of few."""
    return between(
        (class_name, "more", config),
        ("GlobalMaxPooling2D", "most", {}),
        ("RepeatVector", "again", {"n": 9}),
        ("Flatten", "flat", {}),
    )


def steps_of(n):
    """A layer that Keras calls once for each of n steps."""
    relu = {"module": "keras.layers", "class_name": "Activation", "registered_name": None,
            "config": {"name": "relu", "activation": "relu"}}  # fmt: skip
    return between(
        ("GlobalAveragePooling2D", "mean", {}),
        ("RepeatVector", "steps", {"n": n}),
        ("TimeDistributed", "each", {"layer": relu}),
        ("GlobalMaxPooling1D", "most", {}),
        ("RepeatVector", "again", {"n": 9}),
        ("Flatten", "flat", {}),
    )


def many_layers(found):
    found.extend(
        layer("Activation", f"a{k}", call(tensor("flat")), activation="relu") for k in range(6000)
    )


def many_layers_in_one(found):
    inner = [layer("Activation", f"a{k}", activation="relu") for k in range(12_000)]
    for item in inner:
        del item["inbound_nodes"]
    more = layer("Sequential", "more", call(tensor("flat")), module="keras", layers=inner)
    found.append(more)


def many_inputs(found):
    node = {"args": [[tensor("flat") for _ in range(900)]], "kwargs": {}}
    found.extend(layer("Concatenate", f"c{k}", copy.deepcopy(node), axis=-1) for k in range(20))


def an_optimizer_in_another(model):
    inner = {"module": "keras.optimizers", "class_name": "Muon", "registered_name": None,
             "config": {"exclude_layers": ["(a+)+!"]}}  # fmt: skip
    model["compile_config"]["optimizer"] = {
        "module": "keras.optimizers", "class_name": "LossScaleOptimizer", "registered_name": None,
        "config": {"inner_optimizer": inner},
    }  # fmt: skip
    text = json.dumps(model).replace("last", "a" * 40)
    model.clear()
    model.update(json.loads(text))


KINDS = {
    "as it was": lambda found: None,
    "called twice each": called_twice_each,
    "many nested nodes": many_nested_nodes,
    "reverse order": reverse_order,
    "wrapped deeply": wrapped_deeply,
    "long text": long_text,
    "many empty lists": many_empty_lists,
    "constants": constants,
    "constants and no tensor": constants_and_no_tensor,
    "a tensor without history": a_tensor_without_history,
    "a large pooling window": functools.partial(a_large_window, "AveragePooling2D"),
    "a large window of maxima": functools.partial(a_large_window, "MaxPooling2D"),
    "sizes in the batch": sizes_in_the_batch,
    "many steps": steps_of(200_000),
    "some steps": steps_of(3000),
    "adaptive pooling": grown("AdaptiveAveragePooling2D", output_size=[10**8, 1]),
    "adaptive maxima": grown("AdaptiveMaxPooling2D", output_size=[1, 10**8]),
    "resizing": grown("Resizing", height=10**5, width=10**5),
    "padding": grown("ZeroPadding2D", padding=[[10**6, 0], [0, 10**6]]),
    "up in one direction": between(
        ("UpSampling2D", "more", {"size": [1, 10**6]}),
        ("SpatialSoftArgmax", "places", {}),
        ("Reshape", "apart", {"target_shape": [2, 1]}),
        ("GlobalMaxPooling1D", "most", {}),
        ("RepeatVector", "again", {"n": 9}),
        ("Flatten", "flat", {}),
    ),
    "many layers": many_layers,
    "many layers in one": many_layers_in_one,
    "many inputs": many_inputs,
}
OF_MODELS = {"an optimizer in another": an_optimizer_in_another}


def hostile_file(kind, folder):
    """Write a file of a kind, and give its path."""
    function = folding if kind == "sizes in the batch" else network
    manifest, parts = take_apart(saved(function, folder))
    model = manifest["estimator"]["attributes"]["model_"]["config"]
    if kind in OF_MODELS:
        OF_MODELS[kind](model)
    else:
        KINDS[kind](model["config"]["layers"])
    path = Path(folder) / "hostile.kpd"
    path.write_bytes(put_together(manifest, parts))
    return path
