"""Chapter 14's model trained for longer, its rivals, and fine-tuning.

    python -m experiments.gpt [train | rivals | fine-tuning ...]

takes some hours on one core, and less with more of them: each seed is a process of its
own, on a GPU where there is one. With names it runs these parts anew and keeps the
rest. Tokenizer, model, training, n-grams and low rank are the chapter's own cells,
those tagged `experiment`. Everything that is chosen (an order, a memory, a rate) is
chosen on the first half of the held-out text, or on answers of its own, and judged on
the rest. It writes gpt.json, and gpt.npz with the weights of the first seed, in
attnlib/data.
"""

import concurrent.futures
import multiprocessing
import sys

import numpy as np
import torch

from attnlib import data
from experiments.common import DATA, names, store, tagged

CHAPTER = "14_build_a_gpt"
PARTS = ("train", "rivals", "fine-tuning")
SETTINGS = {
    "train": {
        "seeds": [0, 1, 2],
        "steps": 6000,
        "stops": [60, 200, 600, 1500, 3000, 4500, 6000],
        "prompt": "She was",
    },
    "rivals": {
        "tokens": 9,
        "letters": 12,
        "windows": [200, 500, 2000, 8000],
        "shares": [0.01, 0.03, 0.05, 0.1],
        "along": {"orders": 5, "every": 4000},
        "parts": [0.1, 0.2, 0.3, 0.4, 0.5],
    },
    "fine-tuning": {
        "seeds": [0, 1, 2],
        "steps": 120,
        "size": 8,
        "rates": [0.0005, 0.002, 0.008, 0.03, 0.1],
        "tuning seed": 99,
        "arms": ["all weights", "rank 1", "rank 8", "from nothing"],
    },
}


def main(parts=()):
    """Run the three parts, or some of them anew; store what they found."""
    parts = parts or PARTS
    if unknown := {*parts} - {*PARTS}:
        return f"experiments.gpt knows the parts {', '.join(PARTS)}, not {unknown}"
    found = {} if {*parts} == {*PARTS} else data.recorded("gpt")["results"]
    start = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(4, start) as pool:
        if "train" in parts:
            found["train"] = []
            for curve, weights in pool.map(one, SETTINGS["train"]["seeds"]):
                if not found["train"]:  # the first seed's weights, half as long
                    np.savez_compressed(DATA / "gpt.npz", **weights)
                found["train"].append(curve)
        if "rivals" in parts:
            found["rivals"] = pool.submit(rivals, **SETTINGS["rivals"]).result()
        if "fine-tuning" in parts:
            found["fine-tuning"] = fine_tuning(pool, **SETTINGS["fine-tuning"])
    store("gpt", tagged(CHAPTER), SETTINGS, {part: found[part] for part in PARTS})


def say(*what):
    """Print a line at once."""
    print(*what, flush=True)


def halves(text):
    """Cut a text in two at the end of a paragraph: to choose by, and to judge by."""
    middle = text.index("\n", len(text) // 2)
    return text[:middle], text[middle + 1 :]


# The model


def one(seed):
    """Train the model with one seed: its curve, and its weights in half precision."""
    torch.set_num_threads(1)
    settings, chapter = SETTINGS["train"], names(tagged(CHAPTER))
    judge, read = halves(chapter.new)[1], chapter.novels["Emma"][:60_000]
    known = set(chapter.WORD.findall(chapter.learn))
    torch.manual_seed(seed)
    model = chapter.GPT().to("cuda" if torch.cuda.is_available() else "cpu")
    found = {"seed": seed, "loss": [], "judge": [], "read": []}
    found |= {"words": [], "samples": []}
    numbers = torch.tensor(chapter.encode(chapter.learn))
    losses = []
    for step, loss in chapter.train(model, numbers, settings["steps"], seed=seed):
        losses.append(loss)
        if step not in settings["stops"]:
            continue
        texts = [
            chapter.write(model, settings["prompt"], 100, seed=n) for n in range(10)
        ]
        words = [w for text in texts for w in chapter.WORD.findall(text)[2:-1]]
        words = [w for w in words if w.strip().isalpha()]
        found["loss"].append(round(float(np.mean(losses[-50:])), 3))
        for name, text in (("judge", judge), ("read", read)):
            found[name].append(round(chapter.bits(model, text), 4))
        found["words"].append(round(np.mean([w in known for w in words]), 3))
        found["samples"].append(texts[:2])
        say(seed, step, *(found[k][-1] for k in found if k not in ("seed", "samples")))
        say(texts[0])
    state = model.state_dict().items()
    return found, {k: w.cpu().numpy().astype(np.float16) for k, w in state}


# Its rivals


def rivals(tokens, letters, windows, shares, along, parts):
    """Bits for a character by counting tokens or letters, and with a memory.

    And by counts that grow with what was read of the half so far (`along`), alone and,
    like those that stay as they are, mixed with the first seed's model.
    """
    torch.set_num_threads(1)
    chapter = names(tagged(CHAPTER))
    choose, judge = halves(chapter.new)
    learned = np.array(chapter.encode(chapter.learn))
    found = {
        "tokens": {},
        "letters": {},
        "memory": {},
        "along": {},
        "model": {},
        "model and tokens": {},
        "model and along": {},
        "words": drawn(chapter, learned),
    }
    signs = {sign: i for i, sign in enumerate(sorted({*chapter.learn, *chapter.new}))}
    spelt = np.array([signs[sign] for sign in chapter.learn])
    best = {}
    for name, text in (("choose", choose), ("judge", judge)):
        asked = np.array(chapter.encode(text))
        counted = chapter.kneser_ney(learned, asked, tokens, chapter.VOCABULARY)
        found["tokens"][name] = [bits(chances, text) for chances in counted]
        best.setdefault("order", int(np.argmin(found["tokens"][name])))
        chances = counted[best["order"]]
        tried = {
            (window, share): (1 - share) * chances
            + share * recently(asked, window, chapter.VOCABULARY)
            for window in windows
            for share in shares
        }
        measured = {how: bits(mixed, text) for how, mixed in tried.items()}
        best.setdefault("memory", min(measured, key=measured.get))
        found["memory"][name] = measured[best["memory"]]
        grown = read_along(chapter, learned, asked, **along)
        found["along"][name] = [bits(chances, text) for chances in grown]
        best.setdefault("along", int(np.argmin(found["along"][name])))
        said = given(chapter, text)
        found["model"][name] = bits(said, text)
        for who, other in (("tokens", chances), ("along", grown[best["along"]])):
            measured = {
                part: bits((1 - part) * said + part * other, text) for part in parts
            }
            best.setdefault(who + " in model", min(measured, key=measured.get))
            part = found[f"model and {who}"]["part"] = best[who + " in model"]
            found[f"model and {who}"][name] = measured[part]
        asked = np.array([signs[sign] for sign in text])
        counted = chapter.kneser_ney(spelt, asked, letters, len(signs))
        found["letters"][name] = [bits(chances, text) for chances in counted]
        say(name, {part: x[name] for part, x in found.items() if part != "words"})
    found["memory"]["window"], found["memory"]["share"] = best["memory"]
    return found


def bits(chances, text):
    """Bits for a character of a text whose parts had these chances."""
    return round(float(-np.log2(chances).sum() / len(text)), 4)


def recently(numbers, window, symbols):
    """Which share of the last `window` tokens was the one that comes, for each."""
    counts = np.full(symbols, 1 / symbols)  # as if one had been seen, of each a little
    found = np.empty(len(numbers))
    for i, n in enumerate(numbers):
        found[i] = counts[n] / (1 + min(i, window))
        counts[n] += 1
        if i >= window:
            counts[numbers[i - window]] -= 1
    return found


def read_along(chapter, learned, asked, orders, every):
    """Chances by counts that learn what was read, anew behind each `every` tokens."""
    starts = range(0, len(asked), every)
    pieces = [
        chapter.kneser_ney(
            np.concatenate([learned, asked[:start]]),
            asked[start : start + every],
            orders,
            chapter.VOCABULARY,
        )
        for start in starts
    ]
    return [np.concatenate(chances) for chances in zip(*pieces, strict=True)]


@torch.no_grad()
def given(chapter, text):
    """Chances that the stored model gives the tokens of a text, in `bits`' windows."""
    model = chapter.GPT()
    weights = data.trained("gpt").items()
    model.load_state_dict({k: torch.from_numpy(w) for k, w in weights})
    numbers = torch.tensor(chapter.encode("\n" + text))
    half, found = chapter.CONTEXT // 2, []
    for start in range(0, len(numbers) - 1, half):
        begin = max(0, start - half)
        window = numbers[begin : start + half + 1]
        chances = torch.softmax(model(window[None, :-1])[0, start - begin :], dim=-1)
        found.append(chances.gather(1, window[1 + start - begin :, None])[:, 0])
    return torch.cat(found).double().numpy()


def drawn(chapter, learned):
    """Which share of words is known when tokens are drawn by how often they come."""
    known = set(chapter.WORD.findall(chapter.learn))
    numbers = np.random.default_rng(0).choice(learned, 1000)
    words = [
        w for w in chapter.WORD.findall(chapter.decode(numbers)) if w.strip().isalpha()
    ]
    return round(np.mean([w in known for w in words]), 3)


# Fine-tuning


def fine_tuning(pool, seeds, rates, arms, **how):
    """Bits for a character of unseen answers, of each arm at the rate it does best."""
    tries = [(arm, rate, how["tuning seed"]) for arm in arms for rate in rates]
    tried = dict(zip(tries, pool.map(tuned, tries), strict=True))
    found = {"before": tuned(("as it was", 0, 0))}
    for arm in arms:
        bits = {rate: tried[arm, rate, how["tuning seed"]]["choose"] for rate in rates}
        rate = min(bits, key=bits.get)
        runs = list(pool.map(tuned, [(arm, rate, seed) for seed in seeds]))
        found[arm] = {"rate": rate, "tried": bits, "numbers": runs[0]["numbers"]}
        for name in ("judge", "novel"):
            found[arm][name] = [run[name] for run in runs]
        say(arm, found[arm])
    return found


def tuned(run):
    """Train the recorded model further on most of Python's questions; test it."""
    arm, rate, seed = run
    torch.set_num_threads(1)
    settings, chapter = SETTINGS["fine-tuning"], names(tagged(CHAPTER))
    answers = [answer for _, _, answer in data.faq()]
    parts = {
        "choose": "\n".join(answers[3::5]),
        "judge": "\n".join(answers[4::5]),
        "novel": chapter.new[:30_000],
    }
    learn = [answer for i, answer in enumerate(answers) if i % 5 < 3]
    torch.manual_seed(seed)
    model = chapter.GPT()
    if arm != "from nothing":
        weights = data.trained("gpt").items()
        model.load_state_dict({k: torch.from_numpy(w) for k, w in weights})
    if arm.startswith("rank"):
        model = chapter.with_low_rank(model, int(arm.split()[1]))
    if rate:
        numbers = torch.tensor(chapter.encode("\n".join(learn)))
        how = {"rate": rate, "size": settings["size"], "seed": seed}
        for _ in chapter.train(model, numbers, settings["steps"], **how):
            pass
    free = sum(p.numel() for p in model.parameters() if p.requires_grad)
    # an adapted layer is as good as its sum, which has the shape that `bits` asks for
    found = {name: round(chapter.bits(model, text), 4) for name, text in parts.items()}
    return {"numbers": free, **found}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
