"""The key-value cache: what decoding keeps, so that no key is computed twice."""

import dataclasses
import threading
import typing

from attnlib._array import (
    Array,
    array_namespace,
    copy,
    creation,
    has_tangent,
    is_differentiated,
    is_numpy_array,
    is_torch,
    is_traced,
    nbytes,
)
from attnlib._checks import check_data


@dataclasses.dataclass(frozen=True)
class KVCache:
    """Keys (..., S, E) and values (..., S, Ev) of the tokens so far.

    A value: it copies what it is given, `append` returns a new cache and leaves this
    one as it is. The next query stands at offset `length`:
    `causal_mask(1, cache.length + 1, offset=cache.length)`.

    In NumPy and in torch without gradients, key and value are views of a longer store:
    the first `append` writes behind the rows that this cache shows. A second future of
    the same past gets a store of its own.
    """

    key: Array
    value: Array
    _store: typing.Any = dataclasses.field(
        init=False, repr=False, compare=False, default=None
    )

    def __post_init__(self):
        self._check()
        self._set(key=copy(self.key), value=copy(self.value))

    def _check(self):
        check_data(key=self.key, value=self.value)
        if self.key.shape[:-1] != self.value.shape[:-1]:
            raise ValueError(
                "key and value must agree in all but their last axis, got key "
                f"{tuple(self.key.shape)} and value {tuple(self.value.shape)}"
            )

    def __reduce__(self):
        """Copy and pickle key and value, not the right to the store behind them."""
        return KVCache, (self.key, self.value)

    def append(self, key: Array, value: Array) -> "KVCache":
        """Return the cache with key (..., n, E) and value (..., n, Ev) at its end."""
        new = unchecked(key, value)
        new._check()
        for name, old, more in (("key", self.key, key), ("value", self.value, value)):
            check_data(**{f"cached {name}": old, name: more})
            if old.shape[:-2] != more.shape[:-2] or old.shape[-1] != more.shape[-1]:
                raise ValueError(
                    f"{name} to append must have the cache's shape in all but axis -2, "
                    f"{tuple(old.shape)}, got {tuple(more.shape)}"
                )
        if may_share(self.key, self.value, key, value):
            return self._write_behind(new)
        xp = array_namespace(key)
        pairs = ((self.key, key), (self.value, value))
        return unchecked(*(xp.concat(pair, axis=-2) for pair in pairs))

    def _write_behind(self, new):
        length, store = self.length + new.length, self._store
        if store is None or not store.claim(self.length, length):
            key, value = (longer(x, 2 * length) for x in (self.key, self.value))
            store = Store(key, value, length)
        store.key[..., self.length : length, :] = new.key
        store.value[..., self.length : length, :] = new.value
        shown = (visible(x, length) for x in (store.key, store.value))
        return unchecked(*shown, store)

    def _set(self, **fields):
        for name, field in fields.items():
            object.__setattr__(self, name, field)  # a frozen class refuses its own, too

    @property
    def length(self) -> int:
        """The number of tokens held, S."""
        return self.key.shape[-2]

    @property
    def nbytes(self) -> int:
        """Bytes of key and value together; the store may be twice as large."""
        return nbytes(self.key) + nbytes(self.value)


class Store:
    """Rows for several caches of one past; the first `taken` of them are in use."""

    def __init__(self, key, value, taken):
        self.key, self.value, self.taken = key, value, taken
        self.lock = threading.Lock()

    def claim(self, start, stop):
        """Take the rows start:stop; False where another future has, or none are left.

        The lock lets only one of two threads have them.
        """
        with self.lock:
            free = start == self.taken and stop <= self.key.shape[-2]
            self.taken = stop if free else self.taken
        return free


def unchecked(key, value, store=None):
    """Return the cache of arrays that are known to fit, without a copy of them."""
    cache = object.__new__(KVCache)
    cache._set(key=key, value=value, _store=store)
    return cache


def may_share(*arrays):
    """Say whether rows may be written behind arrays of one library.

    In NumPy yes, in torch where nothing follows or differentiates them.
    """
    if not is_torch(arrays[0]):
        return is_numpy_array(arrays[0])
    if is_traced(*arrays):
        return False
    import torch

    inside = torch.is_inference_mode_enabled()
    writable = (inside or not x.is_inference() for x in arrays)
    followed = is_differentiated(*arrays) or has_tangent(*arrays)
    return all(writable) and not followed


def longer(x, length):
    """Return a store for `length` rows that begins with those of x."""
    xp, where = creation(x)
    store = xp.empty((*x.shape[:-2], length, x.shape[-1]), dtype=x.dtype, **where)
    store[..., : x.shape[-2], :] = x
    return store


def visible(store, length):
    """Return the first rows of a store; torch does not see what is written behind."""
    rows = store[..., :length, :]
    return rows.data if is_torch(rows) else rows
