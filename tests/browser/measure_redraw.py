"""Print how long each live figure takes from an input to the next picture.

    python tests/browser/measure_redraw.py

A real key is pressed again and again on a field of the figure in Chromium. "work" is
the time from the key to the end of the figure's scripts, styles and layout; "painted"
is the time until the frame stands, which waits for the screen's next refresh too, up to
16.7 ms. Times are for a report: no test depends on them.
"""

import statistics
import tempfile
from pathlib import Path

import numpy as np
from playwright.sync_api import sync_playwright

from attnlib.widgets import AttentionExplorer
from course.paths import find_chromium
from tests.browser import look
from tests.browser.figures import FIGURES, box_of, write_bench
from tests.browser.moves import walk_to

PRESSES, WARM_UP = 60, 10
FIELD = ":is(input[type=range], input[type=number]):not(:disabled)"

# The layout is forced, so that "work" holds all of it.
CLOCK = """(box) => {
    window.worked = [];
    window.painted = [];
    addEventListener("keydown", (event) => {
        const { port1, port2 } = new MessageChannel();
        port1.onmessage = () => painted.push(performance.now() - event.timeStamp);
        requestAnimationFrame(() => port2.postMessage(0));
    }, true);
    const place = document.querySelector(box);
    addEventListener("keydown", () => { window.began = performance.now() }, true);
    addEventListener("input", () => {
        place.getBoundingClientRect();
        worked.push(performance.now() - began);
    });
}"""


def large_explorer():
    """Return an AttentionExplorer of 32 tokens and 12 heads."""
    query, key = np.random.default_rng(7).normal(size=(2, 12, 32, 64))
    return AttentionExplorer.from_arrays([f"token{i}" for i in range(32)], query, key)


def measure(chromium, figure):
    """Return (work, painted) of every key, in milliseconds."""
    with tempfile.TemporaryDirectory() as folder:
        home = write_bench(Path(folder), [figure])
        with look.visit(chromium, home, "bench.html", width=1000) as seen:
            hand, box = look.Hand(seen.page), box_of(type(figure))
            walk_to(hand, box, FIELD)
            hand.evaluate(CLOCK, box)
            for i in range(PRESSES):
                hand.press("ArrowDown" if i % 2 else "ArrowUp")
                hand.wait(40)
            found = hand.evaluate("() => [worked, painted]")
            assert seen.troubles == []
    return [times[WARM_UP:] for times in found]


def main():
    print("median and 95 % of the keys, in ms; Chromium", end=" ")
    shown = [(figure.__name__, figure()) for figure in FIGURES]
    shown.append(("AttentionExplorer, 32 tokens × 12 heads", large_explorer()))
    with sync_playwright() as play:
        path = find_chromium()
        chromium = play.chromium.launch(executable_path=path, args=look.FLAGS)
        print(chromium.version)
        for name, figure in shown:
            work, painted = measure(chromium, figure)
            print(f"{name:42}", f"{len(work):3} keys", end="")
            for label, times in (("work", work), ("painted", painted)):
                high = statistics.quantiles(times, n=20)[-1]
                print(f"   {label} {statistics.median(times):5.1f} {high:5.1f}", end="")
            print()
        chromium.close()


if __name__ == "__main__":
    main()
