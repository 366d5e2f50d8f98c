"""Every live figure for everybody: axe in both themes, narrow and enlarged windows,
hostile text, and no JavaScript at all.
"""

import html
import json
import re

import pytest
import traitlets

from attnlib.widgets import SoftmaxScale
from tests.browser import look
from tests.browser.figures import (
    FIGURES,
    box_of,
    nth_box,
    planted,
    random_states,
    write_bench,
)

ENLARGED = {"width": 640, "height": 400}  # a window of 1280 × 800 at 200 %

HOSTILE = {
    "code": '<img src="x" onerror="window.ran = 1"><script>window.ran = 2</script>',
    "closing": "\"></div></table><svg onload='window.ran = 3'>",
    "long": "attention " * 1000,
    "one long word": "x" * 10_000,
    "right to left": "\u202eانتباه שלום",
    "emoji": "👩‍👩‍👧‍👦🤷🏽‍♀️🏴‍☠️",
    "empty": "",
    "number": "-1e999",
    "no number": "NaN",
    "null": "null",
}


def open_boxes(page):
    """Open every closed part of the figures."""
    page.evaluate(
        "document.querySelectorAll('details').forEach((box) => { box.open = true })"
    )


@pytest.mark.parametrize("theme", look.THEMES)
@pytest.mark.parametrize("figure", FIGURES)
def test_a_figure_is_for_everybody(browser, tmp_path, figure, theme):
    """As it comes and in random states: wide, enlarged to 200 %, and 360 px wide.

    axe looks once in each theme: wide in the light one, narrow in the dark one.
    """
    shown = [figure(), *random_states(figure, 2)]
    home = write_bench(tmp_path, shown, theme=theme)
    options = {"theme": theme, "device_scale_factor": 2}
    with look.visit(browser, home, "bench.html", width=1000, **options) as seen:
        assert seen.page.locator(box_of(figure)).count() == len(shown)
        problems = look.width_problems(seen.page)
        open_boxes(seen.page)
        if theme == "light":
            problems += look.axe_problems(seen.page)
        seen.page.set_viewport_size(ENLARGED)
        seen.page.wait_for_timeout(100)
        problems += look.width_problems(seen.page)
        look.resize(seen.page, look.NARROW)
        problems += look.width_problems(seen.page)
        if theme == "dark":
            problems += look.axe_problems(seen.page)
        assert seen.troubles + problems == []


# ------------------------------------------------------------------------ hostile text


def with_text(value, text):
    """Return a state's value with this text in it, at its first place."""
    if isinstance(value, list | tuple):
        return [with_text(value[0], text), *value[1:]] if value else [text]
    return text


def accepted(figure, text):
    """Return the figures that took the text in some trait; others must refuse it."""
    taken = []
    for key, value in figure().state().items():
        try:
            taken.append(figure(**{key: with_text(value, text)}))
        except traitlets.TraitError:
            continue
    return taken


SHOWN = """(box) => {
    const place = document.querySelector(box);
    const inputs = [...place.querySelectorAll("input, textarea")];
    return place.innerText + inputs.map((input) => input.value).join(" ");
}"""


@pytest.mark.parametrize("figure", FIGURES)
def test_hostile_text_from_python_is_text_or_refused(browser, tmp_path, figure):
    taken = {text: accepted(figure, text) for text in HOSTILE.values()}
    shown = [one for figures in taken.values() for one in figures]
    home = write_bench(tmp_path, [figure(), *shown])
    with look.visit(browser, home, "bench.html", width=look.NARROW) as seen:
        words = [seen.page.evaluate(SHOWN, nth_box(i + 1)) for i in range(len(shown))]
        for text, figures in taken.items():
            here, words = words[: len(figures)], words[len(figures) :]
            whole = text.strip("\u202e").split(maxsplit=1)[:1]
            assert not here or any(all(w in box for w in whole) for box in here)
        assert seen.troubles + look.width_problems(seen.page) == []
        assert seen.page.evaluate("window.ran") is None


# Fields that a reader can type in; the sentence of chapter 2 is one.
TYPED = ":is(input[type=text], input[type=number], textarea):visible"
SENTENCE = "chapters/02_query_key_value.html"


def type_everywhere(page, box, most=4):
    """Type every hostile text into the first fields of a figure; return the count."""
    open_boxes(page)
    fields = page.locator(f"{box} {TYPED}")
    count = min(most, fields.count())
    for i in range(count):
        for text in HOSTILE.values():
            type_into(page, fields.nth(i), text)
            assert broken_words(page, box) == []
    return count


@pytest.mark.parametrize("figure", FIGURES)
def test_hostile_text_that_a_reader_types_breaks_nothing(browser, tmp_path, figure):
    home = write_bench(tmp_path, [figure()])
    with look.visit(browser, home, "bench.html", width=look.NARROW) as seen:
        type_everywhere(seen.page, box_of(figure))
        assert seen.troubles + look.width_problems(seen.page) == []
        assert seen.page.evaluate("window.ran") is None


def test_a_hostile_sentence_breaks_nothing(browser, on_disk):
    """Where a reader types a sentence, words beyond the model's are refused."""
    with look.visit(browser, on_disk, SENTENCE, width=look.NARROW) as seen:
        box = '.attn-mounted[data-figure="attention_explorer"]:has(input[type=text])'
        assert type_everywhere(seen.page, box, most=1) == 1
        seen.page.wait_for_timeout(600)
        field = seen.page.locator(f"{box} input[type=text]").first
        assert field.get_attribute("aria-invalid") == "true"
        assert seen.page.locator(f"{box} .attn-error").first.text_content()
        assert seen.troubles + look.width_problems(seen.page) == []
        assert seen.page.evaluate("window.ran") is None


def type_into(page, field, text):
    """Replace what stands in a field, key by key or by pasting, and leave it."""
    field.focus()
    page.keyboard.press("Control+A")
    page.keyboard.press("Delete")
    page.keyboard.insert_text(text)
    page.keyboard.press("Tab")


def broken_words(page, box):
    """Return words that only a broken program shows."""
    numbers = page.locator(box).locator("output, td, svg text").all_text_contents()
    return re.findall(r"NaN|undefined|\[object|null", "\n".join(numbers))


# ------------------------------------------------------------------------ no JavaScript


@pytest.mark.parametrize("figure", FIGURES)
def test_without_javascript_the_table_is_there(browser, tmp_path, figure):
    shown = [figure(), *random_states(figure, 2)]
    home = write_bench(tmp_path, shown)
    with look.visit(browser, home, "bench.html", java_script_enabled=False) as seen:
        tables = seen.page.locator(".attn-live table")
        assert tables.count() == len(shown)
        for i, one in enumerate(shown):
            caption, heads, rows = one.table()
            cells = [cell for row in [heads, *rows] for cell in row]
            texts = tables.nth(i).locator("th, td").all_text_contents()
            assert tables.nth(i).is_visible()
            assert tables.nth(i).locator("caption").text_content() == caption
            assert texts == [str(cell) for cell in cells]
            assert re.search(r"\d", " ".join(texts))
        assert seen.troubles == []


def test_the_state_in_a_page_is_data_only():
    """What Python writes into the page can be read back, and holds no open markup."""

    class Named(SoftmaxScale):
        word = traitlets.Unicode(HOSTILE["closing"]).tag(sync=True)

    text = Named().as_html()
    state = re.search(r'data-state="([^"]*)"', text)[1]
    assert json.loads(html.unescape(state))["word"] == HOSTILE["closing"]
    assert "<svg" not in text


# ------------------------------------------------------------- the checks can fail

INTO = 'scroller("Scores and weights", row),'


@pytest.mark.parametrize(
    ("fault", "word"),
    [
        ('h("button", { type: "button" }),', "axe button-name"),
        ('h("p", { style: "color: #999; background: #aaa" }, "pale"),', "axe color"),
        ('h("p", { style: "width: 700px" }, "wide"),', "wider than the window"),
        ('h("input", { type: "number" }),', "axe label"),
    ],
)
def test_a_figure_that_is_not_for_everybody_is_found(browser, tmp_path, fault, word):
    change = planted(fault, into=INTO)
    home = write_bench(tmp_path, [SoftmaxScale()], change=change)
    with look.visit(browser, home, "bench.html", width=look.NARROW) as seen:
        found = look.axe_problems(seen.page) + look.width_problems(seen.page)
        assert word in "\n".join(found)


def test_text_that_runs_is_found(browser, tmp_path):
    """A figure that reads its text as HTML does run it: the check can fail."""
    fault = 'line.innerHTML = \'<img src="data:," onerror="window.ran = 1">\';'
    home = write_bench(tmp_path, [SoftmaxScale()], change=planted(fault))
    with look.visit(browser, home, "bench.html") as seen:
        assert seen.page.evaluate("window.ran") == 1


def test_a_broken_word_is_found(browser, tmp_path):
    fault = "queueMicrotask(() => { row.cells[0][0].textContent = `${undefined}` });"
    home = write_bench(tmp_path, [SoftmaxScale()], change=planted(fault))
    with look.visit(browser, home, "bench.html") as seen:
        assert broken_words(seen.page, box_of(SoftmaxScale)) == ["undefined"]
