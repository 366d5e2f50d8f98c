"""A hundred submissions that try to harm or to cheat, graded by who runs the tests."""

import pytest

from tests.grading.hostile import checks


@pytest.fixture(scope="module")
def batch():
    yield from checks.graded()


class TestAsThisUser(checks.Attacks):
    pass
