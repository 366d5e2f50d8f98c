"""Read a GGUF file: what it says of a model, and its weights, unpacked to float32.

Three ways to store numbers are known here: float32 as it is, and blocks of 32 numbers
that share a scale, 8 bits each (Q8_0) or 4 bits each and a smallest value (Q4_1).

Source: the format's description, https://github.com/ggml-org/ggml/blob/master/docs/gguf.md.
"""

import math
import pathlib
import struct
import typing

import numpy as np

BLOCK = 32
NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?"} | {
    10: "Q",
    11: "q",
    12: "d",
}
STRING, ARRAY = 8, 9
Q8_0 = np.dtype([("scale", "<f2"), ("numbers", "i1", BLOCK)])
Q4_1 = np.dtype([("scale", "<f2"), ("least", "<f2"), ("pairs", "u1", BLOCK // 2)])
STORED = {0: np.dtype("<f4"), 3: Q4_1, 8: Q8_0}


class Tensor(typing.NamedTuple):
    """Where an array stands in the file, and how its numbers are stored."""

    shape: tuple
    kind: int
    start: int


def read_header(path):
    """Return (facts, tensors): what the file says, and where each array stands.

    Raises ValueError for what is no GGUF file of version 3, or stores an array in a way
    that is not known here.
    """
    with pathlib.Path(path).open("rb") as file:
        magic, version, count, entries = take(file, "4sIQQ")
        if (magic, version) != (b"GGUF", 3):
            raise ValueError(
                f"{path} must be a GGUF file of version 3, got {magic!r}, {version}"
            )
        facts = {}
        for _ in range(entries):
            name, kind = text(file), *take(file, "I")
            facts[name] = fact(file, kind)
        tensors = {}
        for _ in range(count):
            name, (axes,) = text(file), take(file, "I")
            shape, (kind, start) = take(file, f"{axes}Q")[::-1], take(file, "IQ")
            if kind not in STORED:
                raise ValueError(
                    f"{name} is stored as kind {kind}; known are {sorted(STORED)}"
                )
            tensors[name] = Tensor(shape, kind, start)
        step = facts.get("general.alignment", 32)
        first = -(-file.tell() // step) * step  # the arrays start at a multiple of it
    return facts, {n: t._replace(start=first + t.start) for n, t in tensors.items()}


def read_tensor(file, tensor, out=None):
    """Return an array of the file in float32, written into `out` if it is given."""
    out = np.empty(tensor.shape, np.float32) if out is None else out
    dtype = STORED[tensor.kind]
    size = math.prod(tensor.shape)
    file.seek(tensor.start)
    if dtype.names is None:
        out[...] = stored(file, dtype, size).reshape(tensor.shape)
        return out
    blocks = stored(file, dtype, size // BLOCK)
    rows = out.reshape(-1, BLOCK)  # a view: `out` is contiguous
    scale = blocks["scale"].astype(np.float32)[:, None]
    if tensor.kind == 8:
        np.multiply(blocks["numbers"], scale, out=rows)
        return out
    rows[:, : BLOCK // 2] = blocks["pairs"] & 15
    rows[:, BLOCK // 2 :] = blocks["pairs"] >> 4
    rows *= scale
    rows += blocks["least"].astype(np.float32)[:, None]
    return out


# Pieces


def take(file, form):
    """Read little-endian numbers; ValueError where the file ends before."""
    size = struct.calcsize(f"<{form}")
    data = file.read(size)
    if len(data) < size:
        raise ValueError("the file ends before its header does")
    return struct.unpack(f"<{form}", data)


def text(file):
    """Read a string: its length, then UTF-8."""
    (length,) = take(file, "Q")
    return take(file, f"{length}s")[0].decode("utf-8")


def fact(file, kind):
    """Read a number, a string, or a list of such."""
    if kind == STRING:
        return text(file)
    if kind != ARRAY:
        return take(file, NUMBERS[kind])[0]
    inner, length = take(file, "IQ")
    if inner in NUMBERS:
        return list(take(file, f"{length}{NUMBERS[inner]}"))
    return [fact(file, inner) for _ in range(length)]


def stored(file, dtype, count):
    """Read `count` items as they are stored."""
    found = np.fromfile(file, dtype, count)
    if len(found) < count:
        raise ValueError(f"the file ends {count - len(found)} items before an array")
    return found
