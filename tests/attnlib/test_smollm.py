"""SmolLM2: against another implementation's numbers, torch, hand-made choices.

The numbers in RECORDED were printed once by transformers 5.23.0 on torch 2.13.0 (CPU,
float32; LlamaForCausalLM with the weights of the same file, queries and keys turned
from pairs to halves). On 20 texts of 1 to 512 tokens, 2,890 positions, logits differed
by at most 1.3e-4 at a scale of 46, and every largest one was the same. Given in three
pieces with a cache: the same, but for one token with 2.4e-4 (in float64 that token is
2.7e-4 away from attnlib's and 1.3e-4 from transformers' cached logits).
"""

import collections
import itertools
import os
import pathlib
import subprocess
import sys
import textwrap

import numpy as np
import pytest

import attnlib
from attnlib.pretrained import load_smollm, smollm
from attnlib.pretrained.files import installed_folder
from attnlib.pretrained.sampling import sampler

AT = [0, 28, 260, 1000, 20000, 49151]
RECORDED = {
    "The animal didn't cross the street because it was too tired.": {
        "numbers": "504 3161 3683 982 3050 260 7280 975 357 436 1147 12364 30",
        "largest": "29 2555 982 457 260 1761 30 357 436 1147 1869 288 198",
        6: [14.16647, 27.20332, 21.63718, 16.14288, 6.25803, 6.65993],
        12: [3.36194, -0.09652, 8.85275, 1.403, 1.50086, -0.63326],
    },
    "<|im_start|>user\nWhat is 12 × 7?<|im_end|>\n<|im_start|>assistant\n": {
        "numbers": "1 4093 198 1780 314 216 33 34 15493 216 39 47 2 198 1 520 9531 198",
        "largest": "29 198 198 314 260 33 32 35 216 33 446 2 198 1 520 9531 198 2068",
        9: [19.75784, 18.58697, 24.23614, 21.75843, 14.004720, 11.33419],
        17: [17.68449, 22.02228, 17.57301, 22.10142, 11.54766, 11.73163],
    },
    "Élodie’s naïve café — re-opened (unbelievably) in 2024; 3.5% cheaper!"
    "\n\n\tdef f(x):  return x**2": {
        "numbers": "39614 92 350 519 417 99 15486 46494 37366 1841 298 29 31074 365 "
        "419 23282 102 1756 25 281 216 34 32 34 36 43 216 35 30 37 21 13446 17 1116 "
        "197 1604 275 24 104 727 216 1003 1792 828 34",
        "largest": "29 376 672 28 99 1977 25972 28 28 253 8156 18788 281 3659 21298 "
        "102 1756 25 281 216 34 32 33 34 30 357 34 32 378 2215 282 670 198 198 504 "
        "820 24 104 727 3354 3354 1792 1672 34 198",
        22: [13.88602, 22.2286, 18.51617, 12.65025, 10.87162, 5.3095],
        44: [21.94338, 29.03036, 21.79534, 25.16704, 15.34268, 14.60825],
    },
}
GREEDY = {
    "The capital of France is": " Paris.\n\nThe answer is: 2018-01-22 12:1",
    "chat: Name three colours.": "1. Red: This is the most obvious colour, but it's "
    "also the most versatile. Red is a colour that",
}
# Two ways to sum in float32, through 30 blocks: 1.3e-4 was the largest found.
CLOSE = {"rtol": 0, "atol": 2e-4}


@pytest.fixture(scope="module")
def model():
    """Load the weights; skip where they are missing, but fail on CI."""
    try:
        return load_smollm()
    except FileNotFoundError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(error))


# ---------------------------------------------------------------- recorded numbers


@pytest.mark.parametrize("text", RECORDED)
def test_tokens_and_logits(model, text):
    recorded = dict(RECORDED[text])
    numbers = model.tokenizer.encode(text)
    assert numbers == [int(n) for n in recorded.pop("numbers").split()]
    assert model.tokenizer.decode(numbers) == text
    logits, cache = model.forward(numbers)
    assert logits.shape == (len(numbers), 49152)
    assert logits.dtype == np.float32
    largest = " ".join(map(str, logits.argmax(axis=-1)))
    assert largest == recorded.pop("largest")
    for place, values in recorded.items():
        np.testing.assert_allclose(logits[place, AT], values, **CLOSE)
    assert len(cache) == 30
    assert cache[0].key.shape == (3, len(numbers), 64)


@pytest.mark.parametrize("prompt", GREEDY)
def test_the_likeliest_text(model, prompt):
    kind, _, question = prompt.rpartition("chat: ")
    given = prompt if question == prompt else model.chat(question)
    assert not kind
    assert "".join(model.generate(given, max_tokens=24)) == GREEDY[prompt]


# ---------------------------------------------------------------- cache, batch, torch


def test_in_pieces_with_a_cache(model):
    numbers = model.tokenizer.encode(next(iter(RECORDED)))
    whole, _ = model.forward(numbers)
    for cuts in ([1, 2, 3, 7], [12], range(1, 13)):
        cache, found = None, []
        for start, end in itertools.pairwise([0, *cuts, len(numbers)]):
            logits, cache = model.forward(numbers[start:end], cache)
            found.append(logits)
        np.testing.assert_allclose(np.concatenate(found), whole, **CLOSE)


def test_one_past_has_two_futures(model):
    _, past = model.forward(model.tokenizer.encode("The animal was too"))
    tired, wide = ([model.tokenizer.numbers[f"Ġ{w}"]] for w in ("tired", "wide"))
    first, _ = model.forward(tired, past)
    model.forward(wide, past)
    again, _ = model.forward(tired, past)
    np.testing.assert_array_equal(first, again)
    assert past[0].length == 4


def test_a_batch_is_its_texts(model):
    texts = [f"The animal was too {word}." for word in ("tired", "wide")]
    numbers = [model.tokenizer.encode(text) for text in texts]
    logits, _ = model.forward(numbers)
    assert logits.shape == (2, 6, 49152)
    for row, one in zip(logits, numbers, strict=True):
        np.testing.assert_allclose(row, model.forward(one)[0], **CLOSE)


def test_the_last_token_alone(model):
    numbers = model.tokenizer.encode("The animal was")
    logits, _ = model.forward(numbers, last=True)
    assert logits.shape == (1, 49152)
    np.testing.assert_allclose(logits, model.forward(numbers)[0][-1:], **CLOSE)


def test_the_last_few_tokens(model):
    numbers = model.tokenizer.encode("The animal was")
    logits, _ = model.forward(numbers, last=2)
    np.testing.assert_allclose(logits, model.forward(numbers)[0][-2:], **CLOSE)


def test_on_torch_the_same_lines(model):
    torch = pytest.importorskip("torch")
    ours = load_smollm(like=torch.empty(0))
    text = next(iter(RECORDED))
    numbers = ours.tokenizer.encode(text)
    with torch.inference_mode():
        logits, cache = ours.forward(numbers[:5])
        rest, _ = ours.forward(numbers[5:], cache)
        told = "".join(ours.generate(text, max_tokens=5))
        said = ours.complete(["The capital of France is", "A b"], max_tokens=5)
    assert isinstance(logits, torch.Tensor)
    assert said == model.complete(["The capital of France is", "A b"], max_tokens=5)
    found = torch.cat((logits, rest)).numpy()
    np.testing.assert_allclose(found, model.forward(numbers)[0], **CLOSE)
    assert told == "".join(model.generate(text, max_tokens=5))


def test_memory_of_loading_and_generating(model):
    """At its highest at most 1.2 times the weights in float32."""
    if not pathlib.Path("/proc/self/status").exists():
        pytest.skip("the peak of a process is told by Linux alone")
    code = """
    import pathlib
    from attnlib.pretrained import load_smollm
    model = load_smollm()
    list(model.generate("The animal", max_tokens=3))
    arrays = [model.embedding, model.norm, *(x for b in model.blocks for x in b)]
    print(sum(x.nbytes for x in arrays))
    print(pathlib.Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
    """
    run = [sys.executable, "-c", textwrap.dedent(code)]
    done = subprocess.run(run, check=True, capture_output=True, text=True)
    weights, peak = map(int, done.stdout.split())
    assert weights == 4 * 134_515_008
    assert weights < 1024 * peak < 1.2 * weights


# ---------------------------------------------------------------- hooks


def watching(seen):
    """Attend as always, and keep each layer's weights: layer → (H, L, S)."""

    def attend(layer, query, key, value):
        L, S = query.shape[-2], key.shape[-2]
        mask = attnlib.causal_mask(L, S, offset=S - L)
        shared = np.repeat(key, query.shape[-3] // key.shape[-3], axis=-3)
        seen[layer] = attnlib.attention_weights(query, shared, mask)
        return smollm.attend(layer, query, key, value)

    return attend


def test_what_comes_later_changes_no_weight(model):
    """The note's sentence: of "it", with tired and with wide behind it."""
    rows = []
    for word in ("tired", "wide"):
        text = f"The animal didn't cross the street because it was too {word}."
        seen = {}
        model.forward(model.tokenizer.encode(text), attend=watching(seen))
        assert sorted(seen) == list(range(30))
        rows.append(np.stack([seen[layer][:, 8] for layer in range(30)]))
    assert model.tokenizer.tokens[model.tokenizer.encode(text)[8]] == "Ġit"
    np.testing.assert_array_equal(*rows)
    np.testing.assert_allclose(rows[0].sum(axis=-1), 1, atol=1e-5)


def test_a_layer_switched_off_leaves_the_rest(model):
    """Zeros for what a layer's heads read: as a block without attention."""
    numbers = model.tokenizer.encode("The animal was too tired.")

    def without(layer, query, key, value):
        mixed = smollm.attend(layer, query, key, value)
        return 0 * mixed if layer == 7 else mixed

    found, _ = model.forward(numbers, attend=without)
    blocks = list(model.blocks)
    blocks[7] = blocks[7]._replace(output=np.zeros_like(blocks[7].output))
    expected, _ = model._replace(blocks=tuple(blocks)).forward(numbers)
    np.testing.assert_array_equal(found, expected)
    assert abs(found - model.forward(numbers)[0]).max() > 0.1


def test_without_positions_the_last_word_does_not_know_the_order(model):
    """No turn, and the earlier tokens in another order: layer 0 cannot tell."""
    numbers = model.tokenizer.encode("The animal was too tired")
    mixed = {}

    def attend(layer, query, key, value):
        mixed.setdefault(layer, []).append(
            smollm.attend(layer, query, key, value)[:, -1]
        )
        return smollm.attend(layer, query, key, value)

    for order in (numbers, numbers[:-1][::-1] + numbers[-1:]):
        model.forward(order, attend=attend, rotate=lambda x, offset, base: x)
        model.forward(order, attend=attend)
    unturned, turned = mixed[0][0::2], mixed[0][1::2]
    np.testing.assert_allclose(*unturned, atol=1e-6)
    assert abs(turned[0] - turned[1]).max() > 1e-3


# ---------------------------------------------------------------- from scores to tokens


def test_temperature_0_takes_the_largest():
    assert sampler()(np.array([1.0, 3.0, 2.0])) == 1


def drawn(logits, n=4000, **settings):
    pick = sampler(seed=1, **settings)
    counts = collections.Counter(pick(np.array(logits)) for _ in range(n))
    return np.array([counts[i] for i in range(len(logits))]) / n


def test_draws_have_the_models_chances():
    """5 standard errors of a share in 4,000 draws are at most 0.04."""
    logits = np.log([0.5, 0.3, 0.15, 0.05])
    for temperature in (1.0, 0.5, 2.0):
        chances = np.exp(logits / temperature)
        chances /= chances.sum()
        found = drawn(logits, temperature=temperature)
        np.testing.assert_allclose(found, chances, atol=0.04)


def test_top_k_and_top_p_leave_the_largest():
    logits = np.log([0.05, 0.5, 0.15, 0.3])
    cases = [
        ({"top_k": 2}, [0, 0.625, 0, 0.375]),
        ({"top_k": 9}, [0.05, 0.5, 0.15, 0.3]),
        ({"top_p": 0.4}, [0, 1, 0, 0]),
        ({"top_p": 0.6}, [0, 0.625, 0, 0.375]),
        ({"top_p": 0.9}, [0, 0.5 / 0.95, 0.15 / 0.95, 0.3 / 0.95]),
        ({"top_k": 3, "top_p": 0.5}, [0, 1, 0, 0]),  # 0.5 / 0.95 is more than half
    ]
    for settings, chances in cases:
        found = drawn(logits, temperature=1.0, **settings)
        np.testing.assert_allclose(found, chances, atol=0.04, err_msg=str(settings))
        assert not found[np.array(chances) == 0].any(), settings


def test_a_seed_gives_the_same_text(model):
    told = [
        "".join(model.generate("Once", max_tokens=6, temperature=1.0, seed=seed))
        for seed in (3, 3, 4)
    ]
    assert told[0] == told[1] != told[2]


def test_texts_side_by_side_are_the_texts_one_by_one(model):
    """Prompts of 4 to 40 tokens, padded; one ends early, and draws have their seeds."""
    prompts = [
        "The capital of France is",
        model.chat("Say only: yes."),
        "Once upon a time there was a small boat that could not",
    ]
    for settings in ({}, {"temperature": 1.0, "top_k": 20}):
        alone = [
            "".join(model.generate(prompt, max_tokens=12, seed=i, **settings))
            for i, prompt in enumerate(prompts)
        ]
        assert model.complete(prompts, max_tokens=12, **settings) == alone
    assert len(model.tokenizer.encode(alone[1])) < 12


@pytest.mark.parametrize("prompts", ["one text", [], ["a", ""]])
def test_only_a_list_of_texts_is_completed(model, prompts):
    with pytest.raises(ValueError, match="prompt"):
        model.complete(prompts, max_tokens=1)


def test_side_by_side_ends_with_the_context(model):
    small = model._replace(config=model.config._replace(context=8))
    texts = small.complete(["a b c d e", "a b c"], max_tokens=60)
    assert [len(model.tokenizer.encode(text)) for text in texts] == [3, 3]


def test_it_ends_where_the_model_ends(model):
    """A short answer: less than was allowed, and the mark of the end is not told."""
    pieces = list(model.generate(model.chat("Say only: yes."), max_tokens=60))
    assert len(pieces) < 60
    assert "<|im_end|>" not in "".join(pieces)


# ---------------------------------------------------------------- bad input, files


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ([], "at least one"),
        (3, "at least one"),
        (["The"], "tokenizer.encode"),
        ([0.5], "must be integers"),
        ([49152], "from 0 to 49151, got 49152"),
        ([-1], "from 0 to 49151, got -1"),
        ([5] * 8193, "trained for 8192 tokens, got 0 in the cache and 8193 more"),
    ],
)
def test_bad_tokens(model, numbers, message):
    with pytest.raises(ValueError, match=message):
        model.forward(numbers)


@pytest.mark.parametrize(
    "settings",
    [
        {"temperature": -1},
        {"temperature": float("nan")},
        {"top_k": 0},
        {"top_k": 1.5},
        {"top_p": 0},
        {"top_p": 1.1},
        {"max_tokens": 0},
    ],
)
def test_bad_settings_are_named_at_once(model, settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        model.generate("The", **settings)


def test_a_changed_byte_is_refused(model, tmp_path):
    source = installed_folder(smollm.PACKAGE, "SmolLM2") / smollm.FILE
    data = bytearray(source.read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "model.gguf").write_bytes(data)
    with pytest.raises(ValueError, match=r"SHA-256 b179c952.*--force-reinstall"):
        load_smollm(tmp_path / "model.gguf")


def test_missing_weights_say_how_to_get_them(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match=r"-r requirements-model\.txt"):
        load_smollm(tmp_path / "model.gguf")
    monkeypatch.setattr(smollm, "PACKAGE", "no_such_package")
    with pytest.raises(FileNotFoundError, match=r"SmolLM2 weights are not installed"):
        load_smollm()
