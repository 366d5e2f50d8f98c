"""What every live figure is: an ipywidget that also lives in a page without a kernel.

A figure has a state (its synced traits), the numbers that it states (computed here by
attnlib, and in the page by the same formulas in JavaScript; tests hold them together),
and a table for readers without JavaScript. In a notebook anywidget shows it; in the
built book the output's HTML carries the state, and a script mounts the same module.
"""

import html
import json
import pathlib

try:
    import anywidget
except ImportError as error:
    raise ImportError(
        "the live figures need anywidget, which is not installed; "
        "`pip install anywidget` brings it"
    ) from error

FOLDER = pathlib.Path(__file__).parent


def source(name):
    """Return the text of a file of this folder."""
    return (FOLDER / name).read_text(encoding="utf-8")


def module(name):
    """Return the ES module of a figure: the shared tools, then its own file."""
    return source("common.js") + "\n" + source(f"{name}.js")


class LiveFigure(anywidget.AnyWidget):
    """An ipywidget with a state, numbers and a table; each subclass has a .js file.

    A subclass sets `name`, the stem of its file, and `title`, and defines `numbers` and
    `table`.
    """

    name = title = ""

    def __init_subclass__(cls, **kwargs):
        if "name" in vars(cls):  # not for the class that add_traits makes
            cls._esm, cls._css = module(cls.name), source("live.css")
        super().__init_subclass__(**kwargs)

    def numbers(self):
        """Return what the figure states: names → numbers or nested lists of them."""
        raise NotImplementedError

    def table(self):
        """Return (caption, heads, rows): the figure's message without JavaScript."""
        raise NotImplementedError

    def state(self):
        """Return the synced traits of the figure itself, fit for JSON."""
        own = set(self.trait_names(sync=True)) - set(anywidget.AnyWidget.class_traits())
        return {k: getattr(self, k) for k in sorted(own) if not k.startswith("_")}

    def __repr__(self):
        shown = (f"{key}={_short(value)}" for key, value in self.state().items())
        return f"{type(self).__name__}({', '.join(shown)})"

    def _repr_mimebundle_(self, **kwargs):
        data, metadata = super()._repr_mimebundle_(**kwargs)
        return data | {"text/plain": repr(self), "text/html": self.as_html()}, metadata

    def as_html(self):
        """Return the figure for a page: the table, and the state for the script."""
        state = html.escape(json.dumps(self.state(), allow_nan=False))
        return (
            f'<div class="attn-live" data-figure="{self.name}" data-state="{state}">'
            f"{html_table(*self.table())}</div>"
        )


def html_table(caption, heads, rows):
    """Return an HTML table; the first cell of each row is its head."""
    head = "".join(f'<th scope="col">{html.escape(str(h))}</th>' for h in heads)
    body = "".join(
        f'<tr><th scope="row">{html.escape(str(first))}</th>'
        + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in rest)
        + "</tr>"
        for first, *rest in rows
    )
    return (
        f"<table><caption>{html.escape(caption)}</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )


def _short(value):
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
