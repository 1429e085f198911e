import pytest

from tests.label_quality.review import helpers


@pytest.fixture(autouse=True)
def _close_journals():
    yield
    while helpers.OPEN:
        helpers.OPEN.pop().close()
