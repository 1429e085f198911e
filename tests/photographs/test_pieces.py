"""Pieces of photographs in memory and in a file."""

import tracemalloc

import numpy as np
import pytest

from sklearn_kpd.photographs import _pieces
from sklearn_kpd.photographs._pieces import CropBatch, Pieces, in_turn, reduced

IDENTITY = np.eye(3)


def some_pieces(n_channels=1, border="replicate"):
    rng = np.random.default_rng(0)
    kept = Pieces(5, (6, 8), n_channels, border)
    for row in (3, 0, 4, 2, 1):  # as photographs come in, not as rows lie
        side = 6 + row
        matrix = IDENTITY.copy()
        matrix[:2, 2] = row / 4
        kept.put(row, rng.integers(0, 256, (side, side + 2, n_channels), np.uint8), matrix)
    return kept


def test_the_file_goes_with_its_owner(monkeypatch):
    monkeypatch.setattr(_pieces, "_MAX_BYTES", 0)
    kept = some_pieces()
    file = kept._file
    assert not file.closed
    del kept
    assert file.closed


@pytest.mark.parametrize("n_channels", [1, 3])
@pytest.mark.parametrize("bound", [0, 300, 10**9])
def test_memory_and_file_hold_the_same(monkeypatch, n_channels, bound):
    whole = some_pieces(n_channels)
    monkeypatch.setattr(_pieces, "_MAX_BYTES", bound)
    kept = some_pieces(n_channels)
    in_file = [not isinstance(piece, np.ndarray) for piece in kept._pieces]
    assert any(in_file) == (bound < 10**9)
    assert all(in_file) == (bound == 0)
    np.testing.assert_array_equal(kept[:], whole[:])
    for rows in ([2], [4, 0, 0], slice(1, 3), np.array([True, False, False, True, False])):
        np.testing.assert_array_equal(kept[rows], whole[:][rows])
    assert kept.shape == whole.shape == whole[:].shape == (5, 6, 8, n_channels)


def test_a_batch_moves_with_one_warp():
    batch = some_pieces().batch(slice(None))
    shift = np.array([IDENTITY] * 5)
    shift[:, 0, 2] = 1  # whole pixels, so that nothing is interpolated anew
    moved = batch.warped(shift)
    np.testing.assert_array_equal(moved[:, :, 1:], batch.warped()[:, :, :-1])
    assert batch[[1, 1, 3]].matrices.shape == (3, 3, 3)
    assert len(batch[batch.matrices[:, 0, 2] > 0.4]) == 3


def test_a_perspective_that_is_none_is_the_affine_warp():
    batch = some_pieces(3).batch(slice(None))
    nearly = np.array([IDENTITY] * 5)
    nearly[:, 2, 0] = 1e-12
    assert np.abs(batch.warped(nearly).astype(int) - batch.warped()).max() <= 3


@pytest.mark.parametrize(
    ("border", "wanted"), [("replicate", 10), ("reflect", 90), (33.0, 33), (0, 0)]
)
def test_border(border, wanted):
    row = np.array([10, 90, 170, 250], np.uint8)
    piece = np.tile(row, (4, 1))[..., None]
    matrix = IDENTITY.copy()
    matrix[0, 2] = 1  # the piece begins at the crop's second pixel
    crop = CropBatch([piece], matrix[None], (4, 4), border).warped()[0, :, :, 0]
    np.testing.assert_array_equal(crop[:, 0], wanted)
    np.testing.assert_array_equal(crop[:, 1:], piece[:, :3, 0])


@pytest.mark.parametrize("factor", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("n_channels", [1, 3])
def test_reduced_is_the_mean_of_squares(factor, n_channels):
    pixels = np.random.default_rng(0).integers(0, 256, (15, 22, n_channels), np.uint8)
    small = reduced(pixels, factor)
    assert small.shape == (-(-15 // factor), -(-22 // factor), n_channels)
    assert small.dtype == np.uint8
    height, width = 15 // factor, 22 // factor
    inner = pixels[: height * factor, : width * factor].astype(float)
    means = inner.reshape(height, factor, width, factor, n_channels).mean(axis=(1, 3))
    np.testing.assert_allclose(small[:height, :width], means, atol=1)


def test_in_turn_keeps_the_order_and_tells_how_many_are_done():
    told = []
    assert list(in_turn(lambda n: n * n, list(range(100)), told.append)) == [
        n * n for n in range(100)
    ]
    assert told == list(range(1, 101))
    with pytest.raises(ZeroDivisionError):
        list(in_turn(lambda n: 1 // n, [1, 0], None))


def test_results_do_not_pile_up():
    def read(_):
        return np.zeros(2**20, np.uint8)

    tracemalloc.start()
    for _ in in_turn(read, list(range(200)), None):
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 60 * 2**20
