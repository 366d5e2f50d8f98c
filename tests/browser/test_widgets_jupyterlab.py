"""Every live figure in a real JupyterLab: it appears, answers, and tells Python.

One notebook shows them all. Cells below read in Python what the reader moved.
"""

import importlib.util
import json

import pytest

from attnlib.widgets import SoftmaxScale
from tests.browser import lab, look
from tests.browser.figures import FIGURES, its_moves
from tests.browser.moves import NUMBERS, changes, move, walk_to
from tests.browser.test_widgets_numbers import stated_problems
from tests.fixtures import missing

HEAD = """\
import json

import ipywidgets
from attnlib.widgets import {names}

def watched(figure):
    figure.heard = []
    figure.observe(lambda change: figure.heard.append(change["name"]))
    return figure

def tell(figure):
    heard = [name for name in figure.heard if name in figure.state()]
    print(json.dumps([figure.state(), figure.numbers(), heard]))
"""

LINKED = [
    """\
linked = watched(SoftmaxScale(d_k=16, seed=5))
python_slider = ipywidgets.IntSlider(max=999, description="seed in Python")
ipywidgets.link((linked, "seed"), (python_slider, "value"))
ipywidgets.VBox([python_slider, linked])""",
    "tell(linked)",
    "linked.seed = 77",
]

LEAKY = """\
class Leaky(SoftmaxScale):
    _esm = SoftmaxScale._esm.replace("event.stopPropagation();", "")
Leaky()"""


def notebook_cells():
    """Return (the cells, name → index): a heading, each figure, and what it says."""
    names = ", ".join(figure.__name__ for figure in FIGURES)
    cells, at = [("code", HEAD.format(names=names))], {}
    for name in (figure.__name__ for figure in FIGURES):
        cells.append(("text", f"## {name}\n\nWhat stands below can be folded."))
        at[name] = len(cells)
        cells.append(("code", f"{name.lower()} = watched({name}())\n{name.lower()}"))
        cells.append(("code", f"tell({name.lower()})"))
    for name, *sources in (("linked", *LINKED), ("leaky", LEAKY)):
        cells.append(("text", f"## {name}"))
        at[name] = len(cells)
        cells += [("code", source) for source in sources]
    return cells, at


CELLS, AT = notebook_cells()


@pytest.fixture(scope="module")
def opened(browser, tmp_path_factory):
    """The notebook, open in JupyterLab, with its first cell run."""
    if importlib.util.find_spec("jupyterlab") is None:
        missing("no JupyterLab: `pip install jupyterlab` brings it")
    folder = tmp_path_factory.mktemp("lab")
    lab.write_notebook(folder / "figures.ipynb", CELLS)
    with lab.opened(browser, folder, "figures.ipynb") as (notebook, seen):
        assert notebook.run(0) == ""
        yield notebook, seen


BOX = """([index, name]) => {
    const cell = jupyterapp.shell.currentWidget.content.widgets[index];
    const box = cell.node.querySelector(".attn-live");
    if (box) box.dataset.shown = name;
    return Boolean(box);
}"""


def show(notebook, name):
    """Run the cell of a figure; return (hand, the selector of its box)."""
    notebook.run(AT[name])
    notebook.page.wait_for_function(BOX, arg=[AT[name], name])
    return look.Hand(notebook.page), f'[data-shown="{name}"]'


def hear(notebook, index, ready):
    """Run a cell that tells, until `ready`: the page's messages take their time."""
    for _ in range(240):
        told = json.loads(notebook.run(index))
        if ready(*told):
            return told
        notebook.page.wait_for_timeout(250)
    raise AssertionError(f"Python does not hear of it: {told}")


@pytest.mark.parametrize("kind", ["mouse", "keyboard"])
@pytest.mark.parametrize("figure", FIGURES)
def test_a_figure_answers_and_tells_python(opened, figure, kind):
    notebook, seen = opened
    name = figure.__name__
    hand, box = show(notebook, name)
    selector, action, number = its_moves(figure, kind)[0]
    before = hand.evaluate(NUMBERS, box)
    move(hand, box, kind, selector, action)
    assert changes(hand, box, number, before[number])
    stated = hand.evaluate(NUMBERS, box)

    def agrees(state, numbers, heard):
        return not stated_problems(stated, numbers)

    state, _, heard = hear(notebook, AT[name] + 1, agrees)
    assert state != figure().state()
    assert heard
    assert ours(seen.troubles) == []


def ours(troubles):
    """Return what goes wrong with a figure: errors, and requests to other machines."""
    return [t for t in troubles if t.startswith(("asks for", "throws", "console"))]


KEYS = ["ArrowDown", "ArrowUp", "ArrowLeft", "ArrowRight", "j", "a", "Enter"]


def after_keys(notebook, name, figure):
    """Press keys in a figure; return the notebook's place before and after."""
    hand, box = show(notebook, name)
    walk_to(hand, box, its_moves(figure, "keyboard")[0][0])
    before = notebook.place()
    for key in KEYS:
        hand.press(key)
    hand.wait(200)
    return before, notebook.place()


@pytest.mark.parametrize("figure", FIGURES)
def test_keys_in_a_figure_do_not_move_the_notebook(opened, figure):
    before, after = after_keys(opened[0], figure.__name__, figure)
    assert after == before


def test_a_figure_is_linked_to_an_ipywidgets_slider(opened):
    """The reader's hand moves Python's slider, and Python moves the figure."""
    notebook, _ = opened
    hand, box = show(notebook, "linked")
    slider = notebook.page.locator(".widget-readout", has_text="5").last
    assert slider.text_content() == "5"
    move(hand, box, "keyboard", "div:nth-child(4) > input[type=range]", "ArrowRight")
    *_, heard = hear(notebook, AT["linked"] + 1, lambda state, *_: state["seed"] == 6)
    assert heard == ["seed"]
    assert notebook.run(AT["linked"] + 2) == ""
    readouts = notebook.page.locator(".widget-readout")
    readouts.filter(has_text="77").wait_for()  # set by that cell
    shown = "(box) => [...document.querySelectorAll(box + ' output')].map(o => o.value)"
    assert "77" in hand.evaluate(shown, box)


def test_keys_that_leak_are_found(opened):
    before, after = after_keys(opened[0], "leaky", SoftmaxScale)
    assert after != before
