"""Damaged Kaggle files are read right or refused with an error that names the file.

A parser that is slow and plain says what is right.
"""

import csv
import io
import re
import zipfile

import numpy as np
import pytest

from sklearn_kpd.datasets import _kaggle, load_kaggle
from sklearn_kpd.keypoints import KAGGLE_KEYPOINTS, columns_from_names

COLUMNS = columns_from_names(KAGGLE_KEYPOINTS)
SPACE = " \t\n\r\v\f"
LEVELS = {str(level): level for level in range(256)}
INSERTS = [
    *(b",", b" ", b'"', b"\n", b"\r", b"\r\n", b"\t", b"\0", b"\x1c", b",,,", b"\n\n", b'"\n"'),
    *(b"\xff", b"\xc3\xa9", b"\xef\xbb\xbf", b"\xd9\xa1", b" , ", b"  ", b"NULL", b"nan", b"inf"),
    *(b"-", b"+", b"_", b".", b"e9", b"x", b"0", b"00", b'""', b"256", b"1e400", b"9" * 400),
    b"5" * 2**20,
]  # fmt: skip


def number(word):
    if not re.fullmatch(r"[+-]?[0-9]{1,18}", word):
        raise ValueError(word)
    return int(word)


def level(word):
    if not 0 <= number(word) <= 255:
        raise ValueError(word)
    return number(word)


def coordinate(word):
    word = word.strip(SPACE)
    if word == "" or word.lstrip("+-").lower() == "nan":
        return np.nan
    if not re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", word):
        raise ValueError(word)
    if np.isinf(float(word)):
        raise ValueError(word)
    return float(word)


def read_plainly(content):
    """Images, labels or None, and ids; any error if the file is bad."""
    text = io.StringIO(content.decode("utf-8-sig"), newline="")
    header, *rows = (row for row in csv.reader(text) if row)
    header = [name.strip() for name in header]
    assert len(set(header)) == len(header)
    images, labels, ids = [], [], []
    has_labels = any(column in header for column in COLUMNS)
    assert has_labels or "ImageId" in header
    for place, row in enumerate(rows, start=1):
        fields = dict(zip(header, row, strict=True))
        words = re.findall(f"[^{SPACE}]+", fields["Image"])
        images.append([LEVELS[w] if w in LEVELS else level(w) for w in words])
        ids.append(number(fields["ImageId"].strip(SPACE)) if "ImageId" in header else place)
        if has_labels:
            labels.append([coordinate(fields[column]) for column in COLUMNS])
    images = np.array(images, dtype=np.uint8).reshape(len(rows), 96, 96, 1)
    assert len(images) > 0
    return images, np.array(labels) if has_labels else None, np.array(ids)


def places(content, rng):
    """A byte anywhere, in the header, among the labels, or next to a separator."""
    kind = rng.integers(4)
    rows = content.split(b"\n")
    if kind == 0 or len(content) < 100 or len(rows) < 2:
        return int(rng.integers(len(content) + 1))
    if kind == 1:
        return int(rng.integers(len(rows[0]) + 1))
    row = int(rng.integers(1, len(rows)))
    start = sum(map(len, rows[:row])) + row
    if kind == 2:
        return start + int(rng.integers(min(len(rows[row]), 300) + 1))
    separators = [m.start() for m in re.finditer(rb'[ ,"]', rows[row])] or [0]
    return start + separators[rng.integers(len(separators))]


def mutate_bytes(content, rng):
    at = places(content, rng)
    insert = INSERTS[rng.integers(len(INSERTS))]
    head, byte, tail = content[:at], content[at : at + 1], content[at + 1 :]
    changes = [
        lambda: head + bytes([byte[0] ^ 1 << rng.integers(8)]) + tail if byte else head,
        lambda: head + tail,
        lambda: head + byte + byte + tail,
        lambda: head + tail[:1] + byte + tail[1:],
        lambda: head + insert + byte + tail,
        lambda: head + insert + tail,
        lambda: head + tail[int(rng.integers(2000)) :],
        lambda: head,
    ]
    return changes[rng.choice(8, p=[0.2, 0.1, 0.1, 0.1, 0.2, 0.2, 0.05, 0.05])]()


def mutate_table(content, rng):
    rows = [row.split(b",") for row in content.split(b"\n")]
    row, other = rng.integers(len(rows), size=2)
    at, to = rng.integers(len(rows[row]), size=2)
    order = rng.permutation(len(rows[0]))
    kind = rng.integers(9)
    if kind == 0:
        del rows[row]
    elif kind == 1:
        rows.insert(other, rows[row])
    elif kind == 2:
        rows[row], rows[other] = rows[other], rows[row]
    elif kind == 3:
        del rows[row][at]
    elif kind == 4:
        rows[row].insert(to, rows[row][at])
    elif kind == 5:
        rows[row][at], rows[row][to] = rows[row][to], rows[row][at]
    elif kind == 6:
        rows[row][at] = b'"' + rows[row][at] + b'"'
    elif kind == 7:
        rows[row] = [b""]
    else:
        rows = [[r[i] for i in order] if len(r) == len(order) else r for r in rows]
    return b"\n".join(map(b",".join, rows))


def mutate_style(content, rng):
    """Other forms of the same table, mostly."""
    kind = rng.integers(7)
    if kind == 0:
        return content.replace(b"\n", b"\r\n")
    if kind == 1:
        return content.replace(b"\n", b"\r")
    if kind == 2:
        return b'"' + content.replace(b",", b'","').replace(b"\n", b'"\n"') + b'"'
    if kind == 3:
        return content.replace(b" ", [b"  ", b"\t", b" 0", b" +", b"\v"][rng.integers(5)])
    if kind == 4:
        return b"\xef\xbb\xbf" + content
    if kind == 5:
        return content.replace(b",", b" , ")
    return content.replace(b"\n", b"\n\n")


def mutate(content, rng):
    for _ in range(rng.integers(1, 3)):
        change = rng.choice([mutate_bytes, mutate_table, mutate_style], p=[0.7, 0.2, 0.1])
        content = change(content, rng)
    return content


def pack(content, rng):
    """A zip file, mostly a bad one."""
    file = io.BytesIO()
    # A long comment and a second file make for more places to go wrong.
    methods = [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2]
    method = int(rng.choice(methods, p=[0.45, 0.45, 0.1]))
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.comment = b"faces" * 10
        if rng.random() < 0.3:
            archive.writestr(str(rng.choice(["training.csv ", "b.csv", "b.txt"])), b"1,2")
        archive.writestr("training.csv", content)
    packed = bytearray(file.getvalue())
    directory = packed.rindex(b"PK\1\2")
    kind = rng.integers(6)
    if kind == 0:
        del packed[rng.integers(len(packed)) :]
    elif kind == 1:
        packed[rng.integers(len(packed))] ^= 1 << rng.integers(8)
    elif kind == 2:
        packed[directory + rng.integers(len(packed) - directory)] = rng.integers(256)
    elif kind == 3:  # what the directory tells: flags, method, checksum, sizes
        at = directory + rng.choice([8, 10, 16, 20, 24])
        packed[at : at + 4] = rng.bytes(4)
    elif kind == 4:
        packed[rng.integers(60)] = rng.integers(256)
    return bytes(packed)


def outcome(read, *args, errors=Exception):
    try:
        return read(*args)
    except errors as error:
        return error


def read_ours(path):
    faces = load_kaggle(path, cache=False)
    return faces.data, None if faces.target is None else faces.target.to_numpy(), faces.image_ids


def assert_right(found, expected, path):
    """The same result, or a refusal that names the file."""
    if isinstance(found, ValueError):
        assert str(path) in str(found), found
        assert len(str(found)) < 1000, str(found)[:1500]
    else:
        for ours, plain in zip(found, expected, strict=True):
            np.testing.assert_array_equal(ours, plain)


def fuzz(folder, monkeypatch, bases, n, seed):
    """Count the files that were read and those that were refused."""
    rng = np.random.default_rng(seed)
    n_read = 0
    for _ in range(n):
        base = bases[rng.integers(len(bases))]
        monkeypatch.setattr(_kaggle, "_PIECE", int(rng.choice([997, 2**18])))
        if rng.random() < 0.25:
            path, content, expected = folder / "f.zip", pack(base, rng), read_plainly(base)
        else:
            path, content = folder / "f.csv", mutate(base, rng)
            expected = outcome(read_plainly, content)
        path.write_bytes(content)
        found = outcome(read_ours, path, errors=ValueError)
        assert_right(found, expected, path)
        refused = isinstance(found, ValueError)
        assert path.suffix == ".zip" or refused == isinstance(expected, Exception), found
        n_read += not refused
    return n_read, n - n_read


@pytest.fixture(scope="module")
def bases(kaggle_like):
    """A training file and a test file, without their last line end."""
    X, y = kaggle_like
    images = [" ".join(map(str, image.ravel())) for image in X[:3]]
    # Rows with all labels and with holes.
    training = y[:3].round(3).assign(Image=images).to_csv(index=False)
    test = "\n".join(["ImageId,Image", *(f"{i},{image}" for i, image in enumerate(images[:2]))])
    return [training.strip().encode(), test.encode()]


@pytest.mark.slow
def test_damaged_files_are_read_right_or_refused(bases, tmp_path, monkeypatch):
    n_read, n_refused = fuzz(tmp_path, monkeypatch, bases, n=300, seed=0)
    assert n_read > 40
    assert n_refused > 100
