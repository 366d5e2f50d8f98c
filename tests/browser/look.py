"""Look at built pages in a real browser, with every other machine out of reach.

Each `*_problems` function returns a list of sentences, empty where all is well, so that
a test can show the list and a planted fault can be seen in it.
"""

import functools
import gzip
import http.server
import itertools
import json
import re
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Page

AXE = Path(__file__).parent / "vendor" / "axe-core" / "axe.min.js"
AXE_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
THEMES = ["light", "dark"]
WIDE, NARROW = 1400, 360
HEIGHT = 900
LATE = 1500  # milliseconds
PATIENCE = 120_000  # milliseconds: a bound for hanging, not for speed

# Bytes, gzipped: of everything that a first visit fetches, and of our own scripts.
WHOLE_PAGE, OWN_JAVASCRIPT = 800_000, 15_000
OWN_SCRIPT = re.compile(
    r"/_static/(figures/[^/]+|book|live_host|mode|search_scorer)\.js(\?|$)"
)

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass
class Visit:
    """An open page, and what went wrong while it loaded."""

    page: Page
    troubles: list = field(default_factory=list)
    responses: list = field(default_factory=list)

    def listen(self, home, late=""):
        """Note every request beyond `home`, every failure and every error."""

        def gate(route):
            address = route.request.url
            if late and late in address:
                self.page.wait_for_timeout(LATE)
            if address.startswith((home, "data:", "blob:")):
                route.continue_()
            else:
                self.troubles.append(f"asks for {address}")
                route.abort()

        def answered(response):
            self.responses.append(response)
            if response.status >= 400:
                self.troubles.append(f"{response.status} for {response.url}")

        def logged(message):
            if message.type == "error":
                self.troubles.append(f"console: {message.text}")

        self.page.route("**/*", gate)
        self.page.on("response", answered)
        self.page.on("requestfailed", lambda r: self.troubles.append(f"failed {r.url}"))
        self.page.on("pageerror", lambda e: self.troubles.append(f"throws {e}"))
        self.page.on("console", logged)


@contextmanager
def visit(
    browser, home, path, *, theme="light", width=WIDE, leads_to=None, late="", **options
):
    """Open `home` + `path` in a fresh profile; yield the Visit once formulas are set.

    `home` is the address of a book's folder, with a last slash, on disk or on a server:
    the page may load what lies below it, and nothing else. `leads_to` is the path that
    the page moves on to by itself, if it does; `late` is a part of the addresses that
    are to come late.
    """
    size = {"width": width, "height": HEIGHT}
    # With motion reduced, axe does not look at colours half-way through a fade.
    context = browser.new_context(
        viewport=size, color_scheme=theme, reduced_motion="reduce", **options
    )
    context.set_default_timeout(PATIENCE)
    context.add_init_script(
        f"localStorage.setItem('mode', '{theme}');"
        f"localStorage.setItem('theme', '{theme}');"
    )
    try:
        seen = Visit(context.new_page())
        seen.listen(home, late)
        end = home + (leads_to or path)
        seen.page.goto(home + path, wait_until="commit")
        seen.page.wait_for_url(lambda address: address == end, wait_until="load")
        if options.get("java_script_enabled", True):
            settle(seen.page)
        yield seen
    finally:
        context.close()


class Hand:
    """Moves things in a page of Chromium: see figures.py for what a hand can do."""

    def __init__(self, page):
        self.page = page
        self.evaluate, self.press = page.evaluate, page.keyboard.press

    def wait(self, milliseconds):
        """Wait in the page, whose own work goes first, however busy the cores are."""
        pause = "(ms) => new Promise((go) => setTimeout(go, ms))"
        self.evaluate(pause, milliseconds)

    def stroke(self, kind, points):
        """Press at the first point, move along the others, and let go."""
        if kind == "mouse":
            mouse = self.page.mouse
            mouse.move(*points[0])
            mouse.down()
            for x, y in points[1:]:
                mouse.move(x, y, steps=3)
            mouse.up()
        elif len(points) == 1:
            self.page.touchscreen.tap(*points[0])
        else:
            self.swipe(points)

    def swipe(self, points):
        """Move a finger along the points; Playwright itself knows taps only."""
        tools = self.page.context.new_cdp_session(self.page)
        whole = [points[0], *between(points)]
        steps = ["touchStart"] + ["touchMove"] * (len(whole) - 1)
        for step, (x, y) in zip(steps, whole, strict=True):
            touch = {"type": step, "touchPoints": [{"x": x, "y": y}]}
            tools.send("Input.dispatchTouchEvent", touch)
        tools.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        tools.detach()


def between(points, steps=4):
    """Yield points on the way from each point to the next, the ends included."""
    for (x1, y1), (x2, y2) in itertools.pairwise(points):
        for i in range(1, steps + 1):
            yield x1 + (x2 - x1) * i / steps, y1 + (y2 - y1) * i / steps


def settle(page):
    """Wait until the fonts are there, and in slides the formulas."""
    page.evaluate(
        """async () => {
            if (window.MathJax?.startup?.promise) await MathJax.startup.promise;
            await document.fonts.ready;
            await new Promise((done) => setTimeout(done, 150));
        }"""
    )


def resize(page, width):
    """Make the window `width` pixels wide, and let the page follow."""
    page.set_viewport_size({"width": width, "height": HEIGHT})
    page.wait_for_timeout(150)


@contextmanager
def serve(folder):
    """Serve a folder on this machine only; yield its address."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


def axe_problems(page):
    """Return every accessibility fault that axe-core finds in the page as it is now."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.read_text(encoding="utf-8"))
    # Without `preload: false`, axe itself asks for the style sheets again.
    options = {"runOnly": AXE_TAGS, "resultTypes": ["violations"], "preload": False}
    found = page.evaluate(f"axe.run(document, {json.dumps(options)})")["violations"]
    return [
        f"axe {rule['id']}: {node['html'][:120]}"
        for rule in found
        for node in rule["nodes"]
    ]


def width_problems(page):
    """Return what makes the page wider than its window."""
    wide = page.evaluate(
        """() => {
            const root = document.documentElement;
            if (root.scrollWidth <= root.clientWidth) return [];
            const inside = "pre *, div.math *, .pst-scrollable-table-container *";
            return [...document.querySelectorAll("body *")]
                .filter((e) => e.getBoundingClientRect().right > root.clientWidth + 1)
                .filter((e) => !e.matches(inside))
                .slice(0, 3)
                .map((e) => e.outerHTML.slice(0, 80));
        }"""
    )
    return [f"wider than the window: {element}" for element in wide]


def gzipped_bytes(seen):
    """Return address → bytes that a first visit fetches, each as a server sends it."""
    bodies = {response.url: response.body() for response in seen.responses}
    return {url: min(len(b), len(gzip.compress(b, 6))) for url, b in bodies.items()}


def weight_problems(seen):
    """Return what makes the first visit to a page heavier than promised."""
    sizes, problems = gzipped_bytes(seen), []
    own = {url: n for url, n in sizes.items() if OWN_SCRIPT.search(url)}
    if (whole := sum(sizes.values())) > WHOLE_PAGE:
        problems.append(f"a first visit takes {whole} bytes, more than {WHOLE_PAGE}")
    if (ours := sum(own.values())) > OWN_JAVASCRIPT:
        problems.append(f"own scripts take {ours} bytes, more than {OWN_JAVASCRIPT}")
    return problems


def formula_problems(page):
    """Return formulas that stand in the page as raw TeX, or with an error in them."""
    return page.evaluate(
        r"""() => {
            const problems = [];
            for (const e of document.querySelectorAll(".math"))
                if (!e.querySelector("math") || (e.checkVisibility() &&
                    !e.querySelector("math").getBoundingClientRect().width))
                    problems.push(`not set: ${e.textContent.slice(0, 60)}`);
            const article = document.querySelector("article");
            if (!article) return problems;
            const walk = document.createTreeWalker(article, NodeFilter.SHOW_TEXT);
            while (walk.nextNode()) {
                const node = walk.currentNode;
                if (node.parentElement.closest("pre, code, script, style")) continue;
                if (/\$[^$]*[\\_^{][^$]*\$|\\\(|\\\[/.test(node.textContent))
                    problems.push(`raw TeX: ${node.textContent.trim().slice(0, 60)}`);
            }
            return problems;
        }"""
    )


def contrast_problems(page, least=4.5):
    """Return coloured parts of formulas that stand out too little; axe skips them.

    The measure is WCAG's contrast ratio, against the page and the surface of tables.
    """
    return page.evaluate(
        """(least) => {
            const numbers = (css) => css.match(/[\\d.]+/g).slice(0, 3).map(Number);
            const light = (rgb) => {
                const [r, g, b] = rgb.map((x) => {
                    x /= 255;
                    return x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4;
                });
                return 0.2126 * r + 0.7152 * g + 0.0722 * b;
            };
            const probe = document.body.appendChild(document.createElement("i"));
            const colour = (name) => {
                probe.style.color = `var(${name})`;
                return light(numbers(getComputedStyle(probe).color));
            };
            const names = ["--pst-color-background", "--pst-color-surface"];
            const grounds = names.map(colour);
            probe.remove();
            const problems = [];
            const coloured = "math [mathcolor]";
            for (const e of document.querySelectorAll(coloured)) {
                const ink = light(numbers(getComputedStyle(e).color));
                for (const ground of grounds) {
                    const [low, high] = [ink, ground].sort((a, b) => a - b);
                    const ratio = (high + 0.05) / (low + 0.05);
                    if (ratio < least)
                        problems.push(`contrast ${ratio.toFixed(2)}: ${e.outerHTML}`);
                }
            }
            return problems;
        }""",
        least,
    )
