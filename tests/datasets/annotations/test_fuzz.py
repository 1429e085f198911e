import pytest

from tests import fuzz_annotations


@pytest.mark.slow
def test_mutated_files_are_read_right_or_refused():
    """A sample; ``python -m tests.fuzz_annotations --n 2000`` is the whole."""
    counts, failures, n_files = fuzz_annotations.run(200)
    assert failures == []
    assert n_files >= 6
    assert min(counts["read"], counts["refused"]) > 20
