"""One of the processes of test_ring.py: ring_worker.py RANK SIZE FOLDER.

The folder holds cases.json and a folder for each split of the rows, with a file of
arrays for each process that has some; what was found is written beside them.
"""

import datetime
import gc
import json
import sys
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist

from attnlib.ring import ring_attention

# A bound for hanging, not for speed: on busy cores a step may take a minute.
PATIENCE = 600  # seconds


def main(rank, size, folder):
    """Join the others, answer every split and the two questions, leave."""
    torch.set_num_threads(1)
    limit = datetime.timedelta(seconds=PATIENCE)
    store = dist.FileStore(str(folder / "store"), size)
    dist.init_process_group(
        "gloo", store=store, rank=rank, world_size=size, timeout=limit
    )
    answer_splits(rank, size, folder)
    np.savez(folder / f"world{rank}.npz", **answer_in_the_world(rank))
    gc.collect()  # a group that something still holds keeps its threads,
    dist.barrier()
    dist.destroy_process_group()  # and a thread at work in the exit aborts the process


def answer_splits(rank, size, folder):
    """Write the outputs and gradients of the cases of each split of which one is."""
    cases = json.loads((folder / "cases.json").read_text(encoding="utf-8"))
    for split in sorted(path for path in folder.iterdir() if path.is_dir()):
        members = len([*split.glob("given*.npz")])
        group = None if members == size else dist.new_group([*range(members)])
        if rank < members:
            data = np.load(split / f"given{rank}.npz")
            found = {}
            for name, (keywords, dtype) in cases.items():
                arrays = [data[f"{name} {what}"] for what in "qkvg"]
                numbers = outputs(arrays, dtype, group=group, **keywords)
                for what, x in zip("oqkv", numbers, strict=True):
                    found[f"{name} {what}"] = x
            np.savez(split / f"found{rank}.npz", **found)


def outputs(arrays, dtype, **keywords):
    """The output and the gradients of query, key and value, in float64."""
    *inputs, grad = (torch.tensor(x).to(getattr(torch, dtype)) for x in arrays)
    # columns lie together here: what is sent must lie row by row
    inputs = [x.mT.contiguous().mT.requires_grad_() for x in inputs]
    output = ring_attention(*inputs, **keywords)
    assert output.dtype == inputs[0].dtype
    output.backward(grad)
    assert all(x.grad.dtype == x.dtype for x in inputs)
    return [x.double().numpy() for x in (output.detach(), *(x.grad for x in inputs))]


def answer_in_the_world(rank):
    """A group in which ranks are others than in the world, and a refused call."""
    found, group = {}, dist.new_group([1, 2])
    if rank:
        x = torch.full((rank, 4), float(rank))
        found["group"] = ring_attention(x, x, x, group=group).numpy()
    x = torch.zeros(rank + 1, 4)
    try:
        ring_attention(x, x[:1], x[:1], is_causal=True)
    except ValueError as error:
        found["error"] = str(error)
    return found


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
