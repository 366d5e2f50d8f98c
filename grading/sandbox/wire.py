"""Data as bytes, between the grader and the process that runs a student's code.

A frame is 8 bytes with two lengths, then a JSON text that gives the structure, then the
raw bytes of its arrays. Nothing in a frame can name a class or a function: whatever the
other side writes, reading it gives arrays, numbers, truth values, texts, None, and
lists, tuples and dicts of these, or raises WireError or NotPlain. What it gives is
small enough to be turned into arrays. Both sides use this file.
"""

import json
import math
import re
import struct
import sys

import numpy as np

MAX_TEXT = 8 * 2**20  # bytes of a frame's structure
MAX_BYTES = 64 * 2**20  # bytes of a frame's arrays
MAX_ITEMS = 200_000  # values in lists, tuples and dicts: more belong into an array
MAX_NUMBER = 10**300
SIZES = struct.Struct("<II")
DTYPE = re.compile(r"[<>|]([biufc])(1|2|4|8|16)")


class WireError(Exception):
    """What came is no frame, or too large: the text says which, to the student."""


class NotPlain(Exception):
    """What came holds an object that is no plain data: the text names its class."""


# Writing


def encode(value):
    """Return the frame of a value; of any other object, the name of its class."""
    blobs = Parts()
    tree = tree_of(value, blobs, depth=0)
    Count().tree(tree)
    text = json.dumps(tree).encode()
    size = sum(map(len, blobs))
    if len(text) > MAX_TEXT or size > MAX_BYTES:
        raise WireError(f"more than {MAX_BYTES >> 20} MB of data")
    return SIZES.pack(len(text), size) + text + b"".join(blobs)


class Parts(list):
    """The bytes of arrays so far; `items` counts the values beside them."""

    items = 0

    def count(self, items):
        """Count values before they are looked at."""
        self.items += items
        if self.items > MAX_ITEMS:
            raise WireError(f"more than {MAX_ITEMS:,} values in lists: use an array")


def tree_of(value, blobs, depth):
    """Return what JSON can hold: scalars as they are, the rest as [tag, ...]."""
    kind = type(value)
    blobs.count(1)
    if depth > 50:
        raise WireError("lists within lists, more than 50 deep")
    if value is None or kind in (bool, int, float, str):
        return value
    if issubclass(kind, np.ndarray | np.generic):
        return tree_of_array(value, blobs)
    if is_tensor(value):
        tensor = value.detach().cpu()
        tensor = tensor.float() if "bfloat16" in str(tensor.dtype) else tensor
        return tree_of_array(tensor.numpy(), blobs)
    if kind is dict:
        items = [item for pair in value.items() for item in pair]
        return ["d", *(tree_of(item, blobs, depth + 1) for item in items)]
    if kind is list or issubclass(kind, tuple):
        tag = "l" if kind is list else "t"
        return [tag, *(tree_of(item, blobs, depth + 1) for item in value)]
    return ["o", str(kind.__name__)[:60]]


def tree_of_array(value, blobs):
    """Return the description of an array or NumPy scalar; its bytes join `blobs`."""
    if value.nbytes > MAX_BYTES:
        raise WireError(f"more than {MAX_BYTES >> 20} MB of data")
    array = np.array(value, subok=False, order="C")
    if array.dtype.kind == "U":
        blobs.count(array.size)
        return ["u", list(array.shape), array.ravel().tolist()]
    if array.dtype.kind not in "biufc":
        return ["o", f"array of dtype {array.dtype}"[:60]]
    blobs.append(array.tobytes())
    tag = "n" if isinstance(value, np.generic) else "a"
    return [tag, array.dtype.str, list(array.shape)]


def is_tensor(value):
    """Whether a value is one of torch's; imports nothing."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


# Reading


def receive(stream):
    """Read one frame from a binary stream and return its value; EOFError at the end."""
    text_size, size = SIZES.unpack(exactly(stream, SIZES.size))
    if text_size > MAX_TEXT or size > MAX_BYTES:
        raise WireError(f"more than {MAX_BYTES >> 20} MB of data")
    return decode(exactly(stream, text_size), exactly(stream, size))


def exactly(stream, size):
    """Read `size` bytes."""
    data = stream.read(size) if size else b""
    if len(data) != size:
        raise EOFError
    return data


def decode(text, data):
    """Return the value of a frame's two parts."""
    try:
        blobs = Blobs(data)
        tree = json.loads(text)
        Count().tree(tree)
        return value_of(tree, blobs)
    except (ValueError, TypeError, IndexError, RecursionError, OverflowError) as error:
        raise WireError("something that is no answer") from error


class Count:
    """How much a tree holds: WireError where arrays of it could not be held."""

    def __init__(self):
        self.items, self.longest = 0, 0

    def tree(self, tree, inside=False):
        """Count a value and all in it; `inside` lists, texts are padded by NumPy."""
        self.items += 1
        if self.items > MAX_ITEMS:
            raise WireError(f"more than {MAX_ITEMS:,} values in lists: use an array")
        if isinstance(tree, list):
            inside = inside or tree[:1] in (["l"], ["t"], ["u"])
            for item in tree:  # the tag, too: in a "u" there are lists without one
                self.tree(item, inside)
        elif isinstance(tree, str) and inside:
            self.longest = max(self.longest, len(tree))
        elif type(tree) is int and abs(tree) >= MAX_NUMBER:
            raise WireError("a number longer than 300 digits")
        if 4 * self.items * self.longest > MAX_BYTES:
            raise WireError(f"more than {MAX_BYTES >> 20} MB of texts in lists")


class Blobs:
    """The arrays' bytes, handed out in order."""

    def __init__(self, data):
        self.data, self.used = data, 0

    def take(self, size):
        """Return the next `size` bytes."""
        part = self.data[self.used : self.used + size]
        if len(part) != size:
            raise ValueError("too few bytes")
        self.used += size
        return part


def value_of(tree, blobs):
    """Return the value that a tree describes."""
    if not isinstance(tree, list):
        if isinstance(tree, dict):
            raise ValueError("no tag")
        return tree
    tag, *rest = tree
    if tag in ("a", "n"):
        array = array_of(*rest, blobs)
        return array if tag == "a" else array[()]
    if tag == "u":
        if not all(isinstance(text, str) for text in rest[1]):
            raise ValueError("no texts")
        return np.array(rest[1], dtype=str).reshape(rest[0])
    if tag == "o":
        raise NotPlain(str(rest[0])[:60])
    items = [value_of(item, blobs) for item in rest]
    if tag == "d":
        return dict(zip(items[::2], items[1::2], strict=True))
    return {"l": list, "t": tuple}[tag](items) if tag in ("l", "t") else no_tag(tag)


def no_tag(tag):
    """Refuse an unknown tag."""
    raise ValueError(f"unknown tag {tag!r}")


def array_of(dtype, shape, blobs):
    """Return a new array from the next bytes; only as large as these are."""
    if not DTYPE.fullmatch(dtype) or len(shape) > 32:
        raise ValueError("no array")
    if not all(type(n) is int and n >= 0 for n in shape):
        raise ValueError("no shape")
    dtype = np.dtype(dtype)
    data = blobs.take(math.prod(shape) * dtype.itemsize)
    if dtype.kind == "b":  # a byte that is neither 0 nor 1 is no truth value
        return np.frombuffer(data, np.uint8).reshape(shape) != 0
    return np.frombuffer(data, dtype).reshape(shape).copy()
