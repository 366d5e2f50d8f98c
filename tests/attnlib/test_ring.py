"""Attention over several processes, against loops and torch's gradients in one.

The processes are real ones, joined by gloo through a file; nothing leaves the machine.
"""

import json
import os
import subprocess
import sys
import time

import numpy as np
import pytest

from course.paths import ROOT
from tests.attnlib import oracles
from tests.attnlib.arrays import assert_close

torch = pytest.importorskip("torch")
dist = pytest.importorskip("torch.distributed")
ring_attention = pytest.importorskip("attnlib.ring").ring_attention

pytestmark = pytest.mark.slow
needs_gloo = pytest.mark.skipif(
    not (dist.is_available() and dist.is_gloo_available()),
    reason="torch was built without gloo",
)

# name: shapes of query, key and value without their rows; keywords; dtype
CASES = {
    "plain": ((), (), (), {}, "float64"),
    "causal": ((), (), (), {"is_causal": True}, "float64"),
    "scale": ((), (), (), {"scale": 0.3}, "float64"),
    "heads": ((2, 3), (2, 3), (2, 3), {"is_causal": True}, "float64"),
    "shared": ((2, 3), (2, 1), (1,), {"is_causal": True}, "float64"),
    "large scores": ((), (), (), {"scale": 60.0, "is_causal": True}, "float64"),
    "half": ((), (), (), {"is_causal": True}, "bfloat16"),
}
E, EV = 4, 2
PATIENCE = 900  # seconds: a bound for hanging; on busy cores a start takes a minute
# rows of query and of key in each process; the sums agree, as causal needs
SPLITS = {
    "one process": ([5], [5]),
    "two": ([4, 4], [4, 4]),
    "three": ([3, 5, 1], [2, 1, 6]),
    "three, two of them without rows": ([3, 4, 0], [5, 0, 2]),
}


def run_processes(folder, size):
    """Run the worker in `size` processes; all are gone when this returns."""
    command = [sys.executable, "-m", "tests.attnlib.ring_worker"]
    logs, started = [folder / f"{rank}.txt" for rank in range(size)], []
    deadline = time.monotonic() + PATIENCE
    try:
        for rank, log in enumerate(logs):
            with log.open("w", encoding="utf-8") as said:
                process = subprocess.Popen(
                    [*command, str(rank), str(size), str(folder)],
                    env=os.environ | {"OMP_NUM_THREADS": "1"},
                    stdout=said,
                    stderr=subprocess.STDOUT,
                    cwd=ROOT,
                )
            started.append(process)
        while any(process.poll() is None for process in started):
            if any(process.poll() for process in started):
                break  # the others would wait for the one that failed
            assert time.monotonic() < deadline, "the processes hang"
            time.sleep(0.05)
    finally:
        ends = [process.poll() for process in started]
        for process in started:
            process.kill()
            process.wait()
    assert ends == [0] * size, "\n".join(log.read_text("utf-8") for log in logs)


def rows_of(split):
    """What -> its rows in each process."""
    query, key = SPLITS[split]
    return {"q": query, "k": key, "v": key, "g": query}


def draw(split):
    """Random whole inputs, and gradients of the output, of every case of a split."""
    rows, rng, whole = rows_of(split), np.random.default_rng(5), {}
    for name, (*leads, _, _) in CASES.items():
        query, key, value = leads
        shapes = {"q": (query, E), "k": (key, E), "v": (value, EV), "g": (query, EV)}
        for what, (lead, features) in shapes.items():
            x = rng.normal(size=(*lead, sum(rows[what]), features))
            if name == "half":  # numbers that the processes can hold exactly
                x = torch.tensor(x).bfloat16().double().numpy()
            whole[f"{name} {what}"] = x
    return whole


def write_parts(folder, rows, whole):
    """Write a file for each process, with its rows of everything."""
    for rank in range(len(rows["q"])):
        parts = {}
        for label, x in whole.items():
            start = sum(rows[label[-1]][:rank])
            parts[label] = x[..., start : start + rows[label[-1]][rank], :]
        np.savez(folder / f"given{rank}.npz", **parts)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where three processes have answered every split, as far as they are in it."""
    folder = tmp_path_factory.mktemp("ring")
    for split in SPLITS:
        (folder / split).mkdir()
        write_parts(folder / split, rows_of(split), draw(split))
    cases = {name: case[3:] for name, case in CASES.items()}
    (folder / "cases.json").write_text(json.dumps(cases), encoding="utf-8")
    run_processes(folder, size=3)
    return folder


@pytest.fixture(scope="module", params=SPLITS)
def ran(request, folder):
    """Return whole inputs, found parts in order of rank, for every case of a split."""
    split = request.param
    files = [
        folder / split / f"found{rank}.npz" for rank in range(len(SPLITS[split][0]))
    ]
    return draw(split), [dict(np.load(file)) for file in files]


@pytest.fixture
def in_the_world(folder):
    """What each of the three processes found in the group of all."""
    return [dict(np.load(folder / f"world{rank}.npz")) for rank in range(3)]


def joined(found, label):
    """Put the processes' rows below each other."""
    return np.concatenate([part[label] for part in found], axis=-2)


@needs_gloo
@pytest.mark.parametrize("name", CASES)
def test_forward_equals_the_loops(ran, name):
    """All blocks in order of rank against one process that has everything."""
    whole, found = ran
    keywords, dtype = CASES[name][3:]
    query, key, value = (whole[f"{name} {what}"] for what in "qkv")
    rows = query.shape[-2]
    mask = oracles.causal_mask(rows, rows) if keywords.get("is_causal") else None
    expected = oracles.attention(query, key, value, mask, scale=keywords.get("scale"))
    assert_close(joined(found, f"{name} o"), expected, dtype=dtype)


@needs_gloo
@pytest.mark.parametrize("name", CASES)
def test_gradients_equal_those_of_one_process(ran, name):
    """Against torch's softmax and autograd on the whole, in float64."""
    whole, found = ran
    keywords, dtype = CASES[name][3:]
    inputs = [torch.tensor(whole[f"{name} {x}"], requires_grad=True) for x in "qkv"]
    query, key, value = inputs
    scores = query @ key.mT * keywords.get("scale", E**-0.5)
    if keywords.get("is_causal"):
        future = torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1)
        scores = scores.masked_fill(future, -torch.inf)
    output = torch.softmax(scores, -1) @ value
    output.backward(torch.tensor(whole[f"{name} g"]))
    # the scale 60 multiplies the rounding of scores of that size
    tolerance = 1e-11 if name == "large scores" else None
    for what, x in zip("qkv", inputs, strict=True):
        actual = joined(found, f"{name} {what}")
        assert_close(actual, x.grad, tolerance=tolerance, dtype=dtype)


@needs_gloo
def test_a_group_within_the_world(in_the_world):
    """Processes 1 and 2 alone: one row of ones, two of twos; keys count three times."""
    rows = np.repeat([1.0, 2.0, 2.0], 4).reshape(3, 4)
    weights = oracles.softmax(rows @ rows.T / 2)
    assert_close(joined(in_the_world[1:], "group"), weights @ rows, dtype="float32")


@needs_gloo
def test_causal_with_other_numbers_of_queries_and_keys(in_the_world):
    """All processes raise, none is left waiting; the message tells the lengths."""
    for part in in_the_world:
        assert "L=1+2+3" in str(part["error"])
        assert "S=1+1+1" in str(part["error"])


x = torch.zeros(3, 4)
BAD = {
    "NumPy": ((np.zeros((3, 4)),) * 3, TypeError, "torch tensor, got ndarray"),
    "value's dtype": ((x, x, x.double()), TypeError, "dtype.*float64"),
    "value's rows": ((x, x, x[:2]), ValueError, "S=3 and S=2"),
    "E": ((x, x[:, :2], x), ValueError, "E"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_arguments(name):
    """Found before any message is sent, so without a group, too."""
    arguments, error, message = BAD[name]
    with pytest.raises(error, match=message):
        ring_attention(*arguments)
