"""Attention over several processes, against loops and torch's gradients in one.

The processes are real ones, joined by gloo through a file; nothing leaves the machine.
"""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from tests.attnlib import oracles
from tests.attnlib.arrays import assert_close

torch = pytest.importorskip("torch")
dist = pytest.importorskip("torch.distributed")
ring_attention = pytest.importorskip("attnlib.ring").ring_attention

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
# rows of query and of key in each process; the sums agree, as causal needs
SPLITS = {
    "one process": ([5], [5]),
    "two": ([4, 4], [4, 4]),
    "three": ([3, 5, 1], [2, 1, 6]),
    "three, two of them without rows": ([3, 4, 0], [5, 0, 2]),
}

WORKER = """
import datetime, json, sys
import numpy as np, torch
import torch.distributed as dist
from attnlib.ring import ring_attention

torch.set_num_threads(1)
rank, size, folder = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
dist.init_process_group(
    "gloo", store=dist.FileStore(f"{folder}/store", size), rank=rank, world_size=size,
    timeout=datetime.timedelta(seconds=60),
)
data, found = np.load(f"{folder}/{rank}.npz"), {}
for name, (keywords, dtype) in json.load(open(f"{folder}/cases.json")).items():
    tensors = [torch.tensor(data[f"{name} {what}"]) for what in "qkvg"]
    *inputs, grad = (x.to(getattr(torch, dtype)) for x in tensors)
    # columns lie together here: what is sent must lie row by row
    inputs = [x.mT.contiguous().mT.requires_grad_() for x in inputs]
    output = ring_attention(*inputs, **keywords)
    assert output.dtype == inputs[0].dtype
    output.backward(grad)
    assert all(x.grad.dtype == x.dtype for x in inputs)
    for what, x in zip("oqkv", (output.detach(), *(x.grad for x in inputs))):
        found[f"{name} {what}"] = x.double().numpy()
if size == 3:  # a group in which ranks are others than in the world
    group = dist.new_group([1, 2])
    if rank:
        x = torch.full((rank, 4), float(rank))
        found["group"] = ring_attention(x, x, x, group=group).numpy()
    x = torch.zeros(rank + 1, 4)
    try:
        ring_attention(x, x[:1], x[:1], is_causal=True)
    except ValueError as error:
        found["error"] = str(error)
np.savez(f"{folder}/found{rank}.npz", **found)
dist.destroy_process_group()
"""


def run_processes(folder, size):
    """Run the worker in `size` processes; all are gone when this returns."""
    started = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, str(rank), str(size), str(folder)],
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(size)
    ]
    try:
        said = [process.communicate(timeout=180)[0] for process in started]
    finally:
        for process in started:
            process.kill()
            process.wait()
    assert all(process.returncode == 0 for process in started), "\n".join(said)


@pytest.fixture(scope="module", params=SPLITS)
def ran(request, tmp_path_factory):
    """Return whole inputs, found parts in order of rank, for every case of a split."""
    folder = tmp_path_factory.mktemp("ring")
    rows = dict(zip("qk", SPLITS[request.param], strict=True))
    rows |= {"v": rows["k"], "g": rows["q"]}
    rng, whole, size = np.random.default_rng(5), {}, len(rows["q"])
    for name, (*leads, _, _) in CASES.items():
        query, key, value = leads
        shapes = {"q": (query, E), "k": (key, E), "v": (value, EV), "g": (query, EV)}
        for what, (lead, features) in shapes.items():
            x = rng.normal(size=(*lead, sum(rows[what]), features))
            if name == "half":  # numbers that the processes can hold exactly
                x = torch.tensor(x).bfloat16().double().numpy()
            whole[f"{name} {what}"] = x
    for rank in range(size):
        parts = {}
        for label, x in whole.items():
            start = sum(rows[label[-1]][:rank])
            parts[label] = x[..., start : start + rows[label[-1]][rank], :]
        np.savez(folder / f"{rank}.npz", **parts)
    (folder / "cases.json").write_text(json.dumps({n: c[3:] for n, c in CASES.items()}))
    run_processes(folder, size)
    found = [dict(np.load(folder / f"found{rank}.npz")) for rank in range(size)]
    return whole, found


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
@pytest.mark.parametrize("ran", ["three"], indirect=True)
def test_a_group_within_the_world(ran):
    """Processes 1 and 2 alone: one row of ones, two of twos; keys count three times."""
    _, found = ran
    rows = np.repeat([1.0, 2.0, 2.0], 4).reshape(3, 4)
    weights = oracles.softmax(rows @ rows.T / 2)
    assert_close(joined(found[1:], "group"), weights @ rows, dtype="float32")


@needs_gloo
@pytest.mark.parametrize("ran", ["three"], indirect=True)
def test_causal_with_other_numbers_of_queries_and_keys(ran):
    """All processes raise, none is left waiting; the message tells the lengths."""
    _, found = ran
    for part in found:
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
