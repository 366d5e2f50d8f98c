"""Settings of the suite, and the fixture that runs a test on every array library."""

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from attnlib import fused
from tests.attnlib import arrays

pytest_plugins = ["tests.fixtures"]

# The same examples on every machine; a slow example is no failure on a busy core.
settings.register_profile(
    "attnlib",
    derandomize=True,
    deadline=None,
    database=None,
    max_examples=40,
    # The one function-scoped fixture used with @given is `asarray`: it has no state.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.load_profile("attnlib")


@pytest.fixture(scope="module")
def no_call_is_small():
    """Send small arrays through the NumPy kernel too, where it is tested."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fused, "FEW", -1)
        patch.setattr(fused, "SINGLE", 0)
        yield


@pytest.fixture(params=arrays.LIBRARIES)
def asarray(request):
    """Turn lists and NumPy arrays into arrays of one library: see `arrays.AsArray`."""
    return arrays.maker(request.param)


@pytest.fixture(params=arrays.TENSORS)
def astensor(request):
    """Like `asarray`, for the tests that only make sense on torch (gradients)."""
    return arrays.maker(request.param)


@pytest.fixture
def rng():
    """A generator of its own for each test."""
    return np.random.default_rng(20170612)
