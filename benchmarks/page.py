"""The page of the book, made from the recorded results: no figure of it is typed.

python -m benchmarks page [--check]    write chapters/benchmarks.md and its picture
"""

import argparse
import itertools
import json
import pathlib
import sys

from benchmarks import attention, cases
from benchmarks.candidates import CANDIDATES
from course.paths import ROOT, STATIC

RESULTS = ROOT / "benchmarks" / "results"
PAGE = ROOT / "chapters" / "benchmarks.md"
PICTURE = STATIC / "benchmarks.svg"
DRAWN = {
    "attnlib NumPy reference": ("o", "#777777"),
    "attnlib NumPy tiled": ("s", "#00775A"),
    "attnlib NumPy fused": ("^", "#5B4B9E"),
    "torch SDPA": ("D", "#0072B2"),
    "JAX (jit)": ("v", "#B34700"),
    "ONNX Runtime": ("x", "#333333"),
}


def read(name):
    """Return recorded results, or None where nothing was recorded."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def table(heads, rows):
    """Return a Markdown table; all columns but the first are numbers."""
    lines = [heads, ["---"] + ["---:"] * (len(heads) - 1), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def machine(results):
    """Return what was measured, with what, and when, in words."""
    hardware, versions = results["hardware"], results["versions"]
    words = ", ".join(f"{k.replace('_', ' ')}: {v}" for k, v in hardware.items())
    known = ", ".join(f"{name} {v}" for name, v in versions.items() if v)
    absent = ", ".join(name for name, v in versions.items() if not v)
    return (
        f"Measured on {results['date']} at commit `{results['commit']}`. {words}. "
        f"Versions: {known}." + (f" Not installed: {absent}." if absent else "")
    )


def wishes(results):
    """Return the table of what the kernel is wanted to reach, and reached."""
    rows = [
        (
            what,
            f"{'at least' if relation == '>=' else 'at most'} {bound:.2f}",
            ", ".join(f"{value:.2f}" for value in values),
            "yes" if met else "no",
        )
        for what, relation, bound, values, met in attention.wishes(results["runs"])
    ]
    return table(("Ratio", "Wanted", "Measured, run by run", "Met"), rows)


def duration(seconds):
    """Return seconds with three digits, in the unit that fits."""
    if seconds >= 1:
        return f"{seconds:.3g} s"
    return f"{seconds * 1e3:.3g} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.3g} µs"


def times(results):
    """Return the table of median times: candidates down, cases across."""
    sizes = [case for case, _ in cases.WANTED]
    rows = []
    for name in [*CANDIDATES, attention.FLOOR]:
        found = [attention.median_row(results["runs"], name, case) for case in sizes]
        if any(found):
            rows.append([name, *(duration(f["median"]) if f else "–" for f in found)])
    return table(("Candidate", *map(attention.label, sizes)), rows)


def decoding(results):
    """Return the table of times of one new token, where they were measured."""
    sizes, lengths = cases.DECODED, [case.S for case in cases.DECODED]
    rows = []
    for name in CANDIDATES:
        found = [attention.median_row(results["runs"], name, case) for case in sizes]
        if any(found):
            rows.append([name, *(duration(f["median"]) if f else "–" for f in found)])
    return table(("Candidate", *(f"n = {n}" for n in lengths)), rows)


EVERY_SIZE = """\
## At every size

The time of torch's kernel divided by that of `fused` on NumPy, and the share of the
floor in brackets; one run. A single query takes the equation, which needs no tiles:
there the floor is no bound.
"""


def every_size(results):
    """Return the section of ratios at every size, where `--full` was recorded.

    Kinds of calls down, n across.
    """
    if results is None:
        return ""
    by = {
        (row["heads"], row["d"], row["causal"], row["kind"], row["S"]): row
        for row in results["runs"][0]
        if row["candidate"] == attention.OURS and "of_torch" in row
    }
    kinds = [("prefill", False), ("prefill", True), ("decode", False)]
    rows = []
    for heads, d, (kind, causal) in itertools.product((1, 8), (64, 128), kinds):
        found = [by.get((heads, d, causal, kind, n)) for n in cases.LENGTHS]
        words = f"{heads} head{'s' if heads > 1 else ''}, d = {d}"
        words += ", causal" if causal else ""
        rows.append(
            [words + (", one new token" if kind == "decode" else "")]
            + [
                f"{row['of_torch']:.2f} ({row['share_of_floor']:.2f})" if row else "–"
                for row in found
            ]
        )
    ratios = table(("", *(f"n = {n}" for n in cases.LENGTHS)), rows)
    return f"{EVERY_SIZE}\n{machine(results)}\n\n{ratios}\n\n"


def memory(results):
    """Return the table of peak extra memory of one call."""
    lengths = sorted({row["n"] for row in results["memory"]})
    by = {(row["candidate"], row["n"]): row for row in results["memory"]}

    def shown(row):
        return f"{row['bytes'] / 2**20:,.1f}" if row and "bytes" in row else "–"

    rows = [
        [name, *(shown(by.get((name, n))) for n in lengths)]
        for name in CANDIDATES
        if any("bytes" in by.get((name, n), {}) for n in lengths)
    ]
    return table(("MiB beyond the inputs", *(f"n = {n}" for n in lengths)), rows)


def words(row):
    """Return the case of a row in words."""
    return attention.label(cases.Case(*attention.key(row)))


def left_out(results):
    """Return a list of what did not run, where, and why."""
    where = {}
    for row in itertools.chain(*results["runs"], results["memory"]):
        if "left_out" in row:
            one = f"memory at n = {row['n']}" if "n" in row else words(row)
            where.setdefault((row["candidate"], row["left_out"]), {})[one] = None
    timed = {row["candidate"] for rows in results["runs"] for row in rows}
    lines = [f"{name}: {why} ({'; '.join(at)})" for (name, why), at in where.items()]
    untimed = CANDIDATES.keys() - timed
    lines += [f"{name}: its time was not asked for" for name in untimed]
    return "\n".join(f"- {line}" for line in sorted(lines)) or "Nothing."


def course(results):
    """Return the tables of the course itself, or what to run where there are none."""
    if results is None:
        return "Not recorded yet: `python -m course timings` measures it."
    seconds = results["notebook_seconds"]
    rows = [(f"`{name}`", f"{value:.0f} s") for name, value in seconds.items()]
    rows.append(("the book, from stored outputs", f"{results['build_seconds']:.0f} s"))
    if "test_seconds" in results:
        rows.append(("all tests", f"{results['test_seconds']:.0f} s"))
    pages = [
        (f"`{page}`", f"{size / 1e6:.2f} MB")
        for page, size in results["page_bytes"].items()
    ]
    return (
        f"{machine(results)}\n\n"
        + table(("What", "Time"), rows)
        + "\n\n"
        + table(("Page, with all that its HTML names, gzipped", "Size"), pages)
    )


def language_model(results):
    """Return the tables of the language model, or what to run where there are none."""
    if results is None:
        return "Not recorded yet: `python -m benchmarks language_model` measures it."
    rows = []
    for threads, run in results["runs"].items():
        floor = run["weight_bytes"] / run["bytes_per_second"]
        for kind in ("decode", "prefill"):
            for row in run[kind]:
                ours, theirs = (row[n]["median"] for n in ("attnlib", "transformers"))
                what = "one token after" if kind == "decode" else "a prompt of"
                share = f"{floor / ours:.2f}" if kind == "decode" else "–"
                spread = f"{duration(row['attnlib']['low'])} to "
                spread += duration(row["attnlib"]["high"])
                rows.append(
                    (
                        f"{what} {row['n']}, {threads} thread{'s' * (threads != '1')}",
                        f"{duration(ours)} ({spread})",
                        duration(theirs),
                        f"{theirs / ours:.2f}",
                        share,
                    )
                )
    heads = ("Median time", "attnlib, NumPy", "transformers, torch", "Ratio")
    heads += ("Share of the floor",)
    return f"{machine(results)}\n\n{table(heads, rows)}\n\n{batches(results)}"


BATCHES = """\
[Chapter 15](15_attention_today.ipynb) counts why a server writes many texts at once:
the weights are read once for all. Here each text has {} tokens behind it. What a step
takes longer is the price that each reader pays; tokens a second are what all get.
"""


def batches(results):
    """Return the table of texts that are written at once."""
    rows = []
    for threads, run in results["runs"].items():
        for row in run["batches"]:
            ours, theirs = (row[n]["median"] for n in ("attnlib", "transformers"))
            rows.append(
                (
                    f"{row['batch']}, {threads} thread{'s' * (threads != '1')}",
                    duration(ours),
                    f"{row['batch'] / ours:.0f}",
                    duration(theirs),
                    f"{row['batch'] / theirs:.0f}",
                )
            )
    heads = ("Texts at once", "A step, attnlib", "Tokens a second")
    heads += ("A step, transformers", "Tokens a second")
    behind = results["runs"]["1"]["batches"][0]["n"]
    return f"{BATCHES.format(behind)}\n{table(heads, rows)}"


def gpu(results):
    """Return the tables of a GPU, or what to run where there is one."""
    if results is None:
        return (
            "No GPU was at hand when these results were recorded. Where there is one, "
            "`python -m benchmarks gpu` measures it and this section shows it."
        )
    rows = [
        (
            f"{row['n']}{', causal' * row['causal']}",
            duration(row["seconds"]),
            f"{row['flops_per_second'] / 1e12:.0f}",
            f"{row['share_of_products']:.2f}",
            *(
                f"{row[name] / 2**20:,.0f}" if row[name] is not None else "–"
                for name in ("fused_bytes", "reference_bytes")
            ),
        )
        for row in results["prefill"]
    ]
    heads = ("n", "Time", "TFLOP/s", "Share of products", "fused MiB", "reference MiB")
    decode = [
        (row["n"], duration(row["seconds"]), f"{row['share_of_copy']:.2f}")
        for row in results["decode"]
    ]
    return f"{machine(results)}\n\n{table(heads, rows)}\n\n" + table(
        ("n, one new token", "Time", "Share of a copy's rate"), decode
    )


def text():
    """Return the page."""
    found = read("attention")
    parts = TEMPLATE.read_text(encoding="utf-8")
    values = {
        "machine": machine(found),
        "wishes": wishes(found),
        "times": times(found),
        "decoding": decoding(found),
        "every_size": every_size(read("full")),
        "memory": memory(found),
        "left_out": left_out(found),
        "language_model": language_model(read("language_model")),
        "gpu": gpu(read("gpu")),
        "course": course(read("course")),
    }
    for name, value in values.items():
        parts = parts.replace(f"<<{name}>>", value)
    return parts


TEMPLATE = pathlib.Path(__file__).with_name("page.template.md")


def draw(results):
    """Draw median times against n, one head of 64 features, as an SVG."""
    import matplotlib as mpl

    mpl.use("agg")
    import matplotlib.pyplot as plt

    from attnlib.plotting import use_style

    use_style()
    mpl.rcParams["svg.hashsalt"] = "benchmarks"
    fig, ax = plt.subplots(figsize=(7, 4.4))
    for name, (mark, color) in DRAWN.items():
        points = [
            (n, found["median"] * 1e3)
            for n in cases.LENGTHS
            if (
                found := attention.median_row(
                    results["runs"], name, cases.prefill(8, n, 64)
                )
            )
        ]
        if points:
            ax.plot(*zip(*points, strict=True), mark + "-", color=color, mfc="none")
            ax.annotate(
                name,
                points[-1],
                (6, 0),
                textcoords="offset points",
                va="center",
                color=color,
                fontsize=8,
            )
    ax.set(xscale="log", yscale="log", xlim=(110, 90_000))
    ax.set_xticks(cases.LENGTHS, [str(n) for n in cases.LENGTHS])
    ax.set(xlabel="n (queries and keys)", ylabel="median time of a call (ms)")
    fig.savefig(PICTURE, metadata={"Date": None, "Creator": None})
    plt.close(fig)


def main(arguments):
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks page")
    parser.add_argument("--check", action="store_true", help="only compare")
    options = parser.parse_args(arguments)
    if read("attention") is None:
        sys.exit("nothing is recorded; run `make bench` first")
    if options.check:
        same = PAGE.exists() and PAGE.read_text(encoding="utf-8") == text()
        advice = "it differs; run: python -m benchmarks page"
        print("the page is that of the results" if same else advice)
        return int(not same)
    PAGE.write_text(text(), encoding="utf-8")
    draw(read("attention"))
    print(f"wrote {PAGE} and {PICTURE}")
    return 0
