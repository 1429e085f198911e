import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sklearn_kpd._common.sources import HDF5
from sklearn_kpd._training.batches import Batches, draw_rows, shuffle_blocks
from sklearn_kpd.augment import Augmentation
from sklearn_kpd.images import LazyImages
from tests.stores import opened


@pytest.fixture
def data():
    images = np.arange(10, dtype=np.uint8)[:, None, None, None] * np.ones((10, 4, 4, 1), np.uint8)
    values = np.repeat(np.arange(10.0)[:, None], 2, axis=1)
    return images, values


def make(data, rows=range(10), **options):
    images, values = data
    rows = np.array(rows)
    settings = {"gain": 1.0, "batch_size": 4, "seed": 0, **options}
    return Batches(images, rows, values[rows], **settings)


def rows_seen(batches):
    return [batch[0][:, 0, 0, 0].tolist() for batch in batches]


def test_an_epoch_has_every_row_once(data):
    batches = make(data, rows=[1, 3, 5, 7, 9])
    assert len(batches) == 2
    seen = rows_seen(batches)
    assert [len(batch) for batch in seen] == [4, 1]
    assert sorted(sum(seen, [])) == [1, 3, 5, 7, 9]


def test_images_keypoints_and_weights_stay_together(data):
    weights = np.arange(10.0)
    for images, units, weight in make(data, sample_weight=weights):
        np.testing.assert_allclose(units[:, 0] * 2 + 1.5, images[:, 0, 0, 0], atol=1e-6)
        np.testing.assert_array_equal(weight, images[:, 0, 0, 0])
        assert (images.dtype, units.dtype, weight.dtype) == (np.uint8, np.float32, np.float32)


def test_epochs_differ_and_seeds_repeat(data):
    batches, again = make(data), make(data)
    first = rows_seen(batches)
    assert rows_seen(batches) == first == rows_seen(again)
    batches.draw(1)
    again.draw(1)
    assert rows_seen(batches) != first
    assert rows_seen(batches) == rows_seen(again)


def test_no_seed_keeps_the_order(data):
    batches = make(data, seed=None)
    batches.draw(1)
    assert sum(rows_seen(batches), []) == list(range(10))


def test_floats_are_brought_to_grey_levels(data):
    images, values = data
    batch = make((images / 10, values), gain=255.0)[0][0]
    assert batch.dtype == np.float32
    assert batch.max() > 100


def test_augmentation_is_new_every_epoch_whatever_the_order_of_the_batches(data):
    augmentation = Augmentation(ranges={"translation": (-1.0, 1.0)}, out_of_frame="keep")
    batches, again = (make(data, augmentations=(augmentation,)) for _ in range(2))
    forward = [batches[i][1] for i in range(3)]
    backward = [again[i][1] for i in (2, 1, 0)][::-1]
    for a, b in zip(forward, backward, strict=True):
        np.testing.assert_array_equal(a, b)
    moves = [f - make(data)[i][1] for i, f in enumerate(forward)]
    assert len(np.unique(np.concatenate(moves)[:, 0])) == 10  # no batch repeats another's
    batches.draw(1)
    assert not np.array_equal(batches[0][1], forward[0])


def test_the_global_random_state_is_left_alone(data):
    state = np.random.get_state()[1].copy()
    batches = make(data, augmentations=(Augmentation(ranges={"rotation": (-5.0, 5.0)}),))
    list(batches)
    batches.draw(1)
    np.testing.assert_array_equal(np.random.get_state()[1], state)


@settings(deadline=None)
@given(
    counts=hnp.arrays(np.intp, st.integers(1, 60), elements=st.integers(0, 30)).filter(np.any),
    n_draws=st.integers(1, 500),
    seed=st.integers(0, 2**31 - 1),
)
def test_rows_are_drawn_as_often_as_their_shares_say(counts, n_draws, seed):
    shares = counts / counts.sum()
    rows = draw_rows(shares, n_draws, np.random.default_rng(seed))
    drawn = np.bincount(rows, minlength=len(counts))
    assert drawn.sum() == n_draws
    assert (np.abs(drawn - n_draws * shares) < 1 + 1e-9).all()
    assert (drawn[counts == 0] == 0).all()


@pytest.mark.parametrize("row_shares", [None, np.full(10, 0.1)])
def test_an_epoch_shows_rows_several_times_and_augments_each_anew(data, row_shares):
    augmentation = Augmentation(ranges={"translation": (-1.0, 1.0)}, out_of_frame="keep")
    batches = make(data, row_shares=row_shares, n_draws=30, augmentations=(augmentation,))
    plain = make(data, row_shares=row_shares, n_draws=30)
    assert len(batches) == len(plain) == -(-30 // plain.batch_size)
    seen = sum(rows_seen(plain), [])
    assert (np.bincount(seen) == 3).all()
    moves = np.concatenate([m - p for (_, m), (_, p) in zip(batches, plain, strict=True)])
    assert len(np.unique(moves[:, 0])) == 30
    order = seen
    plain.draw(1)
    assert sum(rows_seen(plain), []) != order


def test_rows_with_more_labels_are_drawn_more_often(data):
    shares = np.array([0.28] * 2 + [0.055] * 8)
    batches = make(data, row_shares=shares)
    first = sorted(sum(rows_seen(batches), []))
    assert len(first) == 10
    assert first.count(0) + first.count(1) in (5, 6)
    batches.draw(1)
    assert sorted(sum(rows_seen(batches), [])) != first


def test_rows_go_into_the_outputs_of_their_scheme(data):
    batches = make(data, row_schemes=np.arange(10) % 2, n_schemes=2)
    for images, units in batches:
        even = images[:, 0, 0, 0] % 2 == 0
        assert units.shape == (len(images), 4)
        assert np.isnan(units[even, 2:]).all()
        assert np.isfinite(units[even, :2]).all()
        assert np.isnan(units[~even, :2]).all()


@given(
    blocks=hnp.arrays(np.intp, st.integers(1, 80), elements=st.integers(0, 20)),
    n_together=st.integers(1, 9),
    seed=st.integers(0, 2**31 - 1),
)
def test_rows_of_few_blocks_are_shuffled_together(blocks, n_together, seed):
    order = shuffle_blocks(blocks, n_together, np.random.default_rng(seed))
    assert sorted(order) == list(range(len(blocks)))
    places = {block: np.flatnonzero(blocks[order] == block) for block in blocks}
    # where the rows of a block are, there are those of few others
    windows = {tuple(np.unique(blocks[order][p.min() : p.max() + 1])) for p in places.values()}
    assert max(map(len, windows)) <= n_together


def test_blocks_and_their_rows_go_in_every_order():
    blocks = np.repeat(np.arange(20), 10)
    orders = [shuffle_blocks(blocks, 4, np.random.default_rng(seed)) for seed in range(2)]
    assert not np.array_equal(*orders)
    for order in orders:
        assert len(set(blocks[order[:40]])) == 4  # a window has blocks from everywhere
        assert len(set(blocks[order[:8]])) > 1
        assert np.abs(np.corrcoef(order, np.arange(200))[0, 1]) < 0.5


def test_an_epoch_of_blocks_reads_each_once(tmp_path, monkeypatch):
    images = np.arange(200, dtype=np.uint8)[:, None, None, None] * np.ones((4, 4, 1), np.uint8)
    monkeypatch.setattr("sklearn_kpd._common.sources._SMALLEST_BLOCK", 1)
    monkeypatch.setattr("sklearn_kpd._common.sources._WINDOW", 4 * 10 * 16)
    lazy = LazyImages(opened(images, "hdf5", tmp_path, rows_in_chunk=10))
    read, original = [], HDF5._read_block
    monkeypatch.setattr(HDF5, "_read_block", lambda self, n: read.append(n) or original(self, n))
    values = np.repeat(np.arange(200.0)[:, None], 2, axis=1)
    batches = make((lazy, values), rows=np.arange(0, 200, 2), batch_size=7)
    assert sorted(sum(rows_seen(batches), [])) == list(range(0, 200, 2))
    assert sorted(read) == list(range(20))
    for images, units in batches:  # keypoints stay with their images
        np.testing.assert_allclose(units[:, 0] * 2 + 1.5, images[:, 0, 0, 0], atol=1e-4)


@pytest.mark.parametrize("engine", ["fused", "imgaug"])
@pytest.mark.parametrize("probability", [1.0, 0.7])
def test_mirror_images_go_into_outputs_of_their_own(data, engine, probability):
    images = np.zeros((40, 4, 4, 1), np.uint8)
    images[:, 1, 0] = 200  # on the left as they are, on the right in a mirror
    flip = {"flip": 0.5, "permutation": np.array([0]), "engine": engine}
    once = Augmentation(ranges={}, probability=probability, **flip)
    for augmentations in ((), (once,), (once, Augmentation(ranges={}, **flip))):
        batches = make(
            (images, np.zeros((40, 2))), range(40), batch_size=40, augmentations=augmentations,
            row_schemes=np.arange(40) % 2, n_schemes=2, mirrored_outputs=True,
        )  # fmt: skip
        [(found, units)] = batches
        assert units.shape == (40, 8)
        mirrored = found[:, 1, 3, 0] == 200
        assert mirrored.any() == bool(augmentations)
        assert not mirrored.all()
        labelled = ~np.isnan(units).reshape(40, 4, 2).any(axis=2)
        schemes = np.arange(40) % 2  # one batch, which is sorted
        np.testing.assert_array_equal(labelled.argmax(axis=1), schemes + 2 * mirrored)
        assert (labelled.sum(axis=1) == 1).all()
