"""The sizes that are measured, and the data for them."""

import dataclasses

import numpy as np

LENGTHS = (128, 512, 1024, 2048, 4096, 8192, 16384)


@dataclasses.dataclass(frozen=True)
class Case:
    """One call: `heads` heads of `L` queries and `S` keys with `d` features each."""

    heads: int
    L: int
    S: int
    d: int
    causal: bool = False

    @property
    def kind(self):
        """Prefill (every token asks) or decode (the newest one asks)."""
        return "decode" if self.L == 1 else "prefill"

    @property
    def pairs(self):
        """How many pairs of a query and a key meet."""
        return self.heads * (
            self.L * (self.L + 1) // 2 if self.causal else self.L * self.S
        )

    @property
    def flops(self):
        """FLOPs of the two products."""
        return 4 * self.pairs * self.d

    def data(self, seed=0):
        """Return query, key and value, float32, (1, heads, L or S, d)."""
        rng = np.random.default_rng(seed)
        shapes = (self.L, self.S, self.S)
        return tuple(
            rng.standard_normal((1, self.heads, n, self.d), dtype=np.float32)
            for n in shapes
        )


def prefill(heads, n, d, causal=False):
    """The case in which n tokens ask n tokens."""
    return Case(heads, n, n, d, causal)


# What the kernel is wanted for: (case, least ratio to torch's own kernel).
WANTED = [
    (prefill(8, 1024, 64), 0.8),
    (prefill(8, 2048, 64), 0.9),
    (prefill(8, 4096, 64), 0.9),
    (prefill(1, 4096, 64), 0.9),
    (prefill(8, 2048, 128), 0.9),
    (prefill(8, 4096, 64, causal=True), 0.9),
]
SHARE_OF_FLOOR = 0.9  # wanted in each of these cases
SMALL = [prefill(1, n, 64) for n in (16, 32, 64, 128, 256)]
SMALL_MOST = 1.1  # of the reference's time, wanted for small n

DRAWN = [prefill(8, n, 64) for n in (128, 512, 8192)]  # beside those above
DECODED = [Case(8, 1, n, 64) for n in (1024, 4096, 16384)]

CORE = [case for case, _ in WANTED] + SMALL + DRAWN + DECODED
FULL = list(
    dict.fromkeys(
        CORE
        + [
            Case(heads, 1 if decode else n, n, d, causal and not decode)
            for d in (64, 128)
            for heads in (1, 8)
            for decode in (False, True)
            for causal in (False, True)
            for n in LENGTHS
        ]
    )
)
