"""The floor: two matrix products and one exp for every tile, and nothing else.

No attention kernel that computes each score in float32 with this BLAS and this exp can
be faster: there is no maximum, no mask, no sum, and every buffer is there beforehand.
The exp is the one that the kernel takes: NumPy's exp, or exp2 where that is faster.
"""

import itertools
import threading

import numpy as np
from threadpoolctl import ThreadpoolController

from attnlib import numpy_kernel
from benchmarks.candidates import threads

BLAS = ThreadpoolController()


def tiles(case):
    """Return (head, rows, keys), two slices, of every tile that is not hidden whole.

    Of a tile on the diagonal, the rows that see one of its keys: as the kernel does.
    """
    rows = range(0, case.L, numpy_kernel.ROWS)
    columns = range(0, case.S, numpy_kernel.KEYS)
    return [
        (
            head,
            slice(max(row, column) if case.causal else row, row + numpy_kernel.ROWS),
            slice(column, column + numpy_kernel.KEYS),
        )
        for head, row, column in itertools.product(range(case.heads), rows, columns)
        if not case.causal or column < row + numpy_kernel.ROWS
    ]


def floor(case, query, key, value):
    """Return a call that does the products and the exp of every tile, on all threads.

    The queries are transposed and divided by sqrt(d) beforehand.
    """
    query = np.ascontiguousarray(query.mT) / np.float32(np.sqrt(case.d))
    work = np.array_split(np.arange(len(tiles(case))), threads())
    parts = [[tiles(case)[i] for i in part] for part in work if len(part)]

    def call():
        with BLAS.limit(limits=1, user_api="blas"):
            workers = [
                threading.Thread(target=pass_over, args=(part, query, key, value))
                for part in parts[1:]
            ]
            for worker in workers:
                worker.start()
            pass_over(parts[0], query, key, value)
            for worker in workers:
                worker.join()

    return call


def pass_over(part, query, key, value):
    """Multiply, exponentiate and multiply again, tile by tile, in two buffers.

    The scores stand transposed, which BLAS multiplies fastest, as in the kernel.
    """
    exp, _ = numpy_kernel.exponential()
    scores = np.empty((numpy_kernel.KEYS, numpy_kernel.ROWS), np.float32)
    output = np.empty((numpy_kernel.ROWS, value.shape[-1]), np.float32)
    for head, rows, keys in part:
        q, k, v = query[0, head, :, rows], key[0, head, keys], value[0, head, keys]
        some = scores[: len(k), : q.shape[1]]
        np.matmul(k, q, out=some)
        exp(some, out=some)
        np.matmul(some.T, v, out=output[: q.shape[1]])
