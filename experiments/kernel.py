"""In depth, one kernel: the same program in Triton, held against attnlib.

    python -m experiments.kernel

takes seconds, and needs Triton (`pip install triton==3.9.0`, about 1 GB, Linux): a GPU
where torch sees one, Triton's interpreter on the CPU where not. The page shows
_triton.py as it stands. It writes kernel.json in attnlib/data.
"""

import importlib.metadata
import importlib.util
import os
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

from attnlib import attention_scores, causal_mask, scaled_dot_product_attention
from experiments.common import store

CHAPTER = "in_depth_15_kernel"
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
SETTINGS = {
    "seeds": [0, 1, 2],
    # heads, L, S, features, block of queries, block of keys, causal
    "shapes": {
        "blocks that fit": [2, 64, 64, 32, 16, 16, False],
        "lengths that no block fits": [3, 130, 77, 32, 32, 16, False],
        "causal": [2, 100, 100, 64, 32, 16, True],
        "causal, blocks of 16 x 64": [2, 100, 100, 64, 16, 64, True],
        "one query, as in decoding": [4, 1, 300, 64, 16, 64, False],
    },
    "large scores": 30.0,  # what queries are multiplied by, in a second run of each
    "faults": {
        "the total is not shrunk": ["total * shrink", "total"],
        "the outputs are not shrunk": ["mixed * shrink[:, None]", "mixed"],
        "keys behind the last count": ["(j < S)[None, :]", "(j >= 0)[None, :]"],
    },
}
KERNEL = Path(__file__).parent / "_triton.py"


def source():
    """Return the kernel as the page shows it."""
    text = KERNEL.read_text(encoding="utf-8")
    return text[text.index("import triton") :].rstrip()


def load(path):
    """Return the kernel of a file, for a GPU or Triton's interpreter."""
    if DEVICE == "cpu":
        os.environ["TRITON_INTERPRET"] = "1"  # before Triton is imported
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.attend


def broken(old, new):
    """Return the kernel with one fault in it."""
    text = KERNEL.read_text(encoding="utf-8")
    assert text.count(old) == 1, old
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "broken.py"
        path.write_text(text.replace(old, new), encoding="utf-8")
        attend = load(path)
        return [worst(attend, shape) for shape in SETTINGS["shapes"].values()]


def run(attend, query, key, value, rows, cols, causal):
    """Attention (heads, L, E) and each query's log-sum-exp (heads, L), by Triton."""
    q, k, v = (torch.tensor(x, device=DEVICE).contiguous() for x in (query, key, value))
    (heads, L, E), S = q.shape, k.shape[1]
    out, lse = torch.empty_like(q), torch.empty((heads, L), device=DEVICE)
    grid = (-(-L // rows), heads)
    attend[grid](q, k, v, out, lse, L, S, E**-0.5, E, rows, cols, causal)
    return out.cpu().numpy(), lse.cpu().numpy()


def difference(attend, seed, times, heads, L, S, E, rows, cols, causal):
    """Largest differences from attnlib in float64: of outputs, of log-sum-exps."""
    draws = np.random.default_rng(seed)
    query, key, value = (draws.normal(size=(heads, n, E)) for n in (L, S, S))
    query, key, value = (x.astype("float32") for x in (times * query, key, value))
    out, lse = run(attend, query, key, value, rows, cols, causal)
    wide = [x.astype("float64") for x in (query, key, value)]
    mask = causal_mask(L, S) if causal else None
    scores = attention_scores(*wide[:2], mask)
    expected = np.logaddexp.reduce(scores, axis=-1)
    right = scaled_dot_product_attention(*wide, mask)
    far = np.abs(lse - expected) / np.maximum(1, np.abs(expected))
    return [float(f"{x:.1e}") for x in (np.abs(out - right).max(), far.max())]


def worst(attend, shape):
    """Largest difference of the outputs over the seeds, plain and large scores."""
    return max(
        difference(attend, seed, times, *shape)[0]
        for times in (1.0, SETTINGS["large scores"])
        for seed in SETTINGS["seeds"]
    )


def main():
    """Run all settings and write kernel.json; say so where Triton is missing."""
    if not importlib.util.find_spec("triton"):
        print("left out: this experiment needs Triton (pip install triton==3.9.0)")
        return
    attend = load(KERNEL)
    found = {
        name: [
            difference(attend, seed, times, *shape)
            for times in (1.0, SETTINGS["large scores"])
            for seed in SETTINGS["seeds"]
        ]
        for name, shape in SETTINGS["shapes"].items()
    }
    results = {
        "Triton": importlib.metadata.version("triton"),
        "where": torch.cuda.get_device_name() if DEVICE == "cuda" else "interpreter",
        "differences": found,
        "faults": {name: broken(*pair) for name, pair in SETTINGS["faults"].items()},
    }
    store("kernel", [source()], SETTINGS, results)


if __name__ == "__main__":
    sys.exit(main())
