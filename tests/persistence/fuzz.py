"""Mutate saved files, and see that loading them ends well.

A mutated file has to load as it was, or as another estimator that the mutation describes, or raise
an error of the package: no other exception, no hang, no memory out of proportion, no file written,
no process started, nothing unpickled. Most mutations have their hashes made right again, so that
they reach what lies behind the hashes.

Run as ``python -m tests.persistence.fuzz --n 2000``.
"""

import argparse
import collections
import copy
import gzip
import hashlib
import io
import json
import random
import sys
import tempfile
import warnings
import zipfile
from pathlib import Path

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler

import sklearn_kpd
from sklearn_kpd import AugmentTransformer, KeypointRegressor
from sklearn_kpd._persistence.archive import FORMAT_VERSION
from sklearn_kpd.datasets import make_faces
from sklearn_kpd.exceptions import OtherVersionWarning, PersistenceError
from tests.data.make_fixtures import paths
from tests.helpers import operations_network, tiny_network, tiny_regressor
from tests.limits import time_limit

TRUSTED = [tiny_network, operations_network]

TIME_LIMIT = 60  # seconds a load, on a busy machine
MEMORY_LIMIT = 1500  # MB in all; a load takes next to nothing

FORBIDDEN = {
    "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.startfile", "os.system",
    "pickle.find_class", "shutil.unpack_archive", "socket.connect", "subprocess.Popen",
    "os.mkdir", "os.remove", "os.rename", "os.symlink", "os.link",
}  # fmt: skip

HOSTILE_VALUES = [
    None, True, False, -1, 0, 1, 2, 2**31, 2**63, 10**30, -(10**30), 0.5, -0.0, 1e308, "", "nan",
    "x" * 5000, "\x00", "\ud800", "../../evil", "/etc/passwd", "relu", "sklearn_kpd>MaskedHuber",
    [], {}, [[]], [None], {"": None}, {"type": "tuple", "items": []}, {"type": []},
    {"type": "float", "value": "nan"}, {"type": "dict", "items": [[[], 1]]},
    {"type": "array", "part": "0.npy"}, {"type": "array", "part": "../0.npy"},
    {"type": "object", "name": "os.system"}, {"type": "object", "name": "builtins.eval"},
    {"type": "estimator", "name": "subprocess.Popen", "params": {"args": "true"},
     "attributes": {}},
    {"type": "estimator", "name": "sklearn.preprocessing.StandardScaler", "params": {},
     "attributes": {"__class__": 1}},
    {"type": "keras", "config": {"module": "keras.optimizers", "class_name": "SGD",
                                 "config": {"learning_rate": "os"}, "registered_name": None}},
    {"module": "keras.layers", "class_name": "Lambda", "registered_name": None, "config": {
        "name": "x", "function": {"module": "builtins", "class_name": "function",
                                  "config": "eval", "registered_name": "eval"}}},
    {"class_name": "__lambda__", "config": {"value": "AAAA"}, "module": "builtins",
     "registered_name": "sklearn_kpd>MaskedHuber"},
    {"class_name": "__numpy__", "config": {"value": 0, "dtype": "U999999999"}},
]  # fmt: skip
HOSTILE_CLASSES = [
    "Lambda", "TFSMLayer", "TorchModuleWrapper", "StringLookup", "TextVectorization", "__lambda__",
    "__typespec__", "__tensor__", "__bytes__", "function", "Layer", "Model", "Dense", "Dropout",
    "Flatten", "UpSampling2D", "BatchNormalization", "Embedding", "RandomRotation", "",
]  # fmt: skip
HOSTILE_MODULES = [
    None, "os", "keras", "keras.layers", "keras.src.layers", "keras.ops", "keras.src.ops.numpy",
    "builtins",
    "keras.src.saving.saving_lib", "keras.utils", "tests.helpers", "sklearn_kpd.losses", "this",
]  # fmt: skip
HOSTILE_JSON = [
    b"", b"{", b"[" * 100_000, b'{"a":' * 50_000, b"\xff\xfe", b"NaN", b"[1e999]", b'"',
    b"[" + b"9" * 10_000 + b"]", b'{"format": "sklearn_kpd", "format": "sklearn_kpd"}',
    b'{"format": "sklearn_kpd", "format_version": 99}', b"null", b"[]", b"\x00" * 64,
]  # fmt: skip
HOSTILE_HEADERS = [
    "{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000,), }",
    "{'descr': '<U0', 'fortran_order': False, 'shape': (1000000000000,), }",
    "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (-1, -1), }",
    "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (__import__('os'),), }",
    "(" * 400,
    "-" * 400 + "1",
]


# files in pieces


def take_apart(data):
    """Manifest and parts of a saved file."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    return json.loads(parts.pop("manifest.json")), parts


def put_together(manifest, parts, more=()):
    """A file of a manifest (or its bytes) and parts, its hashes made right."""
    if isinstance(manifest, dict):
        table = {
            name: {"size": len(part), "sha256": hashlib.sha256(part).hexdigest()}
            for name, part in parts.items()
        }
        manifest = json.dumps({**manifest, "parts": table}).encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names that are there twice
        for name, part in [("manifest.json", manifest), *parts.items(), *more]:
            info = name if isinstance(name, zipfile.ZipInfo) else zipfile.ZipInfo(name)
            archive.writestr(info, part, info.compress_type)
    return buffer.getvalue()


def places(node, found=None):
    """Every (container, key) in a tree of JSON."""
    found = [] if found is None else found
    if isinstance(node, (dict, list)):
        for key in node if isinstance(node, dict) else range(len(node)):
            found.append((node, key))
            places(node[key], found)
    return found


# mutations of the bytes: the file loads as it was, or not at all


def flip_bits(data, rng):
    data = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 8])):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(data)


def flip_bits_of_the_directory(data, rng):
    start = max(data.rfind(b"PK\x01\x02") - 300, 0)
    return data[:start] + flip_bits(data[start:], rng)


def cut_off(data, rng):
    return data[: rng.randrange(len(data))]


def splice(data, rng):
    start, length = rng.randrange(len(data)), rng.randrange(200)
    return data[:start] + rng.randbytes(rng.randrange(200)) + data[start + length :]


BYTES = [flip_bits, flip_bits_of_the_directory, cut_off, splice]


# mutations of the parts, their hashes made right again


def flip_bits_of_a_part(data, rng):
    manifest, parts = take_apart(data)
    name = rng.choice(list(parts))
    head = rng.choice([128, len(parts[name])])
    parts[name] = flip_bits(parts[name][:head], rng) + parts[name][head:]
    return put_together(manifest, parts)


def swap_parts(data, rng):
    manifest, parts = take_apart(data)
    a, b = rng.choice(list(parts)), rng.choice(list(parts))
    parts[a], parts[b] = parts[b], parts[a]
    return put_together(manifest, parts)


def drop_or_double_a_part(data, rng):
    manifest, parts = take_apart(data)
    name = rng.choice(list(parts))
    if rng.random() < 0.5:
        parts["999.npy"] = parts[name]
    else:
        del parts[name]
    return put_together(manifest, parts)


def claim_another_array(data, rng):
    manifest, parts = take_apart(data)
    header = rng.choice(HOSTILE_HEADERS).encode() + b"\n"
    parts[rng.choice(list(parts))] = (
        b"\x93NUMPY" + bytes([rng.choice([1, 1, 1, 2, 3]), 0])
        + len(header).to_bytes(2, "little") + header + rng.randbytes(rng.randrange(64))
    )  # fmt: skip
    return put_together(manifest, parts)


def hostile_manifest(data, rng):
    return put_together(rng.choice(HOSTILE_JSON), take_apart(data)[1])


def replace_values(data, rng):
    manifest, parts = take_apart(data)
    for _ in range(rng.choice([1, 1, 1, 3])):
        container, key = rng.choice(places(manifest))
        container[key] = copy.deepcopy(rng.choice(HOSTILE_VALUES))
    return put_together(manifest, parts)


def swap_values(data, rng):
    manifest, parts = take_apart(data)
    (a, i), (b, j) = rng.sample(places(manifest), 2)
    a[i] = copy.deepcopy(b[j])
    return put_together(manifest, parts)


def drop_or_rename_a_key(data, rng):
    manifest, parts = take_apart(data)
    container, key = rng.choice(places(manifest))
    value = container.pop(key)
    if isinstance(container, dict) and rng.random() < 0.5:
        container[rng.choice(["", "__class__", "predict", "memory", str(key) + "_", "type"])] = (
            value
        )
    return put_together(manifest, parts)


def hostile_network(data, rng):
    manifest, parts = take_apart(data)
    spots = [
        (container, key)
        for container, key in places(manifest)
        if key in ("class_name", "module", "registered_name", "inbound_nodes", "config", "args")
        or (type(container[key]) is int and key not in ("format_version", "size"))
    ]
    container, key = rng.choice(spots)
    container[key] = {
        "class_name": rng.choice(HOSTILE_CLASSES),
        "module": rng.choice(HOSTILE_MODULES),
        "registered_name": rng.choice([None, "Dense", "sklearn_kpd>PixelRMSE", "eval"]),
    }.get(key, copy.deepcopy(rng.choice([10**9, 10**12, 0, -1, 7, *HOSTILE_VALUES])))
    return put_together(manifest, parts)


def hostile_entry(data, rng):
    manifest, parts = take_apart(data)
    names = ["../evil", "/tmp/evil", "manifest.json", "0.npy", "a/../b", "C:\\x", "1.pkl", "é"]
    info = zipfile.ZipInfo(rng.choice(names))
    info.compress_type = rng.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
    return put_together(manifest, parts, [(info, b"\0" * rng.choice([10, 10**6]))])


def lie_about_sizes(data, rng):
    """Other sizes in the directory of the zip, or in the manifest."""
    data = bytearray(data)
    spots = [i for i in range(len(data) - 30) if data[i : i + 4] == b"PK\x01\x02"]
    start = rng.choice(spots) + rng.choice([20, 24])
    data[start : start + 4] = rng.choice([0, 1, 2**20, 2**31, 2**32 - 1]).to_bytes(4, "little")
    return bytes(data)


REHASHED = [
    flip_bits_of_a_part, swap_parts, drop_or_double_a_part, claim_another_array, hostile_manifest,
    replace_values, replace_values, replace_values, swap_values, swap_values,
    drop_or_rename_a_key, hostile_network, hostile_network, hostile_entry, lie_about_sizes,
]  # fmt: skip


# running them


class Watch:
    """Notes what a load has no business to do."""

    def __init__(self):
        self.on = False
        self.seen = []
        sys.addaudithook(self)

    def __call__(self, event, args):
        if not self.on:
            return
        writes = event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+")
        if event in FORBIDDEN or writes:
            self.seen.append((event, str(args)[:200]))


def make_files():
    """Files of several kinds, of every version, with images and what they predict for them."""
    X, y = make_faces(16, missing="kaggle", random_state=0)
    cnn = {"network__filters": (2, 2, 2, 2), "network__units": (2,), "verbose": 0, "epochs": 1}
    pipe = Pipeline(
        [
            ("augment", AugmentTransformer(rotation=5, flip=0.5, random_state=3)),
            ("regressor", KeypointRegressor("cnn", random_state=np.random.RandomState(0), **cnn)),
        ]
    )
    small = X[:, ::8, ::8].reshape(16, -1)
    scaled = Pipeline(
        [
            ("scale", MinMaxScaler((0, 255))),
            ("regressor", tiny_regressor(network__width=2, epochs=1)),
        ]
    )
    for estimator, images in (
        (tiny_regressor(network__width=2, epochs=1, optimizer="sgd"), X),
        (pipe, X),
        (scaled, small),
    ):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.kpd"
            sklearn_kpd.save(estimator.fit(images, y), path)
            yield path.read_bytes(), images[:2], estimator.predict(images[:2])
    for version in range(1, FORMAT_VERSION):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.kpd"
            path.write_bytes(gzip.decompress(paths("operations", version)[0].read_bytes()))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", OtherVersionWarning)
                estimator = sklearn_kpd.load(path, trusted=TRUSTED)
            yield path.read_bytes(), X[:2], estimator.predict(X[:2])


def outcome(path, images, expected, watch):
    """How loading a file ends: 'same', 'another', or the name of the error."""
    try:
        watch.on = True
        with time_limit(TIME_LIMIT), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            estimator = sklearn_kpd.load(path, trusted=TRUSTED)
    except PersistenceError as error:
        return type(error).__name__ if len(str(error)) <= 1000 else "an endless message"
    finally:
        watch.on = False
    if not hasattr(estimator, "predict"):  # a Pipeline whose last step was taken away
        return "another, which does not predict"
    predicted = estimator.predict(images)
    return "same" if np.array_equal(predicted, expected) else "another"


def peak_memory():
    """Megabytes that this process has had at most; 0 where the system does not tell.

    The figure of getrusage is inherited from the process that started this one.
    """
    status = Path("/proc/self/status")
    if not status.exists():
        return 0
    fields = dict(line.split(":") for line in status.read_text().splitlines())
    return int(fields["VmHWM"].split()[0]) // 1024


def run(n, seed=0):
    """Outcomes of `n` mutations, counted by kind of mutation.

    Raises
    ------
    AssertionError
        If loading ended badly; the message has the number of the mutation.
    """
    counts = collections.Counter()
    files = list(make_files())
    watch = Watch()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.kpd"
        for number in range(n):
            rng = random.Random(f"{seed} {number}")
            data, images, expected = files[number % len(files)]
            kinds = BYTES if number % 5 == 0 else REHASHED
            mutate = rng.choice(kinds)
            path.write_bytes(mutate(data, rng))
            try:
                result = outcome(path, images, expected, watch)
            except BaseException as error:
                raise AssertionError(f"mutation {number}, {mutate.__name__}") from error
            assert result != "an endless message", f"mutation {number}, {mutate.__name__}"
            assert not watch.seen, f"mutation {number}, {mutate.__name__}: {watch.seen}"
            if kinds is BYTES:
                assert not result.startswith("another"), f"mutation {number}, {mutate.__name__}"
            assert list(Path(folder).iterdir()) == [path], f"mutation {number} has left a file"
            memory = peak_memory()
            assert memory < MEMORY_LIMIT, f"mutation {number} took {memory} MB"
            counts[mutate.__name__, result] += 1
    return counts


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--n", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    for (name, result), count in sorted(run(arguments.n, arguments.seed).items()):
        print(f"{count:6} {name}: {result}")
