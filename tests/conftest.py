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

# They begin first, so that no worker is left with one of them at the end. The two of
# a pair need different things: one works while the other waits, or builds the book.
LONGEST = [
    "tests/browser/test_widgets_browser.py",
    "chapters/10_bias_variance.ipynb",
    "chapters/08_losses.ipynb",
    "chapters/07_rnn_comparison.ipynb",
    "chapters/playground.ipynb",
    "tests/grading/test_hostile.py",
    "tests/browser/test_widgets_firefox.py",
    "tests/grading/test_user.py",
    "chapters/13_language_model.ipynb",
    "chapters/14_build_a_gpt.ipynb",
    "chapters/15_attention_today.ipynb",
    "chapters/09_practice.ipynb",
    "tests/browser/test_widgets_access.py",
    "tests/browser/test_playground.py",
    "chapters/03_scaling.ipynb",
    "chapters/in_depth_03_remedies.ipynb",
    "chapters/in_depth_10_noise.ipynb",
    "chapters/in_depth_07_recall.ipynb",
    "chapters/in_depth_07_look_ups.ipynb",
    "chapters/in_depth_02_who_decides.ipynb",
    "chapters/in_depth_04_direct_and_parallel.ipynb",
    "chapters/02_query_key_value.ipynb",
    "tests/exercises/test_mutants.py",
    "tests/exercises/test_precision.py",
    "tests/exercises/test_exercises.py",
    "tests/repo/test_address.py",
    "tests/repo/test_offline.py",
    "tests/browser/test_widgets_jupyterlab.py",
    "tests/book/test_book.py",
    "chapters/11_why_it_matters.ipynb",
    "chapters/05_multi_head.ipynb",
    "tests/attnlib/test_agreement.py",
    "tests/grading/test_assignments.py",
]


def pytest_collection_modifyitems(items):
    """Put the longest files first; else the order stays as it is."""
    place = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.nodeid.split("::")[0], len(place)))


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
