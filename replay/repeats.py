"""Run notebooks under different threads, hash seeds and instruction sets: replay.py.

What is compared is the stored text, so a difference from any run is a difference from
what the reader sees. A setting that has no effect on this machine is told.
"""

import json
import os
import subprocess
import sys

from replay import environments, runner

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
LEVELS = ("X86_V3", "X86_V4", "AVX512_ICL", "AVX512_SPR")  # NumPy's, from AVX2 up


def setting(threads, seed, blas=None, aten=None, mkl=None, numpy_off=()):
    """Environment variables of one run."""
    chosen = {name: str(threads) for name in THREADS} | {"PYTHONHASHSEED": str(seed)}
    more = {
        "OPENBLAS_CORETYPE": blas,
        "ATEN_CPU_CAPABILITY": aten,
        "MKL_CBWR": mkl,
        "ONEDNN_MAX_CPU_ISA": {"default": "SSE41", "avx2": "AVX2"}.get(aten),
        "NPY_DISABLE_CPU_FEATURES": " ".join(numpy_off),
    }
    return chosen | {name: value for name, value in more.items() if value}


SETTINGS = [
    setting(1, 0),  # what the machine has
    setting(4, 1, blas="Prescott", aten="default", mkl="COMPATIBLE", numpy_off=LEVELS),
    setting(2, 2, blas="Haswell", aten="avx2", mkl="AVX2", numpy_off=LEVELS[1:]),
    setting(1, 3, blas="Nehalem", aten="avx2", mkl="SSE4_2", numpy_off=LEVELS),
    setting(2, 4, blas="Sandybridge", aten="default", mkl="AVX", numpy_off=LEVELS[1:]),
]

PROBE = """\
import json
import threadpoolctl
import numpy
import torch
from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__
from replay import runner
numpy.ones((9, 9)) @ numpy.ones((9, 9))
pools = threadpoolctl.threadpool_info()
blas = next((p for p in pools if p["internal_api"] == "openblas"), {})
print(json.dumps({
    "OpenBLAS": f'{blas.get("architecture")}, {blas.get("num_threads")} threads',
    "NumPy": " ".join(n for n in __cpu_dispatch__ if __cpu_features__[n]) or "baseline",
    "torch": f"{torch.backends.cpu.get_cpu_capability()}, "
             f"{torch.get_num_threads()} threads",
}))
"""


def environment(chosen):
    """The process's own variables, with those of one run in place of its own."""
    cleared = {"PYTHONHASHSEED", "PYTHONPATH", *THREADS}
    kept = {k: v for k, v in os.environ.items() if k not in cleared}
    return kept | chosen


def probe(chosen):
    """Return what the libraries say that a setting comes to on this machine."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE],
        env=environment(chosen),
        capture_output=True,
        text=True,
    )
    if done.returncode:
        return {"failed": runner.last_line(done.stderr)}
    return json.loads(done.stdout)


def repeat(path, chosen, folder):
    """Run a notebook in its own folder; return the Run, and what differs."""
    stored = environments.read(path)
    done = runner.run(stored, path.name, sys.executable, folder, environment(chosen))
    return done, runner.differences(stored, done.nb)


def differing(path, number, chosen):
    """Run a notebook under one setting; print and return what is wrong with it."""
    name = path.relative_to(environments.ROOT)
    print(f"  {name} ...", end=" ", flush=True)
    done, found = repeat(path, chosen, path.parent)
    print(f"{sum(done.seconds):.0f} s", flush=True)
    lines = [f"run {number}: {name}: {fault}" for fault in done.faults]
    lines += [
        f"run {number}: {name}, cell [{cell}]\n    stored: {old}\n    now:    {new}"
        for cell, old, new in found
    ]
    for line in lines:
        print(f"    {line}", flush=True)
    return lines


def repeats(paths, runs):
    """Run every notebook under the settings of these numbers; return what differs."""
    found = []
    for number in runs:
        chosen = SETTINGS[number - 1]
        told = {k: v for k, v in chosen.items() if k not in THREADS}
        print(f"Run {number}: {chosen[THREADS[0]]} threads, {told}")
        print(f"  which comes to: {probe(chosen)}", flush=True)
        for path in paths:
            found += differing(path, number, chosen)
    print(f"\n{len(paths)} notebooks, {len(runs)} runs each: {len(found)} texts differ")
    return found
