"""A GPU: the kernel taken, FLOP/s against matrix products, memory, decoding.

python -m benchmarks gpu [--device cuda] [--lengths n ...] [--output FILE]

Without a GPU it says so and measures nothing. The core tests run on it by themselves:
`python -m pytest tests` takes torch:cuda in wherever torch sees a CUDA device.
"""

import argparse
import datetime
import json
import pathlib
import statistics
import sys
import time

import torch
from tqdm import tqdm

import attnlib
from benchmarks.attention import commit, rounded
from benchmarks.measure import versions
from course.paths import ROOT

RESULTS = ROOT / "benchmarks" / "results" / "gpu.json"
LENGTHS = [2**k for k in range(10, 17)]  # 1k to 64k
HEADS, E = 16, 128
LARGEST = 16 * 2**30  # bytes of scores that the reference may store


def seconds(call, device, rounds=10):
    """Return the median seconds of a call, after three warm-up calls.

    On CUDA by events of the device, each call waited for.
    """
    for _ in range(3):
        call()
    found = []
    for _ in range(rounds):
        if device.type == "cuda":
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            start.record()
            call()
            end.record()
            end.synchronize()
            found.append(start.elapsed_time(end) / 1e3)
        else:
            began = time.perf_counter()
            call()
            found.append(time.perf_counter() - began)
    return statistics.median(found)


def product_rate(device, n=8192):
    """Return the FLOP/s of a matrix product of n x n in bfloat16."""
    a = torch.randn(n, n, device=device, dtype=torch.bfloat16)
    return 2 * n**3 / seconds(lambda: a @ a, device)


def copy_rate(device, size=2**30):
    """Return bytes per second read and written by a copy on the device."""
    a = torch.empty(size, device=device, dtype=torch.uint8)
    b = torch.empty_like(a)
    return 2 * size / seconds(lambda: b.copy_(a), device)


def inputs(L, S, heads, device):
    """Return query, key, value in bfloat16."""
    draw = torch.Generator(device=device).manual_seed(0)
    return tuple(
        torch.randn(1, heads, n, E, device=device, dtype=torch.bfloat16, generator=draw)
        for n in (L, S, S)
    )


def kernels(call):
    """Return the names of the device kernels that a call starts, the longest first."""
    activities = [torch.profiler.ProfilerActivity.CUDA]
    with torch.profiler.profile(activities=activities) as seen:
        call()
        torch.cuda.synchronize()
    events = sorted(seen.key_averages(), key=lambda e: -e.device_time_total)
    return [event.key for event in events if event.device_time_total]


def peak_bytes(call, device):
    """Return the peak extra bytes of a call on a CUDA device; None elsewhere."""
    if device.type != "cuda":
        return None
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    call()
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated() - before


def prefill_row(n, causal, rate, device):
    """Measure attention of n tokens by `fused`, and by `reference` where it fits."""
    query, key, value = inputs(n, n, HEADS, device)

    def call(name):
        return lambda: attnlib.scaled_dot_product_attention(
            query, key, value, is_causal=causal, implementation=name
        )

    pairs = n * (n + 1) // 2 if causal else n * n
    took = seconds(call("fused"), device)
    row = {
        "n": n,
        "causal": causal,
        "seconds": took,
        "flops_per_second": 4 * HEADS * pairs * E / took,
        "share_of_products": 4 * HEADS * pairs * E / took / rate,
        "fused_bytes": peak_bytes(call("fused"), device),
        "reference_bytes": None,
    }
    if 3 * 4 * HEADS * n * n <= LARGEST:
        row["reference_bytes"] = peak_bytes(call("reference"), device)
    if device.type == "cuda":
        row["kernels"] = kernels(call("fused"))[:3]
    return row


def decode_row(n, rate, device, batch=8):
    """Measure one new token against n stored ones: bytes of the cache per second."""
    query, key, value = inputs(1, n, HEADS * batch, device)
    took = seconds(
        lambda: attnlib.scaled_dot_product_attention(query, key, value), device
    )
    moved = 2 * key.numel() * key.element_size()
    return {
        "n": n,
        "seconds": took,
        "bytes_per_second": moved / took,
        "share_of_copy": moved / took / rate,
    }


def measure_all(device, lengths):
    """Return everything as a dict; a progress bar tells how far it is."""
    products, copies = product_rate(device), copy_rate(device)
    bar = tqdm([(n, causal) for n in lengths for causal in (False, True)], unit="case")
    return {
        "date": datetime.date.today().isoformat(),
        "commit": commit(),
        "hardware": {
            "device": torch.cuda.get_device_name()
            if device.type == "cuda"
            else str(device)
        },
        "versions": versions() | {"cuda": torch.version.cuda},
        "dtype": "bfloat16",
        "heads": HEADS,
        "E": E,
        "products_flops_per_second": products,
        "copy_bytes_per_second": copies,
        "prefill": [prefill_row(n, causal, products, device) for n, causal in bar],
        "decode": [decode_row(n, copies, device) for n in lengths],
    }


def main(arguments):
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks gpu")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--lengths", type=int, nargs="+", default=LENGTHS)
    parser.add_argument("--output", type=pathlib.Path, default=RESULTS)
    options = parser.parse_args(arguments)
    if options.device == "cuda" and not torch.cuda.is_available():
        print("No GPU: torch sees no CUDA device, and nothing was measured.")
        return 0
    found = measure_all(torch.device(options.device), options.lengths)
    text = json.dumps(rounded(found), indent=1) + "\n"
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(text, encoding="utf-8")
    print(f"recorded in {options.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
