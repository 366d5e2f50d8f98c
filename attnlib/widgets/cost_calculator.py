"""CostCalculator: FLOPs, bytes, cache and intensity of a transformer's attention."""

import math

import traitlets

from attnlib.cost import (
    Cost,
    attention_cost,
    kv_cache_bytes,
    linear_cost,
    multi_head_cost,
)
from attnlib.widgets._figure import LiveFigure

ITEMSIZE = {"float32": 4, "float16": 2, "bfloat16": 2, "int8": 1}
SEES = ["all", "causal", "window"]
LENGTHS = [2**k for k in range(21)]
MLP_WIDTH = 4  # times d, as in Vaswani et al. 2017; gated MLPs have other widths

# Sizes of published models: n (the context they were trained with), d, heads, kv_heads,
# layers, sees, window, and where they stand.
PRESETS = {
    "BERT base": (512, 768, 12, 12, 12, "all", 512, "1810.04805"),
    "GPT-3 Small": (2048, 768, 12, 12, 12, "causal", 2048, "2005.14165"),
    "GPT-3 175B": (2048, 12288, 96, 96, 96, "causal", 2048, "2005.14165"),
    "Llama 2 7B": (4096, 4096, 32, 32, 32, "causal", 4096, "2307.09288"),
    "Llama 2 70B": (4096, 8192, 64, 8, 80, "causal", 4096, "2307.09288"),
    "Mistral 7B": (8192, 4096, 32, 8, 32, "window", 4096, "2310.06825"),
}


class CostCalculator(LiveFigure):
    """Count what attention costs in a stack of layers, when n tokens are read at once.

    n: tokens, 1 to 2**20. d: features of a token, 1 to 65536, a multiple of heads.
    heads: 1 to 256, a multiple of kv_heads (key-value heads). layers: 1 to 256.
    dtype: of keys, values and all else, "float32", "float16", "bfloat16" or "int8".
    sees: whether a token attends to "all" tokens, to those up to itself ("causal"), or
    to the last `window` (1 to 2**20) up to itself ("window").

    Counts are exact integers here; in a page, 16 digits of them.
    Raises traitlets.TraitError for anything else.
    """

    name = "cost_calculator"
    title = "What attention costs"
    n = traitlets.Int(2048, min=1, max=2**20).tag(sync=True)
    d = traitlets.Int(1024, min=1, max=2**16).tag(sync=True)
    heads = traitlets.Int(16, min=1, max=256).tag(sync=True)
    kv_heads = traitlets.Int(16, min=1, max=256).tag(sync=True)
    layers = traitlets.Int(24, min=1, max=256).tag(sync=True)
    dtype = traitlets.Enum(list(ITEMSIZE), "float16").tag(sync=True)
    sees = traitlets.Enum(SEES, "all").tag(sync=True)
    window = traitlets.Int(1024, min=1, max=2**20).tag(sync=True)

    @classmethod
    def preset(cls, model, **changes):
        """Return the figure of a published model, with changes: `n=2**15`, say."""
        if model not in PRESETS:
            raise ValueError(
                f"model must be one of {', '.join(PRESETS)}, got {model!r}"
            )
        names = ("n", "d", "heads", "kv_heads", "layers", "sees", "window")
        return cls(**(dict(zip(names, PRESETS[model], strict=False)) | changes))

    @traitlets.validate("d", "heads", "kv_heads")
    def _divisible(self, proposal):
        sizes = {name: getattr(self, name) for name in ("d", "heads", "kv_heads")}
        sizes[proposal.trait.name] = proposal.value
        for whole, part in (("d", "heads"), ("heads", "kv_heads")):
            if sizes[whole] % sizes[part]:
                raise traitlets.TraitError(
                    f"{whole} must be a multiple of {part}, got {whole}={sizes[whole]} "
                    f"and {part}={sizes[part]}; give all in one go: "
                    "CostCalculator(d=..., heads=..., kv_heads=...)"
                )
        return proposal.value

    def numbers(self):
        """Return FLOPs and bytes, shares of the layer, intensities, crossovers.

        projections, pairs (scores and mixing), mlp: FLOPs of all layers; shares (3) of
        them; curves (3, 21): the shares at n = 1, 2, 4, ... 2**20. cache: bytes of keys
        and values of all layers. moved, weights: bytes of one layer's attention: query,
        key, value and output once; the attention weights of the pairs that meet, if
        stored. intensity, stored_intensity, decoding: FLOPs per byte of attention:
        tiled, weights stored, one more token.
        crossover, mlp_crossover: n at which scores and mixing equal the projections, or
        projections and MLP; 0 where no n does.
        """
        parts = self._parts(self.n)
        tiled = self._attention(self.n)
        weights = tiled.flops // (4 * self._E) * self._itemsize  # 4 E FLOPs for a pair
        stored = Cost(tiled.flops, tiled.bytes + 4 * weights)
        newest = attention_cost(1, self._kept, self._E, **self._heads)
        curves = [shares(self._parts(n)) for n in LENGTHS]
        projections = self.d * (1 + self.kv_heads / self.heads)
        return {
            "projections": parts[0] * self.layers,
            "pairs": parts[1] * self.layers,
            "mlp": parts[2] * self.layers,
            "shares": shares(parts),
            "curves": [list(curve) for curve in zip(*curves, strict=True)],
            "cache": kv_cache_bytes(
                self._kept,
                self._E,
                num_layers=self.layers,
                num_kv_heads=self.kv_heads,
                itemsize=self._itemsize,
            ),
            "moved": tiled.bytes,
            "weights": weights,
            "intensity": tiled.intensity,
            "stored_intensity": stored.intensity,
            "decoding": newest.intensity,
            "crossover": self._where(projections),
            "mlp_crossover": self._where(projections + MLP_WIDTH * self.d),
        }

    @property
    def _E(self):
        return self.d // self.heads

    @property
    def _itemsize(self):
        return ITEMSIZE[self.dtype]

    @property
    def _heads(self):
        return {
            "num_heads": self.heads,
            "num_kv_heads": self.kv_heads,
            "itemsize": self._itemsize,
        }

    @property
    def _kept(self):
        """Tokens whose keys and values the newest token needs."""
        return min(self.n, self.window) if self.sees == "window" else self.n

    def _attention(self, n):
        """Cost of one layer's attention, tiled: a triangle of pairs, then a band."""
        whole = attention_cost(n, n, self._E, **self._heads)
        if self.sees == "all":
            return whole
        w = min(n, self.window) if self.sees == "window" else n
        triangle = attention_cost(w, w, self._E, is_causal=True, **self._heads)
        band = attention_cost(n - w, w, self._E, **self._heads)
        return Cost(triangle.flops + band.flops, whole.bytes)

    def _parts(self, n):
        """FLOPs of one layer: projections, scores and mixing, MLP."""
        layer = multi_head_cost(n, n, self.d, **self._heads).flops
        all_pairs = attention_cost(n, n, self._E, **self._heads).flops
        mlp = 2 * linear_cost(n, self.d, MLP_WIDTH * self.d).flops
        return layer - all_pairs, self._attention(n).flops, mlp

    def _where(self, seen):
        """n at which a token sees `seen` keys on average; 0 where none does."""
        if self.sees == "all":
            return float(seen)
        w = self.window if self.sees == "window" else math.inf
        if seen <= (w + 1) / 2:  # within the triangle, where (n + 1) / 2 keys are seen
            return 2 * seen - 1
        return w * (w - 1) / 2 / (w - seen) if seen < w else 0.0

    def table(self):
        """Return the parts of the stack, and the sums in the caption."""
        found = self.numbers()
        crossovers = (
            f"{found[key]:,.0f}" if found[key] else "no number"
            for key in ("crossover", "mlp_crossover")
        )
        caption = (
            f"{self.n:,} tokens of width {self.d:,}, {self.heads} heads, "
            f"{self.kv_heads} key-value heads, {self.layers} layers, {self.dtype}. "
            "Scores and mixing cost as much as the projections at {} tokens, as "
            "projections and MLP at {}."
        ).format(*crossovers)
        names = ("projections", "scores and mixing", "MLP of width 4 d")
        flops = (found["projections"], found["pairs"], found["mlp"])
        rows = [
            (name, f"{count:.2e} FLOPs", f"{share:.1%}")
            for name, count, share in zip(names, flops, found["shares"], strict=True)
        ]
        rows += [
            ("key-value cache", f"{found['cache'] / 2**20:,.1f} MiB", ""),
            (
                "attention weights, if stored (pairs that meet)",
                f"{found['weights'] / 2**20:,.1f} MiB a layer",
                "",
            ),
            ("tiled", f"{found['intensity']:,.1f} FLOPs per byte", ""),
            ("one more token", f"{found['decoding']:,.1f} FLOPs per byte", ""),
        ]
        return caption, ("part", "amount", "share of FLOPs"), rows


def shares(parts):
    """Return each part's share of their sum."""
    return [part / sum(parts) for part in parts]
