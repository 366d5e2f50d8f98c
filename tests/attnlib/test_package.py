"""The package from outside: names, signatures, what an import loads, the wheel."""

import email
import importlib
import importlib.util
import inspect
import json
import os
import pathlib
import subprocess
import sys
import typing
import zipfile

import pytest

import attnlib
from attnlib import sdpa
from course.paths import ROOT

MASKED = "attn_mask=None, *, is_causal=False, scale=None, softcap=None"

# Typed from the specification of the project, not from the code.
SIGNATURES = {
    "softmax": "x, axis=-1",
    "attention_scores": "query, key, attn_mask=None, *, scale=None, softcap=None",
    "attention_weights": f"query, key, {MASKED}",
    "reference_attention": f"query, key, value, {MASKED}",
    "tiled_attention": f"query, key, value, {MASKED}, block_size=128",
    "fused_attention": f"query, key, value, {MASKED}",
    "scaled_dot_product_attention": (
        f"query, key, value, {MASKED}, enable_gqa=False, implementation=None"
    ),
    "OnlineSoftmax": "maximum, total, output",
    "absorb": "state, scores, value",
    "merge": "left, right",
    "causal_mask": "L, S=None, *, offset=0, like=None",
    "sliding_window_mask": ("L, S=None, *, left=None, right=None, offset=0, like=None"),
    "padding_mask": "lengths, S, *, like=None",
    "alibi_bias": "num_heads, L, S=None, *, offset=0, like=None",
    "combine_masks": "*masks",
    "split_heads": "x, num_heads",
    "merge_heads": "x",
    "MultiHeadParams": (
        "q_proj_weight, k_proj_weight, v_proj_weight, out_proj_weight, "
        "q_proj_bias=None, k_proj_bias=None, v_proj_bias=None, out_proj_bias=None"
    ),
    "multi_head_attention": (
        "query, key, value, params, *, num_heads, num_kv_heads=None, attn_mask=None, "
        "is_causal=False, implementation=None"
    ),
    "KVCache": "key, value",
    "sinusoidal_encoding": "L, E, *, offset=0, base=10000.0, like=None",
    "rotary_embedding": "x, *, offset=0, base=10000.0, interleaved=True",
    "RecurrentParams": "weight_ih, weight_hh, bias_ih, bias_hh",
    "rnn_cell": "x, h, params",
    "lstm_cell": "x, state, params",
    "rnn": "inputs, params, h=None",
    "lstm": "inputs, params, state=None",
    "Cost": "flops, bytes",
    "Device": "name, peak_flops, bandwidth",
    "attainable_seconds": "cost, device",
    "attention_cost": None,  # the specification leaves these four open
    "multi_head_cost": None,
    "lstm_cost": None,
    "kv_cache_bytes": None,
}
PLOT_SIGNATURES = {
    "plot_attention": (
        "weights, *, query_labels=None, key_labels=None, ax=None, **kwargs"
    ),
    "plot_heads": None,
    "plot_mask": None,
    "plot_roofline": None,
    "use_style": "",
}


def signature(function):
    """Return the parameters of a function as they are written, without annotations."""
    parameters = inspect.signature(function).parameters.values()
    bare = [p.replace(annotation=inspect.Parameter.empty) for p in parameters]
    return str(inspect.Signature(bare))[1:-1]


# ---------------------------------------------------------------- names


def test_public_names():
    """Exactly the names of the specification, each of them there."""
    assert sorted(attnlib.__all__) == sorted(SIGNATURES)
    assert all(hasattr(attnlib, name) for name in attnlib.__all__)


@pytest.mark.parametrize("name", [n for n, s in SIGNATURES.items() if s is not None])
def test_signatures(name):
    """The parameters, their order, kinds and defaults, against the typed table."""
    assert signature(getattr(attnlib, name)) == SIGNATURES[name]


@pytest.mark.parametrize("name", PLOT_SIGNATURES)
def test_plot_signatures(name):
    """The same for the figures."""
    pytest.importorskip("matplotlib")
    function = getattr(importlib.import_module("attnlib.plotting"), name)
    if PLOT_SIGNATURES[name] is not None:
        assert signature(function) == PLOT_SIGNATURES[name]
    assert name in dir(attnlib)


def test_methods_of_the_values():
    """The cache grows by append; both of its counts are properties."""
    assert signature(attnlib.KVCache.append) == "self, key, value"
    assert isinstance(attnlib.KVCache.length, property)
    assert isinstance(attnlib.KVCache.nbytes, property)
    assert isinstance(attnlib.Cost.intensity, property)


# ---------------------------------------------------------------- types


def public(room, names):
    """Return each of these functions and classes, and what the classes define."""
    found = {}
    for name in names:
        found[f"{room}.{name}"] = value = getattr(importlib.import_module(room), name)
        if inspect.isclass(value):
            found |= {f"{room}.{name}.{k}": x for k, x in own_methods(value)}
    return found


def own_methods(cls):
    """Yield name and function of what a class's body defines for users."""
    for name, x in vars(cls).items():
        function = x.fget if isinstance(x, property) else x
        special = name in ("__init__", "__add__")
        if inspect.isfunction(function) and (special or not name.startswith("_")):
            yield name, function


TYPED = {
    "attnlib": attnlib.__all__,
    "attnlib.exercises": ["check", "check_all", "checker", "get", "names"],
    "attnlib.plotting": list(PLOT_SIGNATURES),
    "attnlib.nn": ["MultiHeadAttention"],
    "attnlib.ring": ["ring_attention"],
}
NEEDS = {
    "attnlib.plotting": "matplotlib",
    "attnlib.nn": "torch",
    "attnlib.ring": "torch",
}


@pytest.mark.parametrize("room", TYPED)
def test_every_parameter_and_result_has_a_type(room):
    """Functions, classes, and the methods and properties of those."""
    if room in NEEDS:
        pytest.importorskip(NEEDS[room])
    for name, value in public(room, TYPED[room]).items():
        hints = typing.get_type_hints(value)
        if inspect.isclass(value):
            assert set(getattr(value, "_fields", ())) <= set(hints), name
        else:
            parameters = set(inspect.signature(value).parameters) - {"self"}
            assert parameters | {"return"} == set(hints), name


def test_implementations_have_the_names_that_their_type_lists():
    """The dictionary that is looked in, and the type that an editor offers."""
    assert typing.get_args(sdpa.Implementation) == tuple(sdpa.IMPLEMENTATIONS)


@pytest.mark.parametrize("name", attnlib.__all__)
def test_docstrings(name):
    """Every public name says what it is."""
    assert len(inspect.getdoc(getattr(attnlib, name)) or "") > 30


# ---------------------------------------------------------------- imports


def python(code, **environment):
    """Run code in a fresh interpreter; return what it printed, as JSON."""
    run = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=os.environ | environment,
        cwd=ROOT,
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


LOADED = """
import json, sys
import numpy
before = set(sys.modules)
import attnlib
print(json.dumps(sorted(set(sys.modules) - before)))
"""


def test_import_is_light():
    """Beyond NumPy: attnlib's own rooms, array-api-compat, and the standard library.

    Times differ from machine to machine, so what is counted is what gets loaded.
    """
    modules = python(LOADED)
    tops = {name.partition(".")[0] for name in modules}
    assert not tops & {"torch", "matplotlib", "ipywidgets", "anywidget", "scipy"}
    foreign = tops - set(sys.stdlib_module_names)
    assert foreign <= {"attnlib", "array_api_compat", "numpy"}
    own = {name for name in modules if name.startswith("attnlib.")}
    assert not own & {f"attnlib.{room}" for room in ("nn", "plotting", "ring")}
    assert len(modules) < 150


BLOCK = """
import importlib.abc, json, sys

class Blocked(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "matplotlib", "array_api_strict"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocked())
"""

WITHOUT_TORCH = (
    BLOCK
    + """
import numpy as np
import attnlib as a

try:
    import torch
except ModuleNotFoundError:
    pass
else:
    raise SystemExit("torch is not blocked")
rng = np.random.default_rng(0)
q, k, v = (rng.normal(size=(2, 3, 4)) for _ in range(3))
for implementation in [None, "reference", "tiled", "fused"]:
    how = {"implementation": implementation}
    out = a.scaled_dot_product_attention(q, k, v, a.causal_mask(3), **how)
    assert np.allclose(out, a.reference_attention(q, k, v, is_causal=True))
    a.scaled_dot_product_attention(q, k, v, enable_gqa=False, softcap=2.0, **how)
    a.scaled_dot_product_attention(q[:, :0], k[:, :0], v[:, :0], **how)
a.attention_weights(q, k, a.alibi_bias(2, 3))
a.combine_masks(a.padding_mask([1, 3], 3), a.sliding_window_mask(3, left=1))
w = [rng.normal(size=(4, 4)) for _ in range(4)]
a.multi_head_attention(q, k, v, a.MultiHeadParams(*w), num_heads=2)
a.merge_heads(a.split_heads(q, 2))
cache = a.KVCache(k, v).append(k, v)
assert cache.length == 6 and cache.nbytes > 0
a.rotary_embedding(q + a.sinusoidal_encoding(3, 4))
p = [rng.normal(size=s) for s in [(16, 4), (16, 4), (16,), (16,)]]
a.lstm(q, a.RecurrentParams(*p))
a.rnn(q, a.RecurrentParams(*(x[:4] for x in p)))
a.attainable_seconds(a.multi_head_cost(3, 3, 4, num_heads=2), a.Device("d", 1.0, 1.0))
try:
    a.scaled_dot_product_attention([[1.0]], q, v)
except TypeError as error:
    assert "query" in str(error)
try:
    import attnlib.nn
except ModuleNotFoundError as error:
    assert error.name == "torch"
else:
    raise SystemExit("attnlib.nn needs torch")
assert not any(m.partition(".")[0] in {"torch", "matplotlib"} for m in sys.modules)
print(json.dumps("whole"))
"""
)


def test_without_torch_and_matplotlib():
    """With both imports blocked, every NumPy function works."""
    assert python(WITHOUT_TORCH) == "whole"


def test_numpy_data_loads_no_torch():
    """Calls on NumPy arrays import torch in no corner, even where it is installed."""
    code = """
import json, sys
import numpy as np
import attnlib as a
x = np.zeros((2, 3, 4))
for name in [None, "reference", "tiled", "fused"]:
    a.scaled_dot_product_attention(x, x, x, implementation=name)
a.fused_attention(x, x, x, softcap=1.0)
print(json.dumps("torch" in sys.modules))
"""
    assert python(code) is False


# ---------------------------------------------------------------- the wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Build a wheel from a copy of the checkout, without network."""
    if importlib.util.find_spec("setuptools") is None:
        pytest.skip("setuptools, which builds the wheel, is not installed")
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in ["pyproject.toml", "README.md", "LICENSE"]:
        (source / name).write_bytes((ROOT / name).read_bytes())
    for path in (ROOT / "attnlib").rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            target = source / path.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    for decoy in ["tests", "chapters", "course"]:  # folders that must not come along
        (source / decoy).mkdir()
        (source / decoy / "decoy.py").write_text("")
    command = [sys.executable, "-m", "pip", "wheel", str(source), "-w", str(folder)]
    options = ["--no-deps", "--no-build-isolation", "--no-index", "-q"]
    run = subprocess.run([*command, *options], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    (path,) = folder.glob("attnlib-*.whl")
    return zipfile.ZipFile(path)


@pytest.mark.slow
def test_wheel_holds_the_package_and_nothing_else(wheel):
    """All rooms, the style sheet and the mark of types; no tests, no chapters."""
    names = {name for name in wheel.namelist() if ".dist-info/" not in name}
    expected = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "attnlib").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {"attnlib/attnlib.mplstyle", "attnlib/py.typed"} <= names
    assert names == expected


@pytest.mark.slow
def test_wheel_asks_for_numpy_and_array_api_compat_only(wheel):
    """Two requirements; torch, plot, widgets and all are extras."""
    (path,) = (n for n in wheel.namelist() if n.endswith(".dist-info/METADATA"))
    metadata = email.message_from_bytes(wheel.read(path))
    requirements = metadata.get_all("Requires-Dist")
    names = {r.split(">")[0].strip() for r in requirements if "extra ==" not in r}
    assert names == {"numpy", "array-api-compat"}
    assert set(metadata.get_all("Provides-Extra")) == {
        "torch",
        "plot",
        "widgets",
        "all",
    }
    assert metadata["Name"] == "attnlib"
    assert metadata["Version"] == attnlib.__version__


@pytest.mark.slow
def test_wheel_works_where_it_is_installed(wheel, tmp_path):
    """Unpacked elsewhere and imported from there, with its style sheet."""
    wheel.extractall(tmp_path)
    code = f"""
import json, sys
sys.path.insert(0, {str(tmp_path)!r})
import numpy as np
import attnlib
x = np.eye(2)
attnlib.scaled_dot_product_attention(x, x, x)
print(json.dumps(attnlib.__file__))
"""
    run = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=True,
    )
    assert pathlib.Path(json.loads(run.stdout)).is_relative_to(tmp_path)
