"""PathLength: how a signal comes from one token to another, and what is left of it."""

import numpy as np
import traitlets

from attnlib.masks import sliding_window_mask
from attnlib.widgets._figure import LiveFigure

ARCHITECTURES = ["RNN", "attention", "windowed layers"]
MOST = 64  # tokens


class PathLength(LiveFigure):
    """Steps from token `source` to token `target`, and measured gradients beside them.

    architecture: "RNN" (one step of the state for each token), "attention" (one layer
    in which each token sees all) or "windowed layers" (each sees `window` tokens to
    either side; layers are stacked until the signal arrives).
    n: tokens, 2 to 64. source, target: 1 to n. window: 1 to 63.
    gradients: measured sizes of d output of the last token / d an earlier input: a name
    → an array (seeds, distances) of positive numbers, distance 1 first; at most 6 names
    of 1 to 30 characters, 20 seeds and 256 distances. Kept to three digits. {}: none.

    Raises traitlets.TraitError for anything else.
    """

    name = "path_length"
    title = "The path of a signal"
    architecture = traitlets.Enum(ARCHITECTURES, "RNN").tag(sync=True)
    n = traitlets.Int(16, min=2, max=MOST).tag(sync=True)
    source = traitlets.Int(3, min=1, max=MOST).tag(sync=True)
    target = traitlets.Int(14, min=1, max=MOST).tag(sync=True)
    window = traitlets.Int(4, min=1, max=MOST - 1).tag(sync=True)
    gradients = traitlets.Dict().tag(sync=True)

    @traitlets.validate("n", "source", "target")
    def _tokens_exist(self, proposal):
        places = {name: getattr(self, name) for name in ("n", "source", "target")}
        places[proposal.trait.name] = proposal.value
        for name in ("source", "target"):
            if places[name] > places["n"]:
                raise traitlets.TraitError(
                    f"{name} must be a token from 1 to n={places['n']}, got "
                    f"{places[name]}; change both in one go: PathLength(n=..., ...)"
                )
        return proposal.value

    @traitlets.validate("gradients")
    def _measured(self, proposal):
        if len(proposal.value) > 6:
            raise traitlets.TraitError(
                f"gradients must have at most 6 names, got {len(proposal.value)}"
            )
        kept = {k: three_digits(k, sizes) for k, sizes in proposal.value.items()}
        widths = {k: len(sizes[0]) for k, sizes in kept.items()}
        if len(set(widths.values())) > 1:
            raise traitlets.TraitError(
                f"all gradients must reach the same distances, got {widths}"
            )
        return kept

    def numbers(self):
        """Return distance, steps, reached (0 or 1), compared and left.

        compared (3, 3): a row per architecture: steps from source to target, how many
        paths are that short, most steps between any two tokens; zeros: no path.
        left: per name of `gradients`, log10 of the least, middle and largest size at
        this distance over the seeds, and the middle of the orders of magnitude lost
        since distance 1. No rows where nothing was measured at this distance.
        """
        compared = [self._count(architecture) for architecture in ARCHITECTURES]
        steps, paths, _ = compared[ARCHITECTURES.index(self.architecture)]
        distance = abs(self.target - self.source)
        return {
            "distance": distance,
            "reached": int(paths > 0),
            "steps": steps,
            "compared": compared,
            "left": [
                what_is_left(np.array(sizes), distance)
                for sizes in self.gradients.values()
                if 1 <= distance <= len(sizes[0])
            ],
        }

    def _count(self, architecture):
        """[steps, paths, longest] by walking: the mask says where one step can lead."""
        if architecture == "RNN":
            one = sliding_window_mask(self.n, left=1, right=0) & ~np.eye(
                self.n, dtype=bool
            )
        else:
            w = self.window if architecture == "windowed layers" else None
            one = sliding_window_mask(self.n, left=w, right=w)
        steps = shortest_walks(one, least=0 if architecture == "RNN" else 1)
        here = int(steps[self.target - 1, self.source - 1])
        if here < 0:
            return [0, 0, int(steps.max())]
        walks = np.linalg.matrix_power(one.astype(float), here)  # counts of walks
        paths = walks[self.target - 1, self.source - 1]
        return [here, int(paths), int(steps.max())]

    def table(self):
        """Return steps, paths and longest path of each architecture."""
        found = self.numbers()
        caption = (
            f"From token {self.source} to token {self.target} of {self.n}; in windowed "
            f"layers each token sees {self.window} to either side."
        )
        heads = ("", "steps or layers", "shortest paths", "most, for any two tokens")
        rows = [
            (name, *((steps, paths) if paths else ("no path", 0)), longest)
            for name, (steps, paths, longest) in zip(
                ARCHITECTURES, found["compared"], strict=True
            )
        ]
        for name, (low, middle, high, lost) in zip(
            self.gradients, found["left"], strict=False
        ):
            size = f"{10**middle:.1e} ({10**low:.1e} to {10**high:.1e})"
            rows.append((f"gradient, {name}", size, f"{lost:.1f} orders lost", ""))
        return caption, heads, rows


def shortest_walks(one, least):
    """Steps of the shortest walk from each token to each: (to, from), −1 for none.

    `one` (n, n) bool says where one step leads; `least` is the shortest that counts.
    """
    n = len(one)
    steps, reach = np.full((n, n), -1), np.eye(n, dtype=bool)
    for walked in range(n):
        if walked >= least:
            steps[(steps < 0) & reach] = walked
        reach = one.astype(float) @ reach > 0
    return steps


def what_is_left(sizes, distance):
    """Return [log10 of min, median, max over seeds, orders lost since distance 1]."""
    exponents = np.log10(sizes)  # (seeds, distances)
    here, lost = (
        exponents[:, distance - 1],
        exponents[:, 0] - exponents[:, distance - 1],
    )
    return [float(f(here)) for f in (np.min, np.median, np.max)] + [
        float(np.median(lost))
    ]


def three_digits(name, sizes):
    """Return measured sizes as nested lists of three digits; refuse what is none."""
    if not isinstance(name, str) or not 1 <= len(name) <= 30:
        raise traitlets.TraitError(
            f"a name in gradients must be text of 1 to 30 characters, got {name!r:.60}"
        )
    try:
        array = np.asarray(sizes, dtype=float)
    except (TypeError, ValueError):
        array = np.empty(0)
    fits = array.ndim == 2 and 1 <= len(array) <= 20 and 1 <= array.shape[1] <= 256
    if not fits or not (np.isfinite(array) & (array > 0)).all():
        raise traitlets.TraitError(
            f"gradients[{name!r}] must be an array (seeds, distances) of positive "
            f"numbers, at most (20, 256), got {sizes!r:.60}"
        )
    return [[float(f"{size:.3g}") for size in row] for row in array.tolist()]
