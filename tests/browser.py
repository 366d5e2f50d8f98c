"""Look at built pages in a real browser, with every other machine out of reach.

Each `*_problems` function returns a list of sentences, empty where all is well, so that
a test can show the list and a planted fault can be seen in it.
"""

import functools
import http.server
import json
import os
import shutil
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

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def find_chromium():
    """Return the path of a Chromium: $CHROMIUM, or one on the PATH, or None."""
    names = ["chromium", "chromium-browser", "google-chrome"]
    return os.environ.get("CHROMIUM") or next(
        filter(None, map(shutil.which, names)), None
    )


@dataclass
class Visit:
    """An open page, and what went wrong while it loaded."""

    page: Page
    troubles: list = field(default_factory=list)

    def listen(self, home):
        """Note every request beyond `home`, every failure and every error."""

        def gate(route):
            address = route.request.url
            if address.startswith((home, "data:", "blob:")):
                route.continue_()
            else:
                self.troubles.append(f"asks for {address}")
                route.abort()

        def answered(response):
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
def visit(browser, home, path, *, theme="light", width=WIDE, leads_to=None):
    """Open `home` + `path` in a fresh profile; yield the Visit once formulas are set.

    `home` is the address of a book's folder, with a last slash, on disk or on a server:
    the page may load what lies below it, and nothing else. `leads_to` is the path that
    the page moves on to by itself, if it does.
    """
    size = {"width": width, "height": HEIGHT}
    # With motion reduced, axe does not look at colours half-way through a fade.
    context = browser.new_context(
        viewport=size, color_scheme=theme, reduced_motion="reduce"
    )
    context.add_init_script(
        f"localStorage.setItem('mode', '{theme}');"
        f"localStorage.setItem('theme', '{theme}');"
    )
    try:
        seen = Visit(context.new_page())
        seen.listen(home)
        end = home + (leads_to or path)
        seen.page.goto(home + path, wait_until="commit")
        seen.page.wait_for_url(lambda address: address == end, wait_until="load")
        settle(seen.page)
        yield seen
    finally:
        context.close()


def settle(page):
    """Wait until MathJax has set the formulas and the fonts are there."""
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
            const inside = "pre *, mjx-container *, .pst-scrollable-table-container *";
            return [...document.querySelectorAll("body *")]
                .filter((e) => e.getBoundingClientRect().right > root.clientWidth + 1)
                .filter((e) => !e.matches(inside))
                .slice(0, 3)
                .map((e) => e.outerHTML.slice(0, 80));
        }"""
    )
    return [f"wider than the window: {element}" for element in wide]


def formula_problems(page):
    """Return formulas that stand in the page as raw TeX, or with an error in them."""
    return page.evaluate(
        r"""() => {
            const problems = [];
            for (const e of document.querySelectorAll(".math"))
                if (!e.querySelector("mjx-container"))
                    problems.push(`not set: ${e.textContent.slice(0, 60)}`);
            for (const e of document.querySelectorAll("mjx-merror, [data-mjx-error]"))
                problems.push(`error in formula: ${e.textContent.slice(0, 60)}`);
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
            const coloured = "mjx-container [style*='color']";
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
