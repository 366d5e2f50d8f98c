"""The fixed table of chapter 4 in the look-up, with every remedy that it was given.

    python -m experiments.mixers

takes about fifteen minutes on one core. Mixers, tasks and training are the chapter's
own cells, those tagged `experiment`. It writes mixers.json in attnlib/data.
"""

import sys

import numpy as np
import torch

from experiments.common import names, store, tagged

CHAPTER = "in_depth_04_direct_and_parallel"
SETTINGS = {
    "seeds": [0, 1],
    "parts": 5,
    "runs": {
        "more steps": {"steps": 5000},
        "another rate": {"steps": 3000, "rate": 0.003},
        "twice the width": {"steps": 3000, "rate": 0.003, "D": 64},
        "two blocks": {"steps": 3000, "rate": 0.003, "blocks": 2},
        "2 x width, gates": {"mix": "gated", "steps": 3000, "rate": 0.003, "D": 64},
        "4 x width, gates": {"mix": "gated", "steps": 3000, "rate": 0.003, "D": 128},
    },
}


def main():
    """Train each."""
    torch.set_num_threads(1)
    sources = tagged(CHAPTER)
    chapter, results = names(sources), {}
    for name, options in SETTINGS["runs"].items():
        mix = getattr(chapter, options.get("mix", "by_place"))
        size = {key: value for key, value in options.items() if key != "mix"}
        runs = [
            chapter.train(chapter.look_up, mix, seed=seed, **size)
            for seed in SETTINGS["seeds"]
        ]
        parts = np.reshape(runs, (len(runs), SETTINGS["parts"], -1)).mean(axis=-1)
        results[name] = parts.round(3).tolist()  # seeds x parts of the training
        print(name, results[name], flush=True)
    store("mixers", sources, SETTINGS, results)


if __name__ == "__main__":
    sys.exit(main())
