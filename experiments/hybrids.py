"""Two layers with states, caches or one of each, on 48 pairs, at once or in steps.

    python -m experiments.hybrids

takes about ten minutes on one core. Layers, task and training are those of the page
*A few layers that read everything*, its cells tagged `experiment`. It writes
hybrids.json in attnlib/data.
"""

import sys

import torch

from experiments.common import names, store, tagged

CHAPTER = "in_depth_15_hybrids"
SETTINGS = {
    "seeds": [0, 1, 2],
    "plans": {
        "at once": [[48, 1500]],
        "growing": [[8, 300], [16, 300], [32, 300], [48, 600]],
    },
    "runs": [
        ["state, state", "at once"],
        ["state, state", "growing"],
        ["state, cache", "at once"],
        ["cache, state", "at once"],
        ["cache, cache", "at once"],
    ],
}


def main():
    """Train each, and store the share of 48 pairs that it gives back."""
    torch.set_num_threads(1)
    sources = tagged(CHAPTER)
    page = names(sources)
    mixes = {"state": page.with_state, "cache": page.with_cache}
    results = {}
    for layers, plan in SETTINGS["runs"]:
        kinds = [mixes[kind] for kind in layers.split(", ")]
        name = f"{layers}: {plan}"
        results[name] = [
            round(page.train(kinds, SETTINGS["plans"][plan], seed), 3)
            for seed in SETTINGS["seeds"]
        ]
        print(name, results[name], flush=True)
    store("hybrids", sources, SETTINGS, results)


if __name__ == "__main__":
    sys.exit(main())
