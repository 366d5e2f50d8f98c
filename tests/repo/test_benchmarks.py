"""The benchmarks: that they measure what they say. No time decides a test."""

import dataclasses
import importlib.util
import json
import time

import numpy as np
import pytest

from attnlib import rotary_embedding
from benchmarks import __main__ as command
from benchmarks import attention, cases, floor, language_model, measure, page
from benchmarks.candidates import CANDIDATES, LeftOut, stores_scores
from course import timings
from tests.attnlib import oracles

SIZES = [
    cases.prefill(2, 24, 8),
    cases.prefill(1, 17, 4, causal=True),
    cases.Case(3, 1, 19, 4),
]
PEERS = {
    "einops style": "einops",
    "x-transformers": "x_transformers",
    "JAX (jit)": "jax",
    "ONNX Runtime": "onnxruntime",
}


def absent(module):
    """Say whether a candidate needs a library that is not here."""
    return module is not None and importlib.util.find_spec(module) is None


@pytest.mark.parametrize("case", SIZES, ids=attention.label)
@pytest.mark.parametrize("name", CANDIDATES)
def test_every_candidate_computes_attention(name, case):
    """What is timed is attention, to float32; a peer that is absent says so."""
    query, key, value = case.data()
    if absent(PEERS.get(name)):
        with pytest.raises(LeftOut, match="is not installed"):
            CANDIDATES[name](case, query, key, value)
        return
    output = np.asarray(CANDIDATES[name](case, query, key, value)())
    mask = np.tri(case.L, case.S, dtype=bool) if case.causal else None
    expected = oracles.attention(*(x.astype(float) for x in (query, key, value)), mask)
    np.testing.assert_allclose(output, expected, rtol=1e-4, atol=1e-5)


def test_halves_turn_as_pairs_did():
    """transformers pairs features (i, i + E/2), the file of the weights neighbours."""
    rng = np.random.default_rng(0)
    W_Q, W_K = rng.standard_normal((2, 6, 5))  # one head, E = 6
    x = rng.standard_normal((4, 5))

    def scores(query, key, interleaved):
        turned = (
            rotary_embedding(x @ w.T, interleaved=interleaved) for w in (query, key)
        )
        query, key = turned
        return query @ key.T

    expected = scores(W_Q, W_K, True)
    halves = [language_model.halves(w, 6) for w in (W_Q, W_K)]
    np.testing.assert_allclose(scores(*halves, False), expected, atol=1e-12)
    assert abs(scores(W_Q, W_K, False) - expected).max() > 0.1


def test_the_cases_count_their_pairs():
    assert cases.prefill(2, 3, 4).pairs == 18
    assert cases.prefill(2, 3, 4, causal=True).pairs == 12
    assert cases.Case(2, 1, 5, 4).pairs == 10
    assert cases.prefill(1, 2, 8).flops == 4 * 4 * 8


def test_the_floor_meets_every_tile_once(monkeypatch):
    monkeypatch.setattr(floor.numpy_kernel, "ROWS", 4)
    monkeypatch.setattr(floor.numpy_kernel, "KEYS", 8)
    assert len(floor.tiles(cases.prefill(2, 16, 4))) == 2 * 4 * 2
    seen = floor.tiles(cases.prefill(1, 16, 4, causal=True))
    corners = [(head, rows.start, keys.start) for head, rows, keys in seen]
    expected = [(0, 0), (4, 0), (8, 0), (8, 8), (12, 0), (12, 8)]
    assert corners == [(0, *corner) for corner in expected]


def test_the_floor_leaves_out_rows_above_the_diagonal(monkeypatch):
    monkeypatch.setattr(floor.numpy_kernel, "ROWS", 8)
    monkeypatch.setattr(floor.numpy_kernel, "KEYS", 4)
    seen = floor.tiles(cases.prefill(1, 16, 4, causal=True))
    assert [(rows.start, keys.start) for _, rows, keys in seen] == [
        *[(0, 0), (4, 4)],
        *[(8, 0), (8, 4), (8, 8), (12, 12)],
    ]


def test_the_floor_multiplies_and_exponentiates(monkeypatch):
    """The products and the exp are really done: counted, on every thread."""
    calls = []

    def counted(name, function):
        def call(*args, **how):
            calls.append(name)
            return function(*args, **how)

        return call

    monkeypatch.setattr(floor.np, "matmul", counted("matmul", np.matmul))
    exp = counted("exp", np.exp)
    monkeypatch.setattr(floor.numpy_kernel, "exponential", lambda: (exp, 1.0))
    case = cases.prefill(2, 300, 8)
    floor.floor(case, *case.data())()
    tiles = len(floor.tiles(case))
    assert calls.count("matmul") == 2 * tiles
    assert calls.count("exp") == tiles


def test_scores_that_do_not_fit_are_left_out():
    guarded = stores_scores(lambda *_: "runs")
    assert guarded(cases.prefill(1, 16, 64), None, None, None) == "runs"
    with pytest.raises(LeftOut, match="need 8 GiB"):
        guarded(cases.prefill(8, 16384, 64), None, None, None)


def test_times_are_taken_in_turns(monkeypatch):
    """Every call is made equally often, and the order goes round."""
    monkeypatch.setattr(measure, "ROW", 0)
    made = []
    calls = {name: lambda name=name: made.append(name) for name in "abc"}
    found = measure.in_turns(calls, seconds=0)
    rounds = found["a"].rounds
    assert {times.rounds for times in found.values()} == {rounds}
    assert {made.count(name) for name in "abc"} == {rounds + 3}
    assert "".join(made[9:18]) == "abcbcacab"


def test_times_are_those_of_the_clock(monkeypatch):
    ticks = iter([0.0, 1.0, 10.0, 13.0])
    monkeypatch.setattr(time, "perf_counter", lambda: next(ticks))
    assert measure.time_row(lambda: None, 1) == 1
    assert measure.time_row(lambda: None, 1) == 3
    found = measure.Times.of([4.0, 1.0, 2.0, 3.0, 5.0])
    assert (found.low, found.median, found.high, found.rounds) == (2, 3, 4, 5)


def test_short_calls_are_timed_by_the_row(monkeypatch):
    """The mean of a row without its first call; a long call stands alone."""
    clock = [0.0]
    costs = {"short": iter([9.0, 0.011] + [9.0, 0.01, 0.02, 0.03, 0.02, 0.02] * 4)}

    def short():
        clock[0] += next(costs["short"])

    def long():
        clock[0] += 1

    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])
    monkeypatch.setattr(measure, "PAUSE", 0)
    found = measure.in_turns({"short": short, "long": long}, seconds=0)
    assert (found["short"].rounds, found["long"].median) == (3, 1)
    assert found["short"].median == pytest.approx(0.02)  # the 9 of waking left out


def test_memory_is_counted():
    """The naive formula holds its scores; 64 MiB of them at n = 4096."""
    size = 4 * 4096**2
    naive = measure.peak_bytes("naive NumPy", [4096])[4096]
    fused = measure.peak_bytes("attnlib NumPy fused", [4096])[4096]
    assert naive >= 1.9 * size  # two matrices of scores at once
    assert fused < size


def results(of_torch, share):
    """Recorded results of one run in which our kernel has these ratios."""
    rows = []
    for case, _ in cases.WANTED:
        about = dataclasses.asdict(case) | {"kind": case.kind}
        times = {"median": 1.0, "of_torch": of_torch, "share_of_floor": share}
        rows.append(about | {"candidate": attention.OURS} | times)
    return rows


def test_what_falls_short_is_found():
    found = attention.wishes([results(0.95, 0.95), results(0.85, 0.95)])
    assert len(found) == 2 * len(cases.WANTED)
    short = attention.print_wishes(found)
    least = [f"{attention.label(c)}: of torch's kernel" for c, w in cases.WANTED]
    assert short == [least[0], *least[1:]][1:]  # 0.85 is enough at n = 1024


def test_strict_exits_with_one_where_something_falls_short(tmp_path, monkeypatch):
    monkeypatch.setattr(cases, "CORE", [cases.prefill(8, 1024, 64)])
    monkeypatch.setattr(attention, "time_case", lambda *_: results(0.1, 0.1))
    options = ["--no-memory", "--output", str(tmp_path / "x.json")]
    assert attention.main(options) == 0
    assert attention.main([*options, "--strict"]) == 1
    recorded = json.loads((tmp_path / "x.json").read_text(encoding="utf-8"))
    assert recorded["hardware"]["cores"] >= 1
    assert recorded["versions"]["numpy"] == np.__version__


def test_a_wrong_candidate_is_an_error():
    case = cases.prefill(1, 8, 4)
    wrong = {"right": CANDIDATES["naive NumPy"], "wrong": lambda *_: lambda: 0 * case.d}
    with pytest.raises(RuntimeError, match="do not agree"):
        attention.prepare(case, wrong)


def test_the_gpu_part_runs_without_one(tmp_path, capsys):
    gpu = pytest.importorskip("benchmarks.gpu")
    output = tmp_path / "gpu.json"
    if not gpu.torch.cuda.is_available():
        assert gpu.main(["--output", str(output)]) == 0
        assert "No GPU" in capsys.readouterr().out
        assert not output.exists()
    device = gpu.torch.device("cpu")
    row = gpu.prefill_row(32, True, 1e9, device)
    assert row["flops_per_second"] * row["seconds"] == pytest.approx(
        4 * gpu.HEADS * gpu.E * 32 * 33 / 2
    )
    assert gpu.decode_row(16, 1e9, device, batch=1)["bytes_per_second"] > 0


def test_a_page_weighs_what_it_loads(tmp_path):
    (tmp_path / "page.html").write_text(
        '<link rel="stylesheet" href="a.css?v=1"><link rel="next" href="b.html">'
        '<script src="c.js"></script><img src="d.png">'
    )
    for name, size in (("a.css", 10), ("b.html", 999), ("c.js", 20), ("d.png", 30)):
        (tmp_path / name).write_bytes(bytes(range(size % 256)))
    html = timings.sent_bytes(tmp_path / "page.html")
    assert timings.weight(tmp_path / "page.html") == html + 10 + 20 + 30
    (tmp_path / "c.js").write_bytes(b"a" * 10_000)
    assert timings.weight(tmp_path / "page.html") < html + 10 + 200 + 30


def test_every_size_is_shown_where_it_was_recorded():
    assert page.every_size(None) == ""
    shown = page.every_size(page.read("attention"))
    assert shown.startswith("## At every size\n")
    (row,) = (x for x in shown.splitlines() if x.startswith("| 8 heads, d = 64 |"))
    assert row.count("(") >= 3  # the sizes that are measured without --full as well
    assert row.count("–") >= 1


def test_the_page_is_that_of_the_results():
    """chapters/benchmarks.md says what benchmarks/results hold, and nothing else."""
    assert page.main(["--check"]) == 0


def test_a_changed_page_is_found(tmp_path, monkeypatch):
    changed = tmp_path / "benchmarks.md"
    changed.write_text(page.text().replace("Measured on", "Typed on"), encoding="utf-8")
    monkeypatch.setattr(page, "PAGE", changed)
    assert page.main(["--check"]) == 1


def test_an_unknown_part_is_refused():
    with pytest.raises(SystemExit, match="no part 'speed'"):
        command.main(["speed"])
