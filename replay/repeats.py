"""The notebooks' numbers under other threads, hash seeds and instruction sets.

nbval compares every text with the stored one, so a difference from any run is a
difference from what the reader sees. A setting that has no effect here is told.
"""

import json
import os
import subprocess
import sys

from course.paths import ROOT

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
    return json.loads(done.stdout) if done.returncode == 0 else done.stderr


def replay(paths, options):
    """Run the notebooks under the settings that were chosen; return what failed."""
    found = []
    for number in options.runs:
        chosen = SETTINGS[number - 1]
        print(f"Run {number}: {chosen}\n  which comes to: {probe(chosen)}", flush=True)
        command = [sys.executable, "-m", "pytest", "--nbval", "--quiet", *paths]
        if subprocess.run(command, cwd=ROOT, env=environment(chosen)).returncode:
            found.append(f"run {number}: what nbval names above")
    return found
