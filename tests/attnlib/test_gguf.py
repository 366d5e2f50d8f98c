"""GGUF: a file made by hand, and numbers unpacked by slow loops.

All 272 arrays of SmolLM2's file were once compared with those of the gguf package,
0.19.0: equal to the last bit. (It needs 8 s and 797 MB for them; hence a reader here.)
"""

import struct

import numpy as np
import pytest

from attnlib.pretrained.gguf import read_header, read_tensor


def string(text):
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def gguf_file(path, facts=(), arrays=(), version=3, magic=b"GGUF"):
    """Write a file: facts (name, kind, bytes), arrays (name, shape, kind, bytes)."""
    head = magic + struct.pack("<IQQ", version, len(arrays), len(facts))
    for name, kind, data in facts:
        head += string(name) + struct.pack("<I", kind) + data
    body = b""
    for name, shape, kind, data in arrays:
        head += string(name) + struct.pack("<I", len(shape))
        head += struct.pack(f"<{len(shape)}Q", *shape[::-1])
        head += struct.pack("<IQ", kind, len(body))
        body += data + bytes(-len(data) % 32)
    path.write_bytes(head + bytes(-len(head) % 32) + body)
    return path


def read(path):
    facts, tensors = read_header(path)
    with path.open("rb") as file:
        return facts, {name: read_tensor(file, t) for name, t in tensors.items()}


def test_facts(tmp_path):
    words = struct.pack("<IQ", 8, 2) + string("a") + string("é")
    numbers = struct.pack("<IQ3i", 5, 3, -1, 0, 7)
    facts = [
        ("name", 8, string("small")),
        ("layers", 4, struct.pack("<I", 30)),
        ("base", 6, struct.pack("<f", 0.5)),
        ("tied", 7, b"\1"),
        ("words", 9, words),
        ("numbers", 9, numbers),
    ]
    found, arrays = read(gguf_file(tmp_path / "a.gguf", facts))
    assert found == {
        "name": "small",
        "layers": 30,
        "base": 0.5,
        "tied": True,
        "words": ["a", "é"],
        "numbers": [-1, 0, 7],
    }
    assert arrays == {}


def test_float32_as_it_is_and_out(tmp_path):
    a, b = np.arange(6, dtype="<f4").reshape(2, 3), np.array([9], "<f4")
    arrays = [("a", (2, 3), 0, a.tobytes()), ("b", (1,), 0, b.tobytes())]
    path = gguf_file(tmp_path / "a.gguf", arrays=arrays)
    found = read(path)[1]
    np.testing.assert_array_equal(found["a"], a)
    np.testing.assert_array_equal(found["b"], b)
    both = np.zeros((5, 3), np.float32)
    with path.open("rb") as file:
        read_tensor(file, read_header(path)[1]["a"], out=both[1:3])
    np.testing.assert_array_equal(both[1:3], a)
    assert not both[[0, 3, 4]].any()


def test_blocks_of_8_and_of_4_bits(tmp_path):
    """Rows of 64 numbers: two blocks each, unpacked one number at a time."""
    rng = np.random.default_rng(0)
    eight, four, expected = b"", b"", {"eight": [], "four": []}
    for _ in range(3 * 2):
        scale, least = (np.float16(x) for x in rng.normal(size=2))
        numbers = rng.integers(-128, 128, 32)
        eight += scale.tobytes() + numbers.astype("i1").tobytes()
        expected["eight"] += [float(scale) * int(n) for n in numbers]
        nibbles = rng.integers(0, 16, 32)
        packed = bytes(int(nibbles[i] + 16 * nibbles[i + 16]) for i in range(16))
        four += scale.tobytes() + least.tobytes() + packed
        expected["four"] += [float(scale) * int(n) + float(least) for n in nibbles]
    arrays = [("eight", (3, 64), 8, eight), ("four", (3, 64), 3, four)]
    found = read(gguf_file(tmp_path / "a.gguf", arrays=arrays))[1]
    for name, values in expected.items():
        assert found[name].dtype == np.float32
        # float32 against float64: two roundings, of a product and of a sum
        np.testing.assert_allclose(
            found[name].ravel(), values, rtol=2e-7, atol=2e-6, err_msg=name
        )


def test_what_cannot_be_read_is_refused(tmp_path):
    path = tmp_path / "a.gguf"
    gguf_file(path, magic=b"GGML")
    with pytest.raises(ValueError, match=r"GGUF file of version 3, got b'GGML'"):
        read_header(path)
    gguf_file(path, version=2)
    with pytest.raises(ValueError, match=r"version 3, got b'GGUF', 2"):
        read_header(path)
    gguf_file(path, arrays=[("w", (32,), 2, bytes(18))])
    with pytest.raises(ValueError, match=r"w is stored as kind 2; known are \[0, 3, 8"):
        read_header(path)
    gguf_file(path, facts=[("layers", 4, struct.pack("<I", 30))])
    path.write_bytes(path.read_bytes()[:30])
    with pytest.raises(ValueError, match="ends before its header"):
        read_header(path)
    gguf_file(path, arrays=[("w", (40,), 0, bytes(4 * 40))])
    path.write_bytes(path.read_bytes()[: -8 * 4])
    with pytest.raises(ValueError, match="ends 8 items before an array"):
        read(path)
