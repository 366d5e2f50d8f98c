"""The key-value cache: what decoding keeps, so that no key is computed twice."""

import dataclasses
import typing

from attnlib._array import array_namespace, creation, is_numpy_array, is_torch, nbytes
from attnlib._checks import check_data


@dataclasses.dataclass(frozen=True)
class KVCache:
    """Keys (..., S, E) and values (..., S, Ev) of the tokens so far.

    A value: `append` returns a new cache and leaves this one as it is. The next query
    stands at offset `length`: `causal_mask(1, cache.length + 1, offset=cache.length)`.

    In NumPy and in torch without gradients, key and value are views of a longer store:
    the first `append` writes behind the rows that this cache shows. A second future of
    the same past gets a store of its own.
    """

    key: typing.Any
    value: typing.Any
    # The right to write behind the last row, [(keys, values)], or [] once it is used
    _store: list = dataclasses.field(
        init=False, repr=False, compare=False, default_factory=list
    )

    def __post_init__(self):
        check_data(key=self.key, value=self.value)
        if self.key.shape[:-1] != self.value.shape[:-1]:
            raise ValueError(
                "key and value must agree in all but their last axis, got key "
                f"{tuple(self.key.shape)} and value {tuple(self.value.shape)}"
            )

    def __reduce__(self):
        """Copy and pickle key and value, not the right to the store behind them."""
        return KVCache, (self.key, self.value)

    def append(self, key, value):
        """Return the cache with key (..., n, E) and value (..., n, Ev) at its end."""
        new = KVCache(key, value)
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
        return KVCache(*(xp.concat(pair, axis=-2) for pair in pairs))

    def _write_behind(self, new):
        length = self.length + new.length
        try:
            store = self._store.pop()  # in one step: no two futures can both get it
        except IndexError:
            store = None
        if store is None or store[0].shape[-2] < length:
            store = longer(self.key, 2 * length), longer(self.value, 2 * length)
        for room, rows in zip(store, (new.key, new.value), strict=True):
            room[..., self.length : length, :] = rows
        grown = KVCache(*(visible(room, length) for room in store))
        grown._store.append(store)
        return grown

    @property
    def length(self):
        """The number of tokens held, S."""
        return self.key.shape[-2]

    @property
    def nbytes(self):
        """Bytes of key and value together; the store may be twice as large."""
        return nbytes(self.key) + nbytes(self.value)


def may_share(*arrays):
    """Say whether rows may be written behind arrays of one library.

    In NumPy yes, in torch without autograd.
    """
    if not is_torch(arrays[0]):
        return is_numpy_array(arrays[0])
    import torch

    inside = torch.is_inference_mode_enabled()
    writable = (inside or not x.is_inference() for x in arrays)
    return all(writable) and not any(x.requires_grad for x in arrays)


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
