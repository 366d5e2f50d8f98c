"""What all live figures share: state, table, the numbers drawn, and the book's side.

The figures' own numbers are tested in test_widget_<name>.py, each in its file.
"""

import html
import json
import math
import re
from html.parser import HTMLParser

import pytest
import traitlets
from docutils import nodes
from docutils.utils import new_document

pytest.importorskip("anywidget")

import attnlib.widgets as widgets
from attnlib.widgets import _figure, _random
from attnlib.widgets._figure import LiveFigure, html_table
from book import live

CLASSES = [getattr(widgets, name) for name in widgets.__all__]
HOSTILE = "<img src=x onerror=alert(1)> \"quoted\" 'too' & ‮עברית 🙂"


class Hostile(LiveFigure):
    """A figure whose text is out to break the page; it borrows an existing script."""

    name = "softmax_scale"
    title = "Hostile"
    text = traitlets.Unicode(HOSTILE).tag(sync=True)
    size = traitlets.Int(3).tag(sync=True)
    hidden = traitlets.Int(4)  # not synced: no part of the state

    def numbers(self):
        return {"size": self.size}

    def table(self):
        return self.text, ("a", self.text), [(self.text, self.text), ("b", 1.5)]


class Reader(HTMLParser):
    """Collects tags with their attributes, and the text between them."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.words = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words.append(data)


@pytest.fixture
def hostile():
    return Hostile()


def test_the_state_is_the_figures_own_synced_traits(hostile):
    assert hostile.state() == {"text": HOSTILE, "size": 3}


def test_the_repr_is_short_and_without_addresses(hostile):
    said = repr(hostile)
    assert said == f"Hostile(size=3, text={repr(HOSTILE)[:37]}...)"
    hostile.size = 5
    assert repr(hostile).startswith("Hostile(size=5, ")


def test_the_html_carries_the_state_and_nothing_runs(hostile):
    seen = Reader(hostile.as_html())
    tags = " ".join(tag for tag, _ in seen.tags)
    assert tags == "div table caption thead tr th th tbody tr th td tr th td"
    box = seen.tags[0][1]
    assert {*box} == {"class", "data-figure", "data-state"}
    assert box["class"] == "attn-live"
    assert box["data-figure"] == "softmax_scale"
    assert json.loads(box["data-state"]) == hostile.state()
    assert seen.words == [HOSTILE, "a", HOSTILE, HOSTILE, HOSTILE, "b", "1.5"]


def test_a_state_that_json_cannot_hold_is_refused(hostile):
    class Odd(Hostile):
        odd = traitlets.Float(math.nan).tag(sync=True)

    with pytest.raises(ValueError, match="not JSON compliant"):
        Odd().as_html()


def test_the_table_has_heads_for_columns_and_rows():
    seen = Reader(html_table("says", ("key", "weight"), [("one", 1), ("two", 2)]))
    heads = [attrs["scope"] for tag, attrs in seen.tags if tag == "th"]
    assert heads == ["col", "col", "row", "row"]
    assert seen.words == ["says", "key", "weight", "one", "1", "two", "2"]


def test_the_output_has_a_text_a_table_and_a_view(hostile):
    data, _ = hostile._repr_mimebundle_()
    assert {*data} == {
        "text/plain",
        "text/html",
        "application/vnd.jupyter.widget-view+json",
    }
    assert data["text/plain"] == repr(hostile)
    assert data["text/html"] == hostile.as_html()


def test_a_figure_must_say_its_numbers_and_its_table():
    class Silent(LiveFigure):
        name = "softmax_scale"

    with pytest.raises(NotImplementedError):
        Silent().numbers()
    with pytest.raises(NotImplementedError):
        Silent().table()


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
class TestEveryFigure:
    def test_it_has_what_the_hosts_need(self, cls):
        figure = cls()
        assert figure.title
        assert cls._esm.startswith(_figure.source("common.js"))
        assert cls._esm.rstrip().endswith(live.EXPORT)
        assert figure._repr_mimebundle_()[0]["text/html"] == figure.as_html()

    def test_its_numbers_and_its_table_are_json_and_its_own(self, cls):
        figure, again = cls(), cls()
        said = json.dumps(figure.numbers())  # -inf may be said, NaN may not
        assert json.loads(said)
        assert "NaN" not in said
        assert figure.as_html() == again.as_html()
        caption, heads, rows = figure.table()
        rows = list(rows)
        assert len(caption) > 40
        assert rows
        assert all(len(row) == len(heads) for row in rows)

    def test_it_says_only_its_own_state(self, cls):
        figure = cls()
        assert re.fullmatch(rf"{cls.__name__}\(.*\)", repr(figure), flags=re.S)
        assert not re.search(r"0x[0-9a-f]{6}|model_id|layout", repr(figure))
        assert cls(**figure.state()).state() == figure.state()

    def test_its_script_asks_for_nothing_and_writes_no_html(self, cls):
        text = _figure.source(f"{cls.name}.js")
        words = "innerHTML|outerHTML|insertAdjacentHTML|document.write|fetch|eval|"
        words += "XMLHttpRequest|localStorage|sessionStorage|cookie|import|Function"
        assert re.findall(rf"\b(?:{words})\b", without_comments(text)) == []

    def test_its_names_are_not_those_of_the_shared_tools(self, cls):
        """In a notebook both stand in one module, where a name stands once."""
        both = {*top_names("common.js")} & {*top_names(f"{cls.name}.js")}
        assert both == set()


def without_comments(text):
    return re.sub(r"/\*.*?\*/|(?<!:)//[^\n]*", "", text, flags=re.S)


def top_names(file):
    """Names that a script declares outside every block."""
    text = _figure.source(file)
    return re.findall(r"(?m)^(?:function|const|let|class)\s+(\w+)", text)


def test_the_names_of_a_script_are_found():
    assert {"h", "svg", "softmax", "frame"} <= {*top_names("common.js")}


# Random numbers


def mulberry32(seed):
    """Yield numbers as the published mulberry32 does, in whole Python integers."""
    low = 0xFFFFFFFF
    while True:
        seed = (seed + 0x6D2B79F5) & low
        t = ((seed ^ (seed >> 15)) * (seed | 1)) & low
        t ^= (t + (((t ^ (t >> 7)) * (t | 61)) & low)) & low
        yield ((t ^ (t >> 14)) & low) / 4294967296


@pytest.mark.parametrize("seed", [0, 1, 999, 12345, 2**32 - 1])
def test_uniforms_are_mulberry32(seed):
    stream = mulberry32(seed)
    expected = [next(stream) for _ in range(500)]
    assert _random.uniforms(seed, 500).tolist() == expected


def test_uniforms_known_from_elsewhere():
    """The first numbers of seed 0, as JavaScript's Math.imul gives them."""
    assert _random.uniforms(0, 3) * 2**32 == pytest.approx(KNOWN, abs=0)


KNOWN = [1144304738, 1416247, 958946056]


@pytest.mark.parametrize("seed", [0, 7])
def test_normals_are_box_and_mullers(seed):
    stream = mulberry32(seed)
    pairs = [(next(stream), next(stream)) for _ in range(200)]
    expected = [
        math.sqrt(-2 * math.log(1 - a)) * math.cos(2 * math.pi * b) for a, b in pairs
    ]
    assert _random.normals(seed, 200).tolist() == pytest.approx(expected, abs=1e-12)


def test_normals_are_normal():
    """20,000 of them: mean, variance and kurtosis within five standard errors."""
    drawn = _random.normals(3, 20_000)
    assert abs(drawn.mean()) < 0.035
    assert abs(drawn.var() - 1) < 0.05
    assert abs((drawn**4).mean() - 3) < 0.35


# The book's side: book/live.py


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Let the scripts come from a folder of our own."""
    monkeypatch.setattr(live, "WIDGETS", tmp_path)
    (tmp_path / "common.js").write_text("const shared = 1;\n")
    return tmp_path


def test_a_plain_script_leaves_its_figures_in_the_window(folder):
    (folder / "one.js").write_text(f"const a = 1;\n{live.EXPORT}\n")
    (folder / "two.js").write_text(f"const a = 2;\n{live.EXPORT}\n")
    text = live.plain_script(["one", "two"])
    assert "export" not in text
    assert text.count("const shared = 1;") == 1
    for name in ("one", "two"):
        kept = f"(window.attnFigures ??= {{}}).{name} = {{ render, numbers }};"
        assert text.count(kept) == 1


def test_a_plain_script_carries_no_comments_and_no_indentation():
    text = """/** Says
 * what it does. */
function one() {
  // Why.
  return "// kept" + `/** kept */`; // kept, too
}
"""
    assert live.slim(text) == (
        'function one() {\nreturn "// kept" + `/** kept */`; // kept, too\n}\n'
    )


@pytest.mark.parametrize(
    "text",
    [
        "const a = 1;\n",
        "export default { numbers, render };\n",
        "export const a = 1;\nexport default { render, numbers };\n",
        "export default { render, numbers };\nconst a = 1;\n",
    ],
    ids=["no export", "another order", "two exports", "something after it"],
)
def test_a_module_with_another_ending_is_refused(folder, text):
    (folder / "one.js").write_text(text)
    with pytest.raises(ValueError, match=r"one\.js must end with `export default"):
        live.plain_script(["one"])


def cells(*texts):
    """A page's tree with these texts as the HTML of its cells."""
    tree = new_document("page")
    tree += [nodes.raw("", text, format="html") for text in texts]
    return tree


def test_a_box_is_found_by_its_figure(hostile):
    """The first box of that name, with all that is in it."""
    first, second = hostile.as_html(), Hostile(size=9).as_html()
    assert html.escape(HOSTILE) in first
    page = cells("<p>text</p>", first, second)
    assert live.box_of(page, "03", hostile.name) == first
    assert list(live.boxes(page)) == [(hostile.name, first), (hostile.name, second)]


def test_a_figure_that_is_missing_is_refused(hostile):
    with pytest.raises(ValueError, match="03 has no live figure other"):
        live.box_of(cells(hostile.as_html()), "03", "other")


def test_a_box_beside_other_html_is_refused(hostile):
    """A figure's cell shows its box and nothing else: all of it is copied."""
    with pytest.raises(ValueError, match="stands beside other HTML"):
        list(live.boxes(cells(hostile.as_html() + "<p>more</p>")))


def test_the_style_and_a_script_for_each_set_are_written(tmp_path):
    live.write(tmp_path / "figures", [frozenset(["softmax_scale", "path_length"])])
    names = {path.name for path in (tmp_path / "figures").iterdir()}
    assert names == {"live.css", "path_length-softmax_scale.js"}
