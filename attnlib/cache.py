"""The key-value cache: what decoding keeps, so that no key is computed twice."""

import dataclasses
import typing

from attnlib._array import array_namespace, nbytes
from attnlib._checks import check_data


@dataclasses.dataclass(frozen=True)
class KVCache:
    """Keys (..., S, E) and values (..., S, Ev) of the tokens so far.

    A value: `append` returns a new cache and leaves this one as it is. The next query
    stands at offset `length`: `causal_mask(1, cache.length + 1, offset=cache.length)`.
    """

    key: typing.Any
    value: typing.Any

    def __post_init__(self):
        check_data(key=self.key, value=self.value)
        if self.key.shape[:-1] != self.value.shape[:-1]:
            raise ValueError(
                "key and value must agree in all but their last axis, got key "
                f"{tuple(self.key.shape)} and value {tuple(self.value.shape)}"
            )

    def append(self, key, value):
        """Return the cache with key (..., n, E) and value (..., n, Ev) at its end."""
        grown = []
        for name, old, new in (("key", self.key, key), ("value", self.value, value)):
            check_data(**{f"cached {name}": old, name: new})
            if old.shape[:-2] != new.shape[:-2] or old.shape[-1] != new.shape[-1]:
                raise ValueError(
                    f"{name} to append must have the cache's shape in all but axis -2, "
                    f"{tuple(old.shape)}, got {tuple(new.shape)}"
                )
            grown.append(array_namespace(old).concat((old, new), axis=-2))
        return KVCache(*grown)

    @property
    def length(self):
        """The number of tokens held, S."""
        return self.key.shape[-2]

    @property
    def nbytes(self):
        """Bytes of key and value together."""
        return nbytes(self.key) + nbytes(self.value)
