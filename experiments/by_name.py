"""Fixed mixers of chapter 11 on the task by name, trained for thousands of steps.

    python -m experiments.by_name

takes about two minutes on one core. Models, task and training are the chapter's own
cells, those tagged `experiment`. It writes by_name.json in attnlib/data.
"""

import sys

import torch

from experiments.common import names, store, tagged

CHAPTER = "11_why_it_matters"
SETTINGS = {"seeds": [0, 1, 2], "models": ["fixed mixer", "shift"], "steps": 6000}


def main():
    """Train both mixers, all seeds side by side."""
    torch.set_num_threads(1)
    sources = tagged(CHAPTER)
    chapter = names(sources)
    runs = chapter.train(chapter.by_name, SETTINGS["models"], SETTINGS["steps"])
    results = {}
    for name, accuracy in runs.items():  # (steps / 50, seeds)
        parts = accuracy.reshape(-1, 20, len(chapter.SEEDS)).mean(axis=1)
        results[name] = parts.T.astype(float).round(3).tolist()  # seeds x thousands
        print(name, results[name], flush=True)
    store("by_name", sources, SETTINGS, results)


if __name__ == "__main__":
    sys.exit(main())
