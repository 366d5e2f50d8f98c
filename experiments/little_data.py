"""Chapter 8: the network on 60 sentences, with the remedies against overfitting."""

import sys

import torch

from experiments.common import names, store, tagged

CHAPTER = "08_losses"
SETTINGS = {
    "seeds": [1, 2, 3],
    "sentences": 60,
    "steps": 2000,
    "dropout": 0.3,
    "decay": 1.0,
}


def main():
    """Train the chapter's network on each text, and store what it reaches."""
    torch.set_num_threads(1)
    sources = tagged(CHAPTER)
    chapter = names(sources)
    chapter.train.__globals__["test_first"] = chapter.test_ids, chapter.test_real
    results = [one(chapter, seed) for seed in SETTINGS["seeds"]]
    store("little_data", sources, SETTINGS, results)


def one(chapter, seed):
    """Return the network's bits at ten steps, and the share of endings right."""
    _, ids, real = chapter.make_corpus(SETTINGS["sentences"], seed)
    options = {"decay": SETTINGS["decay"], "dropout": SETTINGS["dropout"]}
    _, notes = chapter.train(ids, real, SETTINGS["steps"], seed, **options)
    right = notes[-1][2].argmax(axis=1) == chapter.answers
    found = {
        "seed": seed,
        "steps": [step for step, _, _ in notes],
        "network": [bits(chapter, p) for _, _, p in notes],
        "endings": round(float(right[chapter.kind == "ending"].mean()), 3),
    }
    print(found, flush=True)
    return found


def bits(chapter, p):
    """Bits per character of the test text, with more decimals than repeat elsewhere."""
    return round(float(chapter.bits_for_each(p).mean()), 3)


if __name__ == "__main__":
    sys.exit(main())
