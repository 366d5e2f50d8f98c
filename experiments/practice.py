"""Accuracy against steps in chapter 9: dates, text and images, several seeds each.

    python -m experiments.practice

takes about an hour on one core. Models, data and `fit` are the chapter's own cells,
those tagged `experiment`. Each number of steps is a run of its own, from the start to
the end of its schedule. Rates are tuned with a seed of their own, on data of their own.
It writes practice.json, and practice.npz with two trained models, in attnlib/data.
"""

import sys

import numpy as np

from experiments.common import DATA, names, store, tagged

SETTINGS = {
    "dates": {"steps": [150, 500, 1500, 3000], "seeds": [0, 1, 2],
              "rates": [0.003, 0.01, 0.03]},
    "text": {"steps": [100, 400, 1600, 3200], "seeds": [0, 1], "rates": [0.01, 0.03]},
    "images": {"steps": [100, 300, 1000, 3000], "seeds": [0, 1, 2],
               "rates": [0.003, 0.01, 0.03]},
}  # fmt: skip
TUNING_SEED = 99


def main():
    """Run the three parts; return the exit status."""
    sources = tagged("09_practice")
    chapter = names(sources)
    results, weights = {}, {}
    for part, run in (("dates", dates), ("text", text), ("images", images)):
        results[part] = run(chapter, **SETTINGS[part], weights=weights)
        store("practice", sources, SETTINGS, results)
        np.savez_compressed(DATA / "practice.npz", **weights)
    return 0


def say(*what):
    """Print a line at once."""
    print(*what, flush=True)


def keep(weights, name, model):
    """Put a model's parameters with the weights, half as long."""
    for key, value in model.state_dict().items():
        weights[f"{name}.{key}"] = value.numpy().astype(np.float16)


def best(rates, score):
    """Return the rate with the highest score, and say all of them."""
    scores = {rate: round(float(score(rate)), 4) for rate in rates}
    say("tuning", scores)
    return max(scores, key=scores.get)


# Dates


def dates(chapter, steps, seeds, rates, weights):
    """Exact translations in taught languages and in others; interventions."""

    def fit(n, rate, seed):
        return chapter.fit(chapter.Translator, chapter.date_batch, n, rate, seed)

    def exact(model, rows):
        return float(chapter.exact(chapter.translate(model, rows), rows))

    rate = best(
        rates,
        lambda rate: exact(fit(steps[1], rate, TUNING_SEED), chapter.tune_dates),
    )
    found = {"rate": rate, "unseen": [], "neighbours": [], "interventions": []}
    for n in steps:
        models = [fit(n, rate, seed) for seed in seeds]
        found["unseen"].append([exact(m, chapter.unseen_dates) for m in models])
        found["neighbours"].append([exact(m, chapter.neighbour_dates) for m in models])
        say("dates", n, found["unseen"][-1], found["neighbours"][-1])
    keep(weights, "translator", models[0])
    found["interventions"] = [interventions(chapter, model) for model in models]
    return found


def interventions(chapter, model):
    """Year, month and day right, when the decoder sees parts of the source only."""
    rows, fields = chapter.unseen_dates, list(chapter.PLACES)

    def right(may):
        outputs = chapter.translate(model, rows, may)
        return [float(share) for share in chapter.field_right(outputs, rows)]

    spans = {field: chapter.on_spans(rows, [field]) for field in fields}
    every = chapter.on_spans(rows, fields)
    found = {
        "all": right(None),
        "hide": [right(~spans[f]) for f in fields],
        "hide by lot": [
            right(~chapter.by_lot(spans[f], rows, avoid=spans[f]))[i]
            for i, f in enumerate(fields)
        ],
        "only": right(every),
        "only by lot": right(chapter.by_lot(every, rows)),
        "only own": [right(spans[f])[i] for i, f in enumerate(fields)],
    }
    say("interventions", found)
    return found


# Text


def text(chapter, steps, seeds, rates, weights):
    """Bits for a character of the text learnt from, and of the text to be tested on."""

    def fit(n, rate, seed):
        return chapter.fit(chapter.LanguageModel, chapter.text_batch, n, rate, seed)

    def bits(model, part):
        return chapter.network_bits(model, part)

    found = {"rates": [], "learn": [], "test": []}
    part = chapter.learn[:20_000]
    for n in steps:
        if n != steps[-1]:  # the longest runs take the rate of those before them

            def score(rate, n=n):
                return -bits(fit(n, rate, TUNING_SEED), chapter.tune)

            rate = best(rates, score)
        models = [fit(n, rate, seed) for seed in seeds]
        found["rates"].append(rate)
        found["learn"].append([bits(m, part) for m in models])
        found["test"].append([bits(m, chapter.test) for m in models])
        say("text", n, rate, found["learn"][-1], found["test"][-1])
    keep(weights, "language_model", models[0])
    return found


# Images


def images(chapter, steps, seeds, rates, weights):
    """Accuracy on test images, each seed with a split of its own, rates tuned."""
    found = {}
    for name, make in chapter.MODELS.items():

        def right(n, rate, seed, part, make=make):
            learn, tune, test = chapter.split(seed)
            model = chapter.fit(make, chapter.image_batch(learn), n, rate, seed)
            return chapter.share_right(model, {"tune": tune, "test": test}[part])

        def score(rate, right=right):
            return right(steps[1], rate, TUNING_SEED, "tune")

        rate = best(rates, score)
        found[name] = {"rate": rate, "test": []}
        for n in steps:
            found[name]["test"].append([right(n, rate, s, "test") for s in seeds])
            say(name, n, rate, found[name]["test"][-1])
    return found


if __name__ == "__main__":
    sys.exit(main())
