"""The same hundred submissions, graded as nobody where root runs the tests, or as root.

Root may do more than others, and is bound by fewer limits; an ordinary user may not
read what root can. The sandbox must hold for both.
"""

import pytest

from tests.grading.hostile import checks, run


@pytest.fixture(scope="module")
def batch():
    yield from checks.graded(run.as_other_user)


class TestAsTheOtherUser(checks.Attacks):
    pass
