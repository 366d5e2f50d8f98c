"""Chapter 15's exercises beside something that knows nothing of their formulas."""

import numpy as np
import pytest
import torch

from attnlib import scaled_dot_product_attention
from attnlib.exercises import get


@pytest.fixture
def rng():
    return np.random.default_rng(15)


def reference(name):
    return get(name).reference


def test_gradients_of_blocks_add_up_to_those_of_autograd(rng):
    shapes = (2, 3, 4), (2, 8, 4), (2, 8, 5), (2, 3, 5)
    query, key, value, gradient = (torch.tensor(rng.normal(size=s)) for s in shapes)
    for x in (query, key, value):
        x.requires_grad_()
    scores = query @ key.mT / 2
    output, lse = torch.softmax(scores, -1) @ value, torch.logsumexp(scores, -1)
    wanted = torch.autograd.grad(output, (query, key, value), gradient)
    query, key, value, output, lse = (
        x.detach().numpy() for x in (query, key, value, output, lse)
    )
    found = [
        reference("block_backward")(
            query, key[:, a:b], value[:, a:b], output, lse, gradient.numpy()
        )
        for a, b in ((0, 3), (3, 7), (7, 8))
    ]
    by_query, by_key, by_value = zip(*found, strict=True)
    for part, whole in zip(
        (sum(by_query), np.concatenate(by_key, 1), np.concatenate(by_value, 1)),
        wanted,
        strict=True,
    ):
        np.testing.assert_allclose(part, whole, atol=1e-12)


def test_log_sum_exp_and_output_are_torchs(rng):
    query, key, value = (rng.normal(size=(2, n, 4)) for n in (3, 7, 7))
    output, lse = reference("flash_forward")(query, key, value, 2)
    query, key, value = map(torch.from_numpy, (query, key, value))
    wanted = torch.nn.functional.scaled_dot_product_attention(query, key, value)
    np.testing.assert_allclose(output, wanted, atol=1e-12)
    np.testing.assert_allclose(lse, (query @ key.mT / 2).logsumexp(-1), atol=1e-12)


@pytest.mark.parametrize("seed", range(6))
def test_what_comes_out_has_the_targets_distribution(seed):
    for case in get("accept_or_redraw").draw(seed):
        target, draft = case.args
        accepted, rate, residual = reference("accept_or_redraw")(target, draft)
        refused = 1 - np.sum(draft * accepted, -1, keepdims=True)
        np.testing.assert_allclose(
            draft * accepted + refused * residual, target, atol=1e-6
        )
        np.testing.assert_allclose(rate, 1 - refused[..., 0], atol=1e-6)
        distance = np.abs(target - draft).sum(-1) / 2  # no coupling agrees more often
        np.testing.assert_allclose(rate, 1 - distance, atol=1e-6)


def test_pages_give_back_what_was_written(rng):
    """Three sequences grow in turn; each takes the next free page when one is full."""
    size, pages, free = 3, np.full((9, 3, 2), np.nan), [*rng.permutation(9)]
    written, tables = [[], [], []], [[], [], []]
    for token in range(20):
        rows, table = written[token % 3], tables[token % 3]
        if len(rows) % size == 0:
            table.append(free.pop())
        rows.append(rng.normal(size=2))
        pages[table[-1], (len(rows) - 1) % size] = rows[-1]
    for rows, table in zip(written, tables, strict=True):
        found = reference("gather_pages")(pages, np.array(table), len(rows))
        np.testing.assert_array_equal(found, rows)


def test_a_decode_step_reads_what_its_mask_shows(rng):
    """A cache with sinks, from which rows are dropped, is the mask's last row."""
    n, window, sinks = 11, 3, 2
    query, key, value = rng.normal(size=(3, n, 4))
    mask = reference("shown_keys")(n, window, sinks)
    whole = scaled_dot_product_attention(query, key, value, mask)
    for i in range(n):
        kept = [*range(i + 1)]
        while len(kept) > sinks + window:
            del kept[sinks]
        alone = scaled_dot_product_attention(query[i : i + 1], key[kept], value[kept])
        np.testing.assert_allclose(whole[i], alone[0], atol=1e-12)


def test_a_key_that_is_written_again_reads_its_last_value(rng):
    """With beta 1, keys at right angles are a table of values."""
    names, values = rng.integers(0, 4, size=12), rng.normal(size=(12, 3))
    key, table = np.eye(4)[names], {}
    found = reference("delta_rule")(np.roll(key, 1, 0), key, values, np.ones(12))
    for i, name in enumerate(names):
        table[name] = values[i]
        wanted = table.get(names[i - 1], np.zeros(3))
        np.testing.assert_allclose(found[i], wanted, atol=1e-12)
