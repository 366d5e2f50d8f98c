"""The front door: every bad call gets an error that says what to do.

That good calls give the right numbers is in test_agreement.py.
"""

import math

import array_api_strict
import numpy as np
import pytest

import attnlib
from attnlib import causal_mask
from attnlib import scaled_dot_product_attention as sdpa
from tests.attnlib import cases, oracles
from tests.attnlib.arrays import assert_close

# Shapes of query, key and value; each entry of the tables changes something.
SHAPES = ((2, 3, 4, 8), (2, 3, 7, 8), (2, 3, 7, 5))


def zeros(asarray, shapes=SHAPES, dtype="float64"):
    """Return query, key and value of the given shapes."""
    return [asarray(np.zeros(shape), dtype) for shape in shapes]


def refused(call, error, words):
    """Check the type of the error, and every word of the message."""
    with pytest.raises(error) as raised:
        call()
    missing = [word for word in words if word not in str(raised.value)]
    assert not missing, f"{missing} not in: {raised.value}"


BAD_SHAPES = {
    "E of query and key": (
        [(3, 8), (5, 9), (5, 2)],
        {},
        ["query", "key", "E", "8", "9"],
    ),
    "S of key and value": (
        [(3, 8), (5, 8), (6, 2)],
        {},
        ["key", "value", "S", "5", "6"],
    ),
    "leading axes of query": (
        [(2, 3, 8), (7, 5, 8), (7, 5, 4)],
        {},
        ["query", "key", "(2, 3, 8)", "(7, 5, 8)"],
    ),
    "leading axes of value": (
        [(2, 3, 8), (2, 5, 8), (7, 5, 4)],
        {},
        ["value", "(7, 5, 4)"],
    ),
    "heads that need enable_gqa": (
        [(2, 6, 4, 8), (2, 3, 7, 8), (2, 3, 7, 5)],
        {},
        ["6", "3", "enable_gqa"],
    ),
    "heads that do not divide": (
        [(2, 6, 4, 8), (2, 4, 7, 8), (2, 4, 7, 5)],
        {"enable_gqa": True},
        ["6", "4", "multiple", "heads"],
    ),
    "more key heads than query heads": (
        [(2, 4, 8), (4, 7, 8), (4, 7, 5)],
        {"enable_gqa": True},
        ["2", "4", "multiple", "heads"],
    ),
    "heads of key and value": (
        [(6, 4, 8), (2, 7, 8), (3, 7, 5)],
        {"enable_gqa": True},
        ["key", "value", "2", "3"],
    ),
    "no axis of heads": (
        [(4, 8), (7, 8), (7, 5)],
        {"enable_gqa": True},
        ["enable_gqa", "(4, 8)"],
    ),
    "1-D query": ([(8,), (5, 8), (5, 2)], {}, ["query", "(8,)"]),
    "1-D key": ([(3, 8), (8,), (8, 2)], {}, ["key", "(8,)"]),
    "0-D value": ([(3, 8), (5, 8), ()], {}, ["value", "()"]),
    "no features": ([(3, 0), (5, 0), (5, 2)], {}, ["query", "E", "0"]),
    "is_causal, L < S": (
        [(3, 8), (5, 8), (5, 2)],
        {"is_causal": True},
        ["is_causal", "L=3", "S=5", "causal_mask(3, 5"],
    ),
    "is_causal, L > S": (
        [(5, 8), (3, 8), (3, 2)],
        {"is_causal": True},
        ["is_causal", "L=5", "S=3", "causal_mask(5, 3"],
    ),
}


@pytest.mark.parametrize("name", BAD_SHAPES)
def test_bad_shapes(asarray, name):
    """Shapes that do not fit: both arguments and both numbers are named."""
    shapes, options, words = BAD_SHAPES[name]
    data = zeros(asarray, shapes)
    refused(lambda: sdpa(*data, **options), ValueError, words)


KNOWN = ["implementation", "reference", "tiled", "fused"]
BAD_OPTIONS = {
    "unknown name": ({"implementation": "flash"}, ValueError, [*KNOWN, "flash"]),
    "a list": ({"implementation": ["tiled"]}, (TypeError, ValueError), KNOWN),
    "empty name": ({"implementation": ""}, ValueError, KNOWN),
    "softcap 0": ({"softcap": 0}, ValueError, ["softcap", "0"]),
    "softcap 0.0": ({"softcap": 0.0}, ValueError, ["softcap", "0.0"]),
    "softcap below 0": ({"softcap": -2.5}, ValueError, ["softcap", "-2.5"]),
    "softcap NaN": ({"softcap": math.nan}, ValueError, ["softcap", "nan"]),
    "scale NaN": ({"scale": math.nan}, ValueError, ["scale", "nan"]),
    "scale inf": ({"scale": math.inf}, ValueError, ["scale", "inf"]),
    "softcap text": ({"softcap": "big"}, TypeError, ["softcap", "big"]),
    "scale text": ({"scale": "auto"}, TypeError, ["scale", "auto"]),
}


@pytest.mark.parametrize("name", BAD_OPTIONS)
def test_bad_options(asarray, name):
    """Numbers out of range are ValueErrors, other kinds TypeErrors."""
    options, error, words = BAD_OPTIONS[name]
    data = zeros(asarray)
    refused(lambda: sdpa(*data, **options), error, words)


BAD_MASKS = {
    "L does not fit": ((6, 7), "bool", ValueError, ["(6, 7)", "4"]),
    "S does not fit": ((4, 8), "float64", ValueError, ["(4, 8)", "7"]),
    "heads do not fit": ((2, 5, 4, 7), "bool", ValueError, ["(2, 5, 4, 7)"]),
    "one axis too many": ((6, 2, 3, 4, 7), "bool", ValueError, ["(6, 2, 3, 4, 7)"]),
    "one of two": ((2,), "bool", ValueError, ["(2,)"]),
    "integers": ((4, 7), "int64", TypeError, ["int64", "bool"]),
    "small integers": ((4, 7), "uint8", TypeError, ["uint8", "bool"]),
    "complex numbers": ((4, 7), "complex128", TypeError, ["complex128"]),
    "float32 beside float64": (
        (4, 7),
        "float32",
        TypeError,
        ["float32", "float64", "query"],
    ),
}


@pytest.mark.parametrize("name", BAD_MASKS)
def test_bad_masks(asarray, name):
    """Masks that do not broadcast to (..., L, S), or hold something else."""
    shape, dtype, error, words = BAD_MASKS[name]
    data = zeros(asarray)
    mask = asarray(np.ones(shape), dtype)
    refused(lambda: sdpa(*data, mask), error, ["attn_mask", *words])


def test_a_mask_cannot_add_a_batch(asarray):
    """A mask broadcasts to the scores; it does not make more of them."""
    q, k, v = zeros(asarray, [(4, 8), (7, 8), (7, 5)])
    mask = asarray(np.ones((6, 4, 7), dtype=bool))
    refused(lambda: sdpa(q, k, v, mask), ValueError, ["attn_mask", "(6, 4, 7)"])


def test_is_causal_with_a_mask(asarray):
    """Two masks at once: combine_masks is named."""
    q, k, v = zeros(asarray, [(5, 8), (5, 8), (5, 2)])
    mask = causal_mask(5, like=q)
    words = ["is_causal", "attn_mask", "combine_masks"]
    refused(lambda: sdpa(q, k, v, mask, is_causal=True), ValueError, words)


@pytest.mark.parametrize("which", [0, 1, 2])
@pytest.mark.parametrize("dtype", ["int64", "int32", "bool", "complex128", "complex64"])
def test_data_that_is_not_real_floating(asarray, which, dtype):
    """Integers and complex numbers in one argument, or in all three."""
    name = ("query", "key", "value")[which]
    data = zeros(asarray)
    data[which] = zeros(asarray, dtype=dtype)[which]
    refused(lambda: sdpa(*data), TypeError, [name, dtype])
    data = zeros(asarray, dtype=dtype)
    refused(lambda: sdpa(*data), TypeError, ["query", dtype, "float"])


@pytest.mark.parametrize("which", [0, 1, 2])
def test_mixed_dtypes(asarray, which):
    """float32 beside float64 is not promoted: what came for each is named."""
    data = zeros(asarray)
    data[which] = zeros(asarray, dtype="float32")[which]
    words = ["query", "key", "value", "float32", "float64"]
    refused(lambda: sdpa(*data), TypeError, words)


@pytest.mark.parametrize("which", [0, 1, 2])
@pytest.mark.parametrize("foreign", [[[1.0]], (1.0,), None, 1.0, "abc"])
def test_what_is_no_array(asarray, which, foreign):
    """Lists, numbers, None: the argument and the type are named."""
    name = ("query", "key", "value")[which]
    data = zeros(asarray)
    data[which] = foreign
    refused(lambda: sdpa(*data), TypeError, [name, type(foreign).__name__])


def test_three_lists():
    """Nothing but lists: there is no library to choose, and no way to guess one."""
    lists = [[[1.0, 2.0]]] * 3
    refused(lambda: sdpa(*lists), TypeError, ["query", "list"])


def test_a_mask_that_is_no_array(asarray):
    """A list of booleans is not a mask."""
    data = zeros(asarray)
    refused(lambda: sdpa(*data, [[True] * 7] * 4), TypeError, ["attn_mask", "list"])


@pytest.mark.parametrize("which", [0, 1, 2, 3])
def test_mixed_libraries(asarray, which):
    """One argument from another library: what came for each is named."""
    foreign = np.asarray if asarray.library != "numpy" else array_api_strict.asarray
    data = [*zeros(asarray), asarray(np.ones((4, 7), dtype=bool))]
    data[which] = foreign(np.zeros([*SHAPES, (4, 7)][which]))
    if which == 3:
        data[3] = foreign(np.ones((4, 7), dtype=bool))
    name = ("query", "key", "value", "attn_mask")[which]
    libraries = {"numpy", "array_api_strict" if foreign is not np.asarray else "numpy"}
    libraries.add(asarray.library.partition(":")[0])
    refused(lambda: sdpa(*data), TypeError, [name, *libraries])


@pytest.mark.parametrize("which", [0, 1, 2, 3])
def test_mixed_devices_of_torch(which):
    """torch's device without memory, 'meta', stands in for a second GPU."""
    torch = pytest.importorskip("torch")
    data = [torch.zeros(shape) for shape in SHAPES]
    data.append(torch.ones(4, 7, dtype=torch.bool))
    data[which] = data[which].to("meta")
    name = ("query", "key", "value", "attn_mask")[which]
    refused(lambda: sdpa(*data), TypeError, [name, "cpu", "meta", "device"])


@pytest.mark.parametrize("which", [0, 1, 2, 3])
def test_mixed_devices_of_array_api_strict(which):
    """The devices of array_api_strict are made for this."""
    other = array_api_strict.Device("device1")
    data = [array_api_strict.zeros(shape) for shape in SHAPES]
    data.append(array_api_strict.ones((4, 7), dtype=array_api_strict.bool))
    data[which] = data[which].to_device(other)
    name = ("query", "key", "value", "attn_mask")[which]
    refused(lambda: sdpa(*data), TypeError, [name, "device1", "device"])


def test_another_device_works_whole():
    """All data on array_api_strict's second device: the result lies there too."""
    other = array_api_strict.Device("device1")
    case = cases.pick("is_causal")[0]
    data = [array_api_strict.asarray(x, device=other) for x in cases.inputs(case)]
    for implementation in [None, "reference", "tiled"]:
        output = sdpa(*data, is_causal=True, implementation=implementation)
        assert output.device == other
        cpu = array_api_strict.Device("CPU_DEVICE")
        assert_close(output.to_device(cpu), cases.remembered(case))


# ---------------------------------------------------------------- implementations


def test_fused_is_refused_where_there_is_none():
    """fused exists for NumPy and torch: the message says what to take instead."""
    data = [array_api_strict.zeros(shape) for shape in SHAPES]
    words = ["fused", "array_api_strict", "reference", "tiled"]
    for call in [
        lambda: sdpa(*data, implementation="fused"),
        lambda: attnlib.fused_attention(*data),
    ]:
        refused(call, (TypeError, ValueError), words)


@pytest.mark.parametrize("implementation", ["reference", "tiled", "fused"])
def test_the_name_chooses_the_function(monkeypatch, implementation, rng):
    """Each name calls its own function, once, and no other one."""
    import sys

    room = sys.modules[sdpa.__module__]
    called = []
    names = ["reference_attention", "tiled_attention", "fused_attention"]
    originals = {name: getattr(attnlib, name) for name in names}

    def spy(name):
        def call(*args, **kwargs):
            called.append(name)
            return originals[name](*args, **kwargs)

        return call

    for attribute, held in list(vars(room).items()):
        for name, function in originals.items():
            if held is function:
                monkeypatch.setattr(room, attribute, spy(name))
            elif isinstance(held, dict):
                for key, entry in list(held.items()):
                    if entry is function:
                        monkeypatch.setitem(held, key, spy(name))
    x = rng.normal(size=(3, 4))
    sdpa(x, x, x, implementation=implementation)
    assert called == [f"{implementation}_attention"]


def test_data_is_positional_options_are_not(rng):
    """The fifth position is no option: torch has dropout_p there."""
    x = rng.normal(size=(3, 4))
    with pytest.raises(TypeError, match="positional"):
        sdpa(x, x, x, None, 0.5)


def test_enable_gqa_of_equal_heads_changes_nothing(asarray, rng):
    """With as many key heads as query heads, the flag has no effect."""
    x = asarray(rng.normal(size=(3, 4, 5)))
    assert_close(sdpa(x, x, x, enable_gqa=True), sdpa(x, x, x))


def test_a_block_mask_of_grouped_heads_is_checked(asarray):
    """With grouped heads the mask must fit the query heads, not the key heads."""
    data = zeros(asarray, [(6, 4, 8), (2, 7, 8), (2, 7, 5)])
    mask = asarray(np.ones((2, 4, 7), dtype=bool))
    refused(
        lambda: sdpa(*data, mask, enable_gqa=True),
        ValueError,
        ["attn_mask", "(2, 4, 7)"],
    )


@pytest.mark.parametrize("heads", [(6, 2, 1), (6, 1, 2), (6, 1, 1)], ids=str)
@pytest.mark.parametrize("implementation", [None, "reference", "tiled", "fused"])
def test_one_head_of_keys_or_values_serves_all(heads, implementation, rng):
    """A single head broadcasts with grouped heads, as it does without."""
    torch = pytest.importorskip("torch")
    q, k, v = (
        rng.normal(size=(2, h, n, 4)) for h, n in zip(heads, (3, 5, 5), strict=True)
    )
    shared = max(heads[1:])
    whole = [np.repeat(x, shared // x.shape[1], axis=1) for x in (k, v)]
    expected = oracles.grouped_attention(q, *whole)
    how = {"enable_gqa": True, "implementation": implementation}
    assert_close(sdpa(q, k, v, **how), expected)
    assert_close(sdpa(*map(torch.tensor, (q, k, v)), **how), expected)


class Tagged(np.ndarray):
    """An array of a class of its own."""


SUBCLASSES = {
    "MaskedArray": lambda x: np.ma.masked_array(x, mask=x > 0),
    "matrix": lambda x: np.matrix(x),
    "Tagged": lambda x: x.view(Tagged),
}


@pytest.mark.parametrize("which", [0, 1, 2, 3])
@pytest.mark.parametrize("name", SUBCLASSES)
@pytest.mark.parametrize("length", [4, 200])  # the equation, and the kernel
@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")  # of np.matrix
def test_arrays_that_mean_more(which, name, length):
    """Every subclass of NumPy's array is refused, at any size; the name says which."""
    data = [*np.ones((3, length, 4)), np.ones((length, length))]
    data[which] = SUBCLASSES[name](data[which])
    argument = ("query", "key", "value", "attn_mask")[which]
    words = [argument, name, f"np.asarray({argument})"]
    refused(lambda: sdpa(*data), TypeError, words)
    if which < 3:
        refused(lambda: attnlib.split_heads(data[which], 2), TypeError, [name])
        refused(lambda: attnlib.softmax(data[which]), TypeError, [name])


def test_a_file_of_numbers_is_an_array(tmp_path, rng):
    """np.memmap adds no meaning: it is taken as it is."""
    x = rng.normal(size=(3, 4))
    stored = np.memmap(tmp_path / "x", x.dtype, "w+", shape=x.shape)
    stored[...] = x
    assert_close(sdpa(stored, stored, stored), oracles.attention(x, x, x))
    assert_close(sdpa(x, stored, x), oracles.attention(x, x, x))


@pytest.mark.parametrize("softcap", [1e39, 10**40, 1e300])
@pytest.mark.parametrize("implementation", [None, "reference", "tiled", "fused"])
def test_a_cap_beyond_every_number_is_none(softcap, implementation, rng):
    """In float32, which holds no 1e39: as without a cap, in both libraries."""
    torch = pytest.importorskip("torch")
    x = rng.normal(size=(5, 4)).astype(np.float32)
    how = {"softcap": softcap, "implementation": implementation}
    expected = oracles.attention(x, x, x)
    assert_close(sdpa(x, x, x, **how), expected)
    tensor = torch.tensor(x)
    assert_close(sdpa(tensor, tensor, tensor, **how), expected)


@pytest.mark.parametrize("implementation", [None, "reference", "tiled", "fused"])
@pytest.mark.parametrize("low", [False, True])
def test_a_float32_mask_beside_a_narrower_query(implementation, low, rng):
    """As in torch; the mask is not rounded to the query's dtype first."""
    torch = pytest.importorskip("torch")
    x, mask = rng.normal(size=(2, 5, 8)), rng.normal(size=(5, 5)) * 30
    if low:  # finite in float32, -inf in bfloat16: a row of it is uniform, not hidden
        mask[1] = np.finfo(np.float32).min
    for dtype in (torch.bfloat16, torch.float16):
        data = torch.tensor(x, dtype=dtype)
        theirs = torch.tensor(mask, dtype=torch.float32)
        ours = sdpa(data, data, data, theirs, implementation=implementation)
        rounded = data.double().numpy()
        expected = oracles.attention(rounded, rounded, rounded, theirs.numpy())
        assert ours.dtype == dtype
        assert_close(ours, expected)
    half = x.astype(np.float16)
    ours = sdpa(half, half, half, theirs.numpy(), implementation=implementation)
    rounded = half.astype(float)
    expected = oracles.attention(rounded, rounded, rounded, theirs.numpy())
    assert_close(ours, expected, dtype="float16")


@pytest.mark.parametrize("implementation", [None, "reference", "tiled", "fused"])
@pytest.mark.parametrize("lead", [(2, 3), ()], ids=str)
def test_autocast_leaves_the_dtype(implementation, lead, rng):
    """The result has query's dtype, whatever torch multiplies in."""
    torch = pytest.importorskip("torch")
    x = torch.tensor(rng.normal(size=(*lead, 5, 8)), dtype=torch.float32)
    mask = torch.zeros(5, 5)
    expected = oracles.attention(*3 * [x.double().numpy()])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        for options in ({}, {"attn_mask": mask}, {"softcap": 1e30}):
            ours = sdpa(x, x, x, implementation=implementation, **options)
            assert ours.dtype == torch.float32
            # products of bfloat16 numbers: 8 bits
            assert_close(ours, expected, tolerance=2e-2)
