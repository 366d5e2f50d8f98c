"""OnlineSoftmaxStepper: a softmax that sees its keys block by block, in any order."""

import math

import numpy as np
import traitlets

from attnlib.attention import finite_maximum, softmax
from attnlib.tiled import OnlineSoftmax, absorb
from attnlib.widgets._figure import LiveFigure
from attnlib.widgets._rows import NumberRows

PAIRS = [[0, 4], [1, -2], [3, 1], [2, 3], [-1, 0], [4, 5], [0.5, 2], [2.5, -1]]
MOST = 12  # keys
LIMIT = 1000
SIZES = [2**i for i in range(18)]  # 1 to 131072
WIDTH = 64  # Ev, features of a value, where memory is counted


class OnlineSoftmaxStepper(LiveFigure):
    """One query absorbs blocks of keys: maximum, total and output after each block.

    pairs: 1 to 12 rows (score, value), one for each key, from -1000 to 1000.
    block_size: keys in one block, 1 to 12.
    absorbed: the blocks absorbed so far, counted from 0, in the order of absorbing;
        none twice. Blocks that `block_size` leaves no keys for are passed over.
    L, S: queries and keys for which memory is counted, powers of 2 up to 131072.

    Raises traitlets.TraitError for anything else.
    """

    name = "online_softmax_stepper"
    title = "The online softmax, block by block"
    pairs = NumberRows(PAIRS, least=1, most=MOST, columns=2, limit=LIMIT).tag(sync=True)
    block_size = traitlets.Int(2, min=1, max=MOST).tag(sync=True)
    absorbed = traitlets.Tuple().tag(sync=True)
    L = traitlets.Enum(SIZES, 4096).tag(sync=True)
    S = traitlets.Enum(SIZES, 4096).tag(sync=True)

    @traitlets.validate("absorbed")
    def _check_absorbed(self, proposal):
        blocks = proposal["value"]
        good = all(type(b) is int and 0 <= b < MOST for b in blocks)
        if not good or len(set(blocks)) < len(blocks):
            came = repr(blocks)
            raise traitlets.TraitError(
                f"absorbed must name blocks from 0 to {MOST - 1}, none twice, got "
                f"{came if len(came) <= 60 else came[:57] + '...'}; "
                "pass absorbed=(0, 1), say, for the first two"
            )
        return blocks

    def numbers(self):
        """Return the state after the absorbed blocks, its history, and the memory.

        history: rows of block, maximum, shrink factor, total, output, output / total.
        exps, weights: one for each key, 0 where the key waits. Memory in floats.
        """
        scores, values = np.array(self.pairs).T  # (keys,) each
        state, history, seen = self._after(self._order())
        maximum, total, output, result = _flat(*state, state.result)
        known = np.where(seen, scores, -np.inf)
        exps = np.exp(known - finite_maximum(state.maximum))[0]
        full = float(softmax(scores) @ values)
        return {
            "absorbed_blocks": len(history),
            "absorbed_keys": int(seen.sum()),
            "exps": exps.tolist(),
            "weights": softmax(known).tolist(),
            "maximum": maximum,
            "total": total,
            "output": output,
            "result": result,
            "full": full,
            "difference": result - full,
            "history": history,
        } | self._memory()

    def _after(self, order):
        """Return the state after these blocks, its history, and which keys are in."""
        scores, values = np.array(self.pairs).T
        state, history, seen = nothing(), [], np.zeros(len(scores), dtype=bool)
        for block in order:
            tile = slice(block * self.block_size, (block + 1) * self.block_size)
            before = state.maximum
            state = absorb(state, scores[None, tile], values[tile, None])
            shrink = np.exp(before - state.maximum)
            seen[tile] = True
            cells = _flat(state.maximum, shrink, state.total, state.output)
            history.append([block, *cells, *_flat(state.result)])
        return state, history, seen

    def _order(self):
        """Return the absorbed blocks that hold keys, in their order."""
        count = math.ceil(len(self.pairs) / self.block_size)
        return [block for block in self.absorbed if block < count]

    def _memory(self):
        """Return how many floats the scores and the running state take."""
        state, block = self.L * (2 + WIDTH), self.L * self.block_size
        return {
            "full_floats": self.L * self.S,
            "state_floats": state,
            "block_floats": block,
            "times_less": self.L * self.S / (state + block),
        }

    def table(self):
        """Return the state after every block, first to last, and the memory."""
        found = self._memory()
        blocks = range(math.ceil(len(self.pairs) / self.block_size))
        state, history, _ = self._after(blocks)
        rows = [("none", "−∞", "", "0.00", "0.00", "")]
        for block, *cells in history:
            rows.append((f"block {block + 1}", *(f"{x:.2f}" for x in cells)))
        caption = (
            f"{len(self.pairs)} keys in blocks of {self.block_size}, absorbed one "
            f"block at a time; the last o / t, {_flat(state.result)[0]:.2f}, "
            "is the full softmax. "
            f"For L = {self.L} queries and S = {self.S} keys the full score matrix has "
            f"{found['full_floats']:,} numbers; the running state has "
            f"{found['state_floats']:,} with Ev = {WIDTH}, "
            f"and one block of scores {found['block_floats']:,}."
        )
        heads = ("absorbed", "maximum", "shrink factor", "total", "output", "o / t")
        return caption, heads, rows


def nothing():
    """Return the state of one query before its first key, for values of one feature."""
    return OnlineSoftmax(np.full((1, 1), -np.inf), np.zeros((1, 1)), np.zeros((1, 1)))


def _flat(*arrays):
    return [float(array[0, 0]) for array in arrays]
