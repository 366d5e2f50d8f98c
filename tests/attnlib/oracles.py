"""Slow, obvious answers in float64: the definition, one number at a time.

Nothing here imports attnlib, and nothing is clever: each function is the sentence in
the paper, written as loops. Shapes: L queries, S keys, E features per query and key,
Ev features per value; leading axes broadcast.
"""

import math

import numpy as np

# ---------------------------------------------------------------- masks


def causal_mask(L, S, offset=0):
    """Query i may attend to key j if j <= i + offset."""
    return sliding_window_mask(L, S, None, 0, offset)


def sliding_window_mask(L, S, left=None, right=None, offset=0):
    """Query i stands at i + offset and sees `left` keys before and `right` after it."""
    offset = np.asarray(offset)
    lead = np.broadcast_shapes(offset.shape, (L, S))[:-2]
    offset = np.broadcast_to(offset, (*lead, L, S))
    mask = np.zeros((*lead, L, S), dtype=bool)
    for index in np.ndindex(mask.shape):
        i, j = index[-2:]
        position = i + int(offset[index])
        reaches_left = left is None or j >= position - left
        reaches_right = right is None or j <= position + right
        mask[index] = reaches_left and reaches_right
    return mask


def padding_mask(lengths, S):
    """Key j of a sequence is real if j < its length."""
    lengths = np.asarray(lengths)
    mask = np.zeros((*lengths.shape, 1, S), dtype=bool)
    for index in np.ndindex(lengths.shape):
        for j in range(S):
            mask[(*index, 0, j)] = j < lengths[index]
    return mask


def alibi_slopes(num_heads):
    """Return the slopes of Press et al. 2022, section 3, and of their published code.

    For a power of two: the geometric sequence that starts at 2**(-8 / n) and uses that
    same number as its ratio. Otherwise: the slopes of the power of two below, followed
    by every other slope (the first, the third, ...) of the power of two above.
    """
    if num_heads & (num_heads - 1) == 0:
        return [2.0 ** (-8 * (h + 1) / num_heads) for h in range(num_heads)]
    below = 1
    while 2 * below < num_heads:
        below *= 2
    every_other = alibi_slopes(2 * below)[0::2]
    return alibi_slopes(below) + every_other[: num_heads - below]


def alibi_bias(num_heads, L, S, offset=0):
    """Subtract the slope of the head times the distance from the query to the key."""
    bias = np.zeros((num_heads, L, S))
    for h, slope in enumerate(alibi_slopes(num_heads)):
        for i in range(L):
            for j in range(S):
                bias[h, i, j] = -slope * abs(i + offset - j)
    return bias


# ---------------------------------------------------------------- attention


def softmax_row(row):
    """Return exp(x) / sum(exp(x)) of a list; zeros if nothing in it may be seen."""
    if all(x == -math.inf for x in row):
        return [0.0 for _ in row]
    largest = max(row)  # exp(x - c) / sum(exp(x - c)) is the same, and never overflows
    exponentials = [math.exp(x - largest) for x in row]
    total = math.fsum(exponentials)
    return [e / total for e in exponentials]


def softmax(x, axis=-1):
    """Apply `softmax_row` along an axis."""
    rows = np.moveaxis(np.asarray(x, dtype=np.float64), axis, -1)
    shares = np.zeros(rows.shape)
    for index in np.ndindex(rows.shape[:-1]):
        shares[index] = softmax_row(list(rows[index]))
    return np.moveaxis(shares, -1, axis)


def attention_scores(
    query, key, attn_mask=None, *, is_causal=False, scale=None, softcap=None
):
    """Return scale * q.k, capped, with -inf where the mask says no: (..., L, S)."""
    query, key = np.float64(query), np.float64(key)
    L, S, E = query.shape[-2], key.shape[-2], query.shape[-1]
    lead = np.broadcast_shapes(query.shape[:-2], key.shape[:-2])
    if attn_mask is not None:
        lead = np.broadcast_shapes(lead, np.shape(attn_mask)[:-2])
        attn_mask = np.broadcast_to(attn_mask, (*lead, L, S))
    query = np.broadcast_to(query, (*lead, L, E))
    key = np.broadcast_to(key, (*lead, S, E))
    scale = 1 / math.sqrt(E) if scale is None else scale
    scores = np.zeros((*lead, L, S))
    for index in np.ndindex(scores.shape):
        batch, (i, j) = index[:-2], index[-2:]
        q, k = query[(*batch, i)], key[(*batch, j)]
        score = scale * math.fsum(q[e] * k[e] for e in range(E))
        if softcap is not None:
            score = softcap * math.tanh(score / softcap)
        if is_causal and j > i:
            score = -math.inf
        if attn_mask is not None:
            m = attn_mask[index]
            if attn_mask.dtype == bool:
                score = score if m else -math.inf
            else:
                score = score + float(m)
        scores[index] = score
    return scores


def attention_weights(query, key, attn_mask=None, **options):
    """Return the softmax over the keys of `attention_scores`."""
    return softmax(attention_scores(query, key, attn_mask, **options))


def attention(query, key, value, attn_mask=None, **options):
    """Return, for each query, the sum of the values by their weights."""
    weights = attention_weights(query, key, attn_mask, **options)
    value = np.float64(value)
    lead = np.broadcast_shapes(weights.shape[:-2], value.shape[:-2])
    weights = np.broadcast_to(weights, (*lead, *weights.shape[-2:]))
    value = np.broadcast_to(value, (*lead, *value.shape[-2:]))
    S, Ev = value.shape[-2:]
    output = np.zeros((*lead, weights.shape[-2], Ev))
    for index in np.ndindex(output.shape):
        batch, (i, e) = index[:-2], index[-2:]
        terms = [weights[(*batch, i, j)] * value[(*batch, j, e)] for j in range(S)]
        output[index] = math.fsum(terms)
    return output


def grouped_attention(query, key, value, attn_mask=None, **options):
    """Let query head h use the key and value head h // (H / Hkv), one head at a time.

    The heads are axis -3 of every array; the mask, if any, has all H heads or none.
    """
    H, Hkv = query.shape[-3], key.shape[-3]
    assert H % Hkv == 0
    heads = []
    for h in range(H):
        shared = h // (H // Hkv)
        k, v = key[..., shared, :, :], value[..., shared, :, :]
        mask = attn_mask
        if mask is not None and mask.ndim > 2:
            mask = mask[..., h if mask.shape[-3] > 1 else 0, :, :]
        heads.append(attention(query[..., h, :, :], k, v, mask, **options))
    return np.stack(heads, axis=-3)


# ---------------------------------------------------------------- heads


def linear(x, weight, bias=None):
    """Return weight @ x + bias for every vector x along the last axis."""
    x, weight = np.float64(x), np.float64(weight)
    output = np.zeros((*x.shape[:-1], weight.shape[0]))
    for index in np.ndindex(x.shape[:-1]):
        for o in range(weight.shape[0]):
            total = math.fsum(w * e for w, e in zip(weight[o], x[index], strict=True))
            output[(*index, o)] = total + (0.0 if bias is None else bias[o])
    return output


def multi_head_attention(
    query,
    key,
    value,
    weights,
    biases=(None, None, None, None),
    *,
    num_heads,
    num_kv_heads=None,
    attn_mask=None,
    is_causal=False,
):
    """Project, give each head its own columns, attend, put side by side, project.

    `weights` and `biases` are those of query, key, value and output, in this order; a
    weight has a row per output feature. The mask has an axis of heads or none.
    """
    num_kv_heads = num_kv_heads or num_heads
    q = linear(query, weights[0], biases[0])
    k = linear(key, weights[1], biases[1])
    v = linear(value, weights[2], biases[2])
    width = q.shape[-1] // num_heads
    value_width = v.shape[-1] // num_kv_heads
    heads = []
    for h in range(num_heads):
        shared = h // (num_heads // num_kv_heads)
        q_h = q[..., h * width : (h + 1) * width]
        k_h = k[..., shared * width : (shared + 1) * width]
        v_h = v[..., shared * value_width : (shared + 1) * value_width]
        mask = attn_mask
        if mask is not None and mask.ndim > 2:
            mask = mask[..., h if mask.shape[-3] > 1 else 0, :, :]
        heads.append(attention(q_h, k_h, v_h, mask, is_causal=is_causal))
    return linear(np.concatenate(heads, axis=-1), weights[3], biases[3])


# ---------------------------------------------------------------- positions


def sinusoidal_encoding(L, E, offset=0, base=10000.0):
    """Return sin and cos side by side, as in Vaswani et al. 2017, section 3.5."""
    encoding = np.zeros((L, E))
    for i in range(L):
        for pair in range(E // 2):
            angle = (i + offset) / base ** (2 * pair / E)
            encoding[i, 2 * pair] = math.sin(angle)
            encoding[i, 2 * pair + 1] = math.cos(angle)
    return encoding


def rotary_embedding(x, offset=0, base=10000.0, interleaved=True):
    """Rotate every pair of features of the vector at position i by an angle.

    Su et al. 2021: pair number m turns by (i + offset) * base**(-2m / E).
    """
    x = np.float64(x)
    _L, E = x.shape[-2:]
    output = np.zeros(x.shape)
    for index in np.ndindex(x.shape[:-1]):
        for m in range(E // 2):
            first, second = (2 * m, 2 * m + 1) if interleaved else (m, m + E // 2)
            angle = (index[-1] + offset) * base ** (-2 * m / E)
            a, b = x[(*index, first)], x[(*index, second)]
            output[(*index, first)] = a * math.cos(angle) - b * math.sin(angle)
            output[(*index, second)] = a * math.sin(angle) + b * math.cos(angle)
    return output


# ---------------------------------------------------------------- recurrent


def sigmoid(x):
    """Return 1 / (1 + exp(-x))."""
    return 1 / (1 + math.exp(-x))


def rnn(inputs, weight_ih, weight_hh, bias_ih, bias_hh, h):
    """Run one sequence (L, E): h = tanh(W_ih x + b_ih + W_hh h + b_hh)."""
    states, h = [], np.float64(h)
    for x in inputs:
        total = linear(x, weight_ih, bias_ih) + linear(h, weight_hh, bias_hh)
        h = np.array([math.tanh(t) for t in total])
        states.append(h)
    return np.array(states).reshape(len(states), len(h)), h


def lstm(inputs, weight_ih, weight_hh, bias_ih, bias_hh, h, c):
    """Run one sequence (L, E); the four gates lie in the order i, f, g, o."""
    states, h, c = [], np.float64(h), np.float64(c)
    n = len(h)
    for x in inputs:
        total = linear(x, weight_ih, bias_ih) + linear(h, weight_hh, bias_hh)
        h, c = h.copy(), c.copy()
        for u in range(n):
            i, f = sigmoid(total[u]), sigmoid(total[n + u])
            g, o = math.tanh(total[2 * n + u]), sigmoid(total[3 * n + u])
            c[u] = f * c[u] + i * g
            h[u] = o * math.tanh(c[u])
        states.append(h)
    return np.array(states).reshape(len(states), n), h, c
