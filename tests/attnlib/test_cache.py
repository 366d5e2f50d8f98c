"""KVCache: a value that grows by returning another one."""

import concurrent.futures
import copy
import pickle
import threading

import numpy as np
import pytest

import attnlib
from attnlib import KVCache, causal_mask, rotary_embedding
from attnlib import scaled_dot_product_attention as sdpa
from tests.attnlib import arrays
from tests.attnlib.arrays import assert_close, assert_same_kind, each_implementation

B, H, E, EV = 2, 3, 8, 5


def pair(asarray, rng, n, dtype="float64"):
    """Return keys and values of n tokens."""
    key = asarray(rng.normal(size=(B, H, n, E)), dtype)
    return key, asarray(rng.normal(size=(B, H, n, EV)), dtype)


def test_append_returns_a_new_cache(asarray, rng):
    """Past and new tokens in this order; the old cache keeps its own."""
    (key, value), (more_key, more_value) = pair(asarray, rng, 4), pair(asarray, rng, 2)
    old = KVCache(key, value)
    new = old.append(more_key, more_value)
    assert (old.length, new.length) == (4, 6)
    assert isinstance(new, KVCache)
    assert_close(new.key[..., :4, :], key)
    assert_close(new.key[..., 4:, :], more_key)
    assert_close(new.value[..., :4, :], value)
    assert_close(new.value[..., 4:, :], more_value)
    assert_close(old.key, key)
    assert_same_kind(new.key, key, asarray)
    assert_same_kind(new.value, value, asarray)


def test_an_empty_cache_grows(asarray, rng):
    """No token yet is a cache of length 0."""
    cache = KVCache(*pair(asarray, rng, 0))
    assert cache.length == 0
    assert cache.nbytes == 0
    key, value = pair(asarray, rng, 3)
    assert_close(cache.append(key, value).key, key)
    assert cache.append(*pair(asarray, rng, 0)).length == 0


def test_bytes_by_hand(asarray, rng):
    """2 x 3 x 4 keys of 8 and values of 5 numbers: 312 numbers of so many bytes."""
    sizes = {"float16": 2, "bfloat16": 2, "float32": 4, "float64": 8}
    for dtype in asarray.dtypes:
        cache = KVCache(*pair(asarray, rng, 4, dtype))
        assert cache.nbytes == 312 * sizes[dtype]
        assert isinstance(cache.nbytes, int)


def test_the_fields_cannot_be_set(rng):
    """A value, not a box."""
    cache = KVCache(*pair(np.asarray, rng, 4))
    with pytest.raises(AttributeError):
        cache.key = None


@each_implementation([None, "reference", "tiled", "fused"])
@pytest.mark.parametrize("steps", [[1] * 6, [4, 1, 1], [2, 3, 1], [6]], ids=str)
def test_decoding_equals_the_whole(asarray, implementation, steps, rng):
    """Token by token, or in chunks, against one causal call."""
    key, value = pair(asarray, rng, 6)
    query = asarray(rng.normal(size=(B, H, 6, E)))
    whole = sdpa(query, key, value, is_causal=True)
    cache, start = KVCache(key[..., :0, :], value[..., :0, :]), 0
    for n in steps:
        now = slice(start, start + n)
        cache = cache.append(key[..., now, :], value[..., now, :])
        mask = causal_mask(n, cache.length, offset=start, like=query)
        part = sdpa(
            query[..., now, :],
            cache.key,
            cache.value,
            mask,
            implementation=implementation,
        )
        assert_close(part, whole[..., now, :])
        start += n


def test_decoding_with_rotary_positions(asarray, rng):
    """Keys are turned once, when they enter, by the position they have."""
    x = asarray(rng.normal(size=(H, 5, E)))
    turned = rotary_embedding(x)
    whole = sdpa(turned, turned, x, is_causal=True)
    cache = KVCache(x[..., :0, :], x[..., :0, :])
    for step in range(5):
        token = x[..., step : step + 1, :]
        now = rotary_embedding(token, offset=cache.length)
        cache = cache.append(now, token)
        part = sdpa(now, cache.key, cache.value)
        assert_close(part, whole[..., step : step + 1, :])


def test_gradients_reach_the_past(astensor, rng):
    """The cache keeps the graph: the gradient is that of the whole call."""
    key, value = (x.requires_grad_() for x in pair(astensor, rng, 4))
    query = astensor(rng.normal(size=(B, H, 1, E)))
    cache = KVCache(key[..., :3, :], value[..., :3, :])
    cache = cache.append(key[..., 3:, :], value[..., 3:, :])
    sdpa(query, cache.key, cache.value).sum().backward()
    ours, key.grad = key.grad, None
    attnlib.reference_attention(query, key, value).sum().backward()
    assert_close(ours, key.grad)


def test_two_futures_of_one_past(asarray, rng):
    """Each future keeps its own tokens, and the past keeps its own, at every step."""
    (key, value), new = pair(asarray, rng, 3), [pair(asarray, rng, 1) for _ in range(5)]
    past = KVCache(key, value).append(*new[0])
    left, right = past.append(*new[1]), past.append(*new[2])
    longer = left.append(*new[3])
    other = left.append(*new[4])
    futures = {(0,): past, (0, 1): left, (0, 2): right, (0, 1, 3): longer}
    futures[0, 1, 4] = other
    for path, cache in futures.items():
        xp = asarray.xp
        assert_close(cache.key, xp.concat([key, *(new[i][0] for i in path)], axis=-2))
        assert_close(
            cache.value, xp.concat([value, *(new[i][1] for i in path)], axis=-2)
        )


@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_appending_copies_the_past_seldom(library, rng):
    """64 tokens, one by one: a few stores, each twice the length, hold them all."""
    if library == "torch":
        pytest.importorskip("torch")
    asarray = arrays.maker(library)
    cache, places = KVCache(*pair(asarray, rng, 0)), set()
    for _ in range(64):
        cache = cache.append(*pair(asarray, rng, 1))
        pointer = cache.key.data_ptr if library == "torch" else None
        places.add(pointer() if pointer else cache.key.ctypes.data)
    assert len(places) <= 7  # 2, 6, 14, 30, 62, 126 rows


def test_a_copy_has_a_store_of_its_own(asarray, rng):
    """copy, deepcopy and pickle give caches whose futures do not meet."""
    cache = KVCache(*pair(asarray, rng, 1)).append(*pair(asarray, rng, 1))
    copies = [copy.copy(cache), copy.deepcopy(cache)]
    if asarray.library != "array_api_strict":
        copies.append(pickle.loads(pickle.dumps(cache)))
    new = [pair(asarray, rng, 1) for _ in copies]
    futures = [c.append(*n) for c, n in zip(copies, new, strict=True)]
    for future, (key, _) in zip(futures, new, strict=True):
        assert_close(future.key[..., :2, :], cache.key)
        assert_close(future.key[..., 2:, :], key)


def test_a_copy_appends_to_what_it_shows(asarray, rng):
    """A deep copy whose key is changed in place grows from the changed key."""
    cache = KVCache(*pair(asarray, rng, 1)).append(*pair(asarray, rng, 1))
    changed = copy.deepcopy(cache)
    changed.key[...] = 0
    future = changed.append(*pair(asarray, rng, 1))
    assert_close(future.key[..., :2, :], np.zeros((B, H, 2, E)))


def test_gradients_of_queries_while_the_cache_grows(astensor, rng):
    """What autograd keeps of an old cache is not changed by the tokens behind it."""
    query = astensor(rng.normal(size=(B, H, 1, E))).requires_grad_()
    cache = KVCache(*pair(astensor, rng, 3))
    losses, alone = 0.0, 0.0
    for _ in range(4):
        cache = cache.append(*pair(astensor, rng, 1))
        losses = losses + sdpa(query, cache.key, cache.value).sum()
        key, value = cache.key.clone(), cache.value.clone()
        alone = alone + attnlib.reference_attention(query, key, value).sum()
    losses.backward()  # an error here: a tensor was changed in place
    ours, query.grad = query.grad, None
    alone.backward()
    assert_close(ours, query.grad)


def test_inference_mode(rng):
    """A cache from torch's inference mode grows there, and outside."""
    torch = pytest.importorskip("torch")
    key = torch.ones(1, 2)
    with torch.inference_mode():
        cache = KVCache(key * 1, key * 2).append(key * 3, key * 4)
    cache = cache.append(key * 5, key * 6)
    assert cache.key[:, 0].tolist() == [1, 3, 5]
    assert cache.value[:, 0].tolist() == [2, 4, 6]


BAD = {
    "batch of key": ((7, H, 1, E), (7, H, 1, EV), ["key", "(7, 3, 1, 8)"]),
    "E of key": ((B, H, 1, 9), (B, H, 1, EV), ["key", "(2, 3, 1, 9)"]),
    "Ev of value": ((B, H, 1, E), (B, H, 1, 6), ["value", "(2, 3, 1, 6)"]),
    "another length": ((B, H, 1, E), (B, H, 2, EV), ["key", "value"]),
    "fewer axes": ((H, 1, E), (H, 1, EV), ["key", "(3, 1, 8)"]),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_appends(asarray, name, rng):
    """What does not continue the cache: the argument and its shape are named."""
    *shapes, words = BAD[name]
    cache = KVCache(*pair(asarray, rng, 4))
    with pytest.raises(ValueError, match=words[0]) as raised:
        cache.append(*(asarray(np.zeros(shape)) for shape in shapes))
    assert all(word in str(raised.value) for word in words), raised.value


def test_appending_another_dtype(asarray, rng):
    """float32 onto float64 is refused, not promoted."""
    cache = KVCache(*pair(asarray, rng, 4))
    with pytest.raises(TypeError, match=r"key.*float64.*float32"):
        cache.append(*pair(asarray, rng, 1, "float32"))


def test_appending_another_library(rng):
    """A NumPy key onto a torch cache is refused."""
    torch = pytest.importorskip("torch")
    cache = KVCache(torch.zeros(2, 3), torch.zeros(2, 3))
    with pytest.raises(TypeError):
        cache.append(np.zeros((1, 3)), np.zeros((1, 3)))


@pytest.mark.parametrize(
    ("key", "value", "error", "words"),
    [
        (np.zeros((4, 8)), np.zeros((5, 8)), ValueError, ["key", "value", "(5, 8)"]),
        (np.zeros((2, 4, 8)), np.zeros((4, 8)), ValueError, ["key", "value"]),
        (np.zeros(8), np.zeros(8), ValueError, ["key", "(8,)"]),
        ([[1.0]], [[1.0]], TypeError, ["key", "list"]),
    ],
)
def test_bad_caches(key, value, error, words):
    """Keys and values are of the same tokens."""
    with pytest.raises(error) as raised:
        KVCache(key, value)
    assert all(word in str(raised.value) for word in words), raised.value


def test_a_reused_buffer_changes_no_cache(asarray):
    """Keys written into one buffer, again and again: each append keeps its own."""
    buffer = asarray.xp.zeros((1, 2))  # may be written to, unlike what asarray returns
    caches = [KVCache(buffer, buffer)]
    for number in [1, 2, 3]:
        buffer[...] = number
        caches.append(caches[-1].append(buffer, buffer))
    buffer[...] = 9
    for n, cache in enumerate(caches, start=1):
        assert_close(cache.key[:, 0], np.arange(n))
        assert_close(cache.value[:, 0], np.arange(n))


def test_threads_take_different_rows():
    """Of 16 threads that append to one past, each gets its own token back."""
    past = KVCache(np.zeros((1, 2)), np.zeros((1, 2))).append(*np.zeros((2, 1, 2)))
    gate = threading.Barrier(16)

    def future(number):
        gate.wait()
        return past.append(*np.full((2, 1, 2), float(number))).key[-1, 0]

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        assert list(pool.map(future, range(1, 17))) == list(range(1, 17))


# torch's own, when it first meets forward mode
@pytest.mark.filterwarnings("ignore:`torch.jit.script:DeprecationWarning")
@pytest.mark.parametrize("derivative", ["jvp", "dual numbers", "grad", "vmap"])
def test_transforms_of_torch_see_the_past(derivative):
    """A derivative through `append` is that of concatenation; so is a batch."""
    torch = pytest.importorskip("torch")
    new = torch.full((1, 2), 3.0)

    def last(x):  # the past counts twice, the new token once
        cache = KVCache(x, x).append(x, x).append(new, new)
        return cache.key.sum() + cache.length

    x = torch.ones(1, 2)
    if derivative == "vmap":
        assert torch.func.vmap(last)(torch.ones(5, 1, 2)).tolist() == [13.0] * 5
    elif derivative == "grad":
        assert torch.func.grad(last)(x).tolist() == [[2.0, 2.0]]
    elif derivative == "jvp":
        assert torch.func.jvp(last, (x,), (torch.ones(1, 2),))[1] == 4
    else:
        forward = torch.autograd.forward_ad
        with forward.dual_level():
            dual = forward.make_dual(x, torch.ones(1, 2))
            assert forward.unpack_dual(last(dual)).tangent == 4
