"""Attention beside its peers: every candidate on every case, in turns, with the floor.

python -m benchmarks attention [--full] [--runs N] [--strict] [--only WORD]
"""

import argparse
import dataclasses
import datetime
import itertools
import json
import pathlib
import statistics
import subprocess
import sys

import numpy as np
from tqdm import tqdm

from benchmarks import cases, measure
from benchmarks.candidates import CANDIDATES, LeftOut, threads
from benchmarks.floor import floor
from course.paths import ROOT

RESULTS = ROOT / "benchmarks" / "results"
OURS, PEER, FLOOR = "attnlib NumPy fused", "torch SDPA", "floor"
MEMORY_LENGTHS = (1024, 4096, 16384)


def prepare(case, candidates):
    """Return (name → call, name → why it is left out); a wrong result is an error."""
    data = case.data()
    calls, left_out, outputs = {}, {}, {}
    for name, candidate in candidates.items():
        try:
            calls[name] = candidate(case, *data)
            outputs[name] = np.asarray(calls[name]())
        except LeftOut as reason:
            left_out[name] = str(reason)
    for (name, one), (other, two) in itertools.pairwise(outputs.items()):
        # float32, sums of up to 16384 terms in another order
        if not np.allclose(one, two, rtol=1e-3, atol=1e-4):
            raise RuntimeError(f"{name} and {other} do not agree on {case}")
    calls[FLOOR] = floor(case, *data)
    return calls, left_out


def time_case(case, candidates, seconds):
    """Return the rows of one case: a dict for each candidate, timed or left out."""
    calls, left_out = prepare(case, candidates)
    times = measure.in_turns(calls, seconds)
    about = dataclasses.asdict(case) | {"kind": case.kind}
    rows = [
        about
        | {"candidate": name}
        | dataclasses.asdict(found)
        | {"gflops": case.flops / found.median / 1e9}
        | {"share_of_floor": times[FLOOR].median / found.median}
        | ({"of_torch": times[PEER].median / found.median} if PEER in times else {})
        for name, found in times.items()
    ]
    return rows + [
        about | {"candidate": name, "left_out": why} for name, why in left_out.items()
    ]


def measure_memory(candidates):
    """Return rows of peak extra bytes, one head, d = 64."""
    rows = []
    for name in tqdm(candidates, desc="memory", unit="candidate"):
        for n in MEMORY_LENGTHS:
            try:
                found = measure.peak_bytes(name, [n])[n]
                rows.append({"candidate": name, "n": n, "bytes": found})
            except RuntimeError as reason:
                rows.append({"candidate": name, "n": n, "left_out": str(reason)})
    return rows


def commit():
    """Return the commit that was measured, marked where files had changed."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--exclude=*"]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.stdout.strip() or None


def wishes(runs):
    """Return (what is wanted, least or most, found in each run, met) for each wish."""
    found = {}
    for rows in runs:
        by = {(r["candidate"], key(r)): r for r in rows if "median" in r}
        for case, least in cases.WANTED:
            row = by.get((OURS, key(dataclasses.asdict(case))))
            if row and "of_torch" in row:
                wish = (f"{label(case)}: of torch's kernel", ">=", least)
                found.setdefault(wish, []).append(row["of_torch"])
            if row:
                wish = (f"{label(case)}: of the floor", ">=", cases.SHARE_OF_FLOOR)
                found.setdefault(wish, []).append(row["share_of_floor"])
        for case in cases.SMALL:
            spot = key(dataclasses.asdict(case))
            ours, plain = (
                by.get((OURS, spot)),
                by.get(("attnlib NumPy reference", spot)),
            )
            if ours and plain:
                wish = (f"{label(case)}: of reference's time", "<=", cases.SMALL_MOST)
                found.setdefault(wish, []).append(ours["median"] / plain["median"])
    return [
        (what, relation, bound, values, all(meets(v, relation, bound) for v in values))
        for (what, relation, bound), values in found.items()
    ]


def meets(value, relation, bound):
    """Say whether a figure is as wanted."""
    return value >= bound if relation == ">=" else value <= bound


def key(row):
    """Return what names a case in a row."""
    return tuple(row[name] for name in ("heads", "L", "S", "d", "causal"))


def label(case):
    """Return a case in words."""
    heads = "1 head" if case.heads == 1 else f"{case.heads} heads"
    words = [heads, f"n = {case.S}", f"d = {case.d}"]
    if case.causal:
        words.append("causal")
    if case.L == 1:
        words.append("one new token")
    return ", ".join(words)


def print_wishes(found):
    """Print what was wanted and what came, run by run; return what falls short."""
    print(f"\n{'wanted':48s}{'':>9s}   measured, run by run")
    for what, relation, bound, values, met in found:
        shown = "  ".join(f"{value:.2f}" for value in values)
        print(f"{what:48s}{relation:>4s} {bound:.2f}   {shown}{'' if met else '   ✗'}")
    return [what for what, *_, met in found if not met]


def run(options):
    """Measure, record and print; return the exit status."""
    chosen = {
        name: candidate
        for name, candidate in CANDIDATES.items()
        if not options.only or any(word in name for word in options.only)
    }
    sizes = cases.FULL if options.full else cases.CORE
    memory = measure_memory(chosen) if options.memory else []
    runs = []
    for number in range(options.runs):
        rows = []
        bar = tqdm(sizes, desc=f"run {number + 1} of {options.runs}", unit="case")
        for case in bar:
            bar.set_postfix_str(label(case))
            rows += time_case(case, chosen, options.seconds)
        runs.append(rows)
        record(options, memory, runs)  # what stands is kept if a later run breaks off
    for name, why in sorted(
        {(r["candidate"], r["left_out"]) for r in runs[0] if "left_out" in r}
    ):
        print(f"left out: {name}: {why}")
    short = print_wishes(wishes(runs))
    print(f"\nrecorded in {options.output}")
    if short:
        print(f"\n{len(short)} of the figures above fall short (✗)")
    return int(bool(short) and options.strict)


def record(options, memory, runs):
    """Write the results with their hardware, versions and date."""
    results = {
        "date": datetime.date.today().isoformat(),
        "commit": commit(),
        "hardware": measure.hardware() | {"threads": threads()},
        "versions": measure.versions(),
        "runs": runs,
        "memory": memory,
    }
    options.output.parent.mkdir(parents=True, exist_ok=True)
    part = options.output.with_suffix(".part")
    part.write_text(json.dumps(rounded(results), indent=1) + "\n", encoding="utf-8")
    part.replace(options.output)


def rounded(x):
    """Return the results with four digits to each number: more is noise."""
    if isinstance(x, dict):
        return {name: rounded(value) for name, value in x.items()}
    if isinstance(x, list):
        return [rounded(value) for value in x]
    return float(f"{x:.4g}") if isinstance(x, float) else x


def median_row(runs, candidate, case):
    """Return medians over the runs of a candidate's figures for a case, or None."""
    spot = key(dataclasses.asdict(case))
    rows = [
        row
        for rows in runs
        for row in rows
        if row["candidate"] == candidate and key(row) == spot and "median" in row
    ]
    if not rows:
        return None
    names = [
        n for n in ("median", "of_torch", "share_of_floor", "gflops") if n in rows[0]
    ]
    return {name: statistics.median(row[name] for row in rows) for name in names}


def main(arguments):
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks attention")
    parser.add_argument("--full", action="store_true", help="every size, not the core")
    parser.add_argument("--runs", type=int, default=1, help="how often (default: 1)")
    parser.add_argument("--seconds", type=float, default=2.0, help="per case")
    parser.add_argument("--only", nargs="*", help="candidates whose name has a word")
    parser.add_argument("--no-memory", dest="memory", action="store_false")
    parser.add_argument(
        "--strict", action="store_true", help="exit 1 if one falls short"
    )
    parser.add_argument("--output", type=pathlib.Path)
    options = parser.parse_args(arguments)
    if options.output is None:
        options.output = RESULTS / ("full.json" if options.full else "attention.json")
    return run(options)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
