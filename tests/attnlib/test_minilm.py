"""MiniLM: against another implementation's numbers, torch's block, hand-made files.

The numbers in RECORDED were printed once by transformers 5.23.0 on torch 2.13.0 (CPU;
`AutoModel.from_pretrained(folder, attn_implementation="eager")`, its own tokenizer),
from the files whose SHA-256 attnlib.pretrained.minilm names. On ten texts, among them
accents, CJK, control signs and an empty one, tokens were equal, and the largest
difference was 4.5e-6 in a hidden state and 2.7e-6 in a weight.
"""

import json
import math
import os
import re

import numpy as np
import pytest

from attnlib.pretrained import load_minilm, minilm, smollm
from attnlib.pretrained.files import INSTALL, installed_folder
from course.paths import ROOT

SENTENCE = "The animal didn't cross the street because it was too tired."
ACCENTS = "Élodie’s naïve café — re-opened (unbelievably) in 2024; 3.5% cheaper!"
IT = 10
RECORDED = {
    "numbers": "101 1996 4111 2134 1005 1056 2892 1996 2395 2138 2009 2001 2205 5458 "
    "1012 102",
    "accents": "[CLS] el ##od ##ie ’ s naive cafe — re - opened ( un ##bel ##ie ##va "
    "##bly ) in 202 ##4 ; 3 . 5 % cheaper ! [SEP]",
    # hidden state (of "it", its first four features) before block 0, after 2, after 5
    "hidden": {
        0: [0.192638, 0.384016, 0.106465, 0.296719],
        3: [0.326698, 0.004231, 0.293146, 0.034791],
        6: [0.569597, 0.606721, 0.347491, 0.746175],
    },
    # weights from "it" to the first four tokens, by (block, head)
    "weights": {
        (0, 6): [0.1443609, 0.0209987, 0.2201759, 0.0526955],
        (3, 1): [0.1016097, 0.0442730, 0.6768480, 0.0036909],
        (5, 11): [0.1289794, 0.0185237, 0.6733292, 0.0039219],
    },
    "accents, last hidden, token 3": [0.213849, 0.127239, 0.184859, -0.116401],
    "accents, block 2, head 4, token 5": [0.9391392, 0.0065382, 0.0020604, 0.0085839],
}
# Two ways to sum in float32, 384 terms and six blocks: 4.5e-6 was the largest found.
CLOSE = {"rtol": 0, "atol": 1e-5}


@pytest.fixture(scope="module")
def model():
    """Load the weights; skip where they are missing, but fail on CI."""
    try:
        return load_minilm()
    except FileNotFoundError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def ran(model):
    """Run the note's sentence: (hidden, weights)."""
    return model.run(model.tokenize(SENTENCE))


# ---------------------------------------------------------------- recorded numbers


def test_tokens(model):
    tokens = model.tokenize(SENTENCE)
    numbers = [str(model.vocabulary[token]) for token in tokens]
    assert numbers == RECORDED["numbers"].split()
    assert model.tokenize(ACCENTS) == RECORDED["accents"].split()


@pytest.mark.parametrize("layer", RECORDED["hidden"])
def test_hidden_states(ran, layer):
    expected = RECORDED["hidden"][layer]
    np.testing.assert_allclose(ran[0][layer, IT, :4], expected, **CLOSE)


@pytest.mark.parametrize(("layer", "head"), RECORDED["weights"])
def test_weights(ran, layer, head):
    expected = RECORDED["weights"][layer, head]
    np.testing.assert_allclose(ran[1][layer, head, IT, :4], expected, **CLOSE)


def test_accents(model):
    hidden, weights = model.run(model.tokenize(ACCENTS))
    expected = RECORDED["accents, last hidden, token 3"]
    np.testing.assert_allclose(hidden[6, 3, :4], expected, **CLOSE)
    expected = RECORDED["accents, block 2, head 4, token 5"]
    np.testing.assert_allclose(weights[2, 4, 5, :4], expected, **CLOSE)


def test_shapes_and_types(ran):
    hidden, weights = ran
    assert hidden.shape == (7, 16, 384)
    assert weights.shape == (6, 12, 16, 16)
    assert hidden.dtype == weights.dtype == np.float32
    np.testing.assert_allclose(weights.sum(axis=-1), 1, atol=1e-5)


def test_a_batch_is_its_sentences(model, ran):
    """Several texts of one length at once: as one by one, to float32 rounding."""
    other = model.tokenize(SENTENCE.replace("tired", "wide"))
    hidden, weights = model.run([model.tokenize(SENTENCE), other])
    assert hidden.shape == (7, 2, 16, 384)
    assert weights.shape == (6, 2, 12, 16, 16)
    np.testing.assert_allclose(hidden[:, 0], ran[0], **CLOSE)
    np.testing.assert_allclose(hidden[:, 1], model.run(other)[0], **CLOSE)
    assert abs(hidden[6, 0] - hidden[6, 1]).max() > 0.1


def test_bad_tokens(model):
    with pytest.raises(ValueError, match="no token 'Animal'"):
        model.run(["[CLS]", "Animal", "[SEP]"])
    for tokens in ([], ["the"] * 513, "the", [1, 2], [["the"], ["the", "cat"]]):
        with pytest.raises(ValueError, match="must be 1 to 512 strings"):
            model.run(tokens)


# ---------------------------------------------------------------- files


def test_a_flipped_bit_is_refused(model, tmp_path):
    folder = installed_folder(minilm.PACKAGE, "MiniLM") / "model"
    (tmp_path / "vocab.txt").write_bytes((folder / "vocab.txt").read_bytes())
    data = bytearray((folder / "model.safetensors").read_bytes())
    (tmp_path / "model.safetensors").write_bytes(data)
    assert len(load_minilm(tmp_path).weights) == 103
    data[-1] ^= 1
    (tmp_path / "model.safetensors").write_bytes(data)
    with pytest.raises(ValueError, match=r"model.safetensors must have the SHA-256"):
        load_minilm(tmp_path)


def test_an_exchanged_vocabulary_is_refused(model, tmp_path):
    folder = installed_folder(minilm.PACKAGE, "MiniLM") / "model"
    weights = (folder / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(weights)
    text = (folder / "vocab.txt").read_text(encoding="utf-8")
    (tmp_path / "vocab.txt").write_text(text.replace("\ncat\n", "\nkat\n"), "utf-8")
    with pytest.raises(ValueError, match=r"vocab.txt must have the SHA-256"):
        load_minilm(tmp_path)


def test_a_wrong_file_is_refused(tmp_path):
    """The same where the weights are not installed."""
    (tmp_path / "model.safetensors").write_bytes(b"half a download")
    with pytest.raises(ValueError, match=r"SHA-256 53aa5117.*--force-reinstall"):
        load_minilm(tmp_path)


def test_missing_weights_say_how_to_get_them(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match=r"-r requirements-model\.txt"):
        load_minilm(tmp_path)
    monkeypatch.setattr(minilm, "PACKAGE", "no_such_package")
    with pytest.raises(FileNotFoundError, match=r"-r requirements-model\.txt") as info:
        load_minilm()
    assert not re.search(r"https?:|\w\.(com|org|co|io)\b", str(info.value))


def test_the_requirements_pin_the_wheels():
    text = (ROOT / "requirements-model.txt").read_text(encoding="utf-8")
    wanted = [line for line in text.splitlines() if not line.startswith("#")]
    for package, version in ((minilm.PACKAGE, "0.1.0"), (smollm.PACKAGE, "0.1.2")):
        place = wanted.index(f"{package.replace('_', '-')}=={version} " + chr(92))
        assert re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}", wanted[place + 1])
    assert len(wanted) == 4
    assert INSTALL in text


def test_read_safetensors():
    """A file made by hand: two arrays of float32, one of another type."""
    header = {
        "__metadata__": {"format": "pt"},
        "b": {"dtype": "F32", "shape": [3], "data_offsets": [8, 20]},
        "a": {"dtype": "F32", "shape": [2, 1], "data_offsets": [0, 8]},
        "n": {"dtype": "I64", "shape": [1], "data_offsets": [20, 28]},
    }
    text = json.dumps(header).encode()
    body = np.array([1, 2, 3, 4, 5], "<f4").tobytes() + bytes(8)
    arrays = minilm.read_safetensors(len(text).to_bytes(8, "little") + text + body)
    assert {name: x.tolist() for name, x in arrays.items()} == {
        "b": [3, 4, 5],
        "a": [[1], [2]],
    }


# ---------------------------------------------------------------- pieces, no weights


def test_wordpiece_takes_the_longest_piece():
    known = ["[UNK]", "un", "##a", "##able", "##ab", "a", "b", "!"]
    vocabulary = {token: number for number, token in enumerate(known)}
    cases = {
        "unable": ["un", "##able"],
        "una": ["un", "##a"],
        "UN!a": ["un", "!", "a"],
        "unx": ["[UNK]"],
        "á\u0301 \tb\u200b": ["a", "b"],
        "a" * 101: ["[UNK]"],
        "": [],
    }
    for text, pieces in cases.items():
        assert minilm.tokenize(text, vocabulary) == ["[CLS]", *pieces, "[SEP]"]


def test_erf():
    """Against the standard library, to the error that its source promises."""
    x = np.linspace(-6, 6, 997)
    exact = np.array([math.erf(value) for value in x])
    np.testing.assert_allclose(minilm.erf(x), exact, rtol=0, atol=1.6e-7)


def test_block_against_torch():
    """torch's TransformerEncoderLayer with the same random weights."""
    torch = pytest.importorskip("torch")
    D, F, L = 24, 40, 5
    torch.manual_seed(0)
    layer = torch.nn.TransformerEncoderLayer(
        D, minilm.HEADS, F, dropout=0.0, activation="gelu", batch_first=True
    ).double()
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    layer.norm1.eps = layer.norm2.eps = minilm.EPSILON
    state = {name: x.detach().numpy() for name, x in layer.state_dict().items()}
    weights = {}
    for kind in ("weight", "bias"):
        thirds = np.split(state[f"self_attn.in_proj_{kind}"], 3)
        for role, third in zip(("query", "key", "value"), thirds, strict=True):
            weights[f"b.attention.self.{role}.{kind}"] = third
        for ours, theirs in {
            "attention.output.dense": "self_attn.out_proj",
            "attention.output.LayerNorm": "norm1",
            "intermediate.dense": "linear1",
            "output.dense": "linear2",
            "output.LayerNorm": "norm2",
        }.items():
            weights[f"b.{ours}.{kind}"] = state[f"{theirs}.{kind}"]
    x = torch.randn(2, L, D, dtype=torch.float64)
    expected = layer(x).detach().numpy()
    found, maps = minilm.block(x.numpy(), weights, "b.")
    assert maps.shape == (2, minilm.HEADS, L, L)
    # erf is good to 1.5e-7; weights of 0.5 and two norms enlarge it somewhat.
    np.testing.assert_allclose(found, expected, rtol=0, atol=5e-6)
