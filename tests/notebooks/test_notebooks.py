"""The notebooks: how they are stored, what they promise, and that the checks can fail.

That their outputs are true is nbval's part, `pytest --nbval chapters`, with once.py.
"""

import re
import shutil

import nbclient
import nbformat
import pytest

from attnlib.exercises import CHAPTERS as WITH_EXERCISES
from attnlib.exercises import exercises as exercises_of
from course import checks, exercises, notebooks, reading, toc
from course.__main__ import main
from course.paths import ROOT
from tests.notebooks.once import alike, imports_torch, solutions

NOTEBOOKS, CHAPTERS = toc.notebooks(), toc.chapters()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_nothing_is_wrong(path):
    assert checks.problems(path) == []


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_chapter_uses_attnlib(path):
    code = "\n".join(c.source for c in notebooks.read(path).cells[1:])
    assert re.search(r"(?m)^(import|from) attnlib", code)


def test_every_notebook_is_in_the_table_of_contents():
    found = {*ROOT.glob("chapters/**/*.ipynb")}
    named = {ROOT / f"{name}.ipynb" for name in toc.pages()}
    assert {p for p in found if ".ipynb_checkpoints" not in p.parts} <= named
    assert {*NOTEBOOKS} == {p for p in named & found if "exercises" not in p.parts}


def test_a_notebook_with_a_number_is_a_chapter():
    """The others, short pages and "In depth", have no questions and exercises."""
    assert [int(path.name[:2]) for path in CHAPTERS] == [*range(1, len(CHAPTERS) + 1)]
    others = [path for path in NOTEBOOKS if path not in CHAPTERS]
    assert not any(path.name[0].isdigit() for path in others)
    for path in others:
        assert "**Exercise" not in notebooks.markdown(notebooks.read(path))


DEEPER = [path for path in NOTEBOOKS if toc.goes_deeper(path)]


def test_an_in_depth_stands_behind_its_chapter_and_both_lead_to_each_other():
    listed, number = {}, ""
    for name in toc.pages():
        path = ROOT / f"{name}.ipynb"
        if path in CHAPTERS:
            number, chapter = path.name[:2], path
        elif path in DEEPER:
            listed[path] = toc.goes_deeper(path)
            assert listed[path] == number, f"{path.name} is listed behind {number}"
            ours, theirs = (
                notebooks.markdown(notebooks.read(p)) for p in (path, chapter)
            )
            assert f"]({chapter.name}" in ours
            assert f"]({path.name}" in theirs
            assert ours.startswith("# In depth: ")
    assert [*listed] == DEEPER


WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine",
         "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen",
         "seventeen", "eighteen", "nineteen", "twenty")  # fmt: skip


@pytest.mark.parametrize("page", ["README.md", "chapters/index.md"])
def test_stated_hours_are_the_counted_ones(page):
    text = " ".join((ROOT / page).read_text(encoding="utf-8").split())
    for paths, form in (
        (CHAPTERS, r"about (\w+) hours of reading"),
        (DEEPER, r"(\w+) more \*?in depth"),
    ):
        hours = sum(reading.minutes(notebooks.read(path)) for path in paths) / 60
        assert re.search(form, text)[1] == WORDS[round(hours)]
    hours = (
        sum(e.minutes for number in WITH_EXERCISES for e in exercises_of(number)) / 60
    )
    said = re.search(r"exercises (?:for|take) about (\w+)\.", text)[1]
    assert said == WORDS[round(hours)]


BOX = (
    '<div class="claim"><li>it moved, of 5: 0.12 &lt; 0.5</li>'
    "<li>it stayed: 1,024, not &lt; 3</li></div>"
)


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("0.12", "0.1", True),
        ("1,024", "900", True),
        ("0.12", "0.3", False),  # by more than a third
        ("&lt; 0.5", "&lt; 0.6", False),  # a bound
        ("it moved", "it stayed", False),
        (" 5:", " 6:", False),
    ],
)
def test_a_box_may_measure_a_little_more_or_less(old, new, same):
    assert alike(BOX, BOX)
    assert alike(BOX, BOX.replace(old, new)) is same


def test_reading_counts_what_is_in_sight():
    prose = nbformat.v4.new_markdown_cell(
        "five words [are here](x.md)\n\n<details>\n<summary>no</summary>\n\nno\n\n"
        "</details>\n\n```python\nno\n```\n"
    )
    plain = nbformat.v4.new_code_cell("a = 1\n\n\nb = 2")
    folded = nbformat.v4.new_code_cell("c = 3", metadata={"tags": ["hide-input"]})
    nb = nbformat.v4.new_notebook(cells=[prose, plain, folded])
    assert (reading.words(nb), reading.lines(nb)) == (4, 2)
    nb.cells[0].source = "word " * 900
    assert reading.minutes(nb) == 5  # 4.5 and two lines
    nb.cells[0].source = "word " * 990
    assert reading.minutes(nb) == 10


def test_too_much_is_told():
    seen = nbformat.v4.new_output("stream", name="stdout", text="1\n")
    ask = nbformat.v4.new_markdown_cell("**Predict**: one? **Before you run it:** two?")
    questions = [nbformat.v4.new_markdown_cell(ask.source) for _ in range(5)]
    show = nbformat.v4.new_code_cell("print(1)", outputs=[seen])
    long = nbformat.v4.new_code_cell("a = 1\n" * 600)
    nb = nbformat.v4.new_notebook(cells=[*questions, show, long])
    told = " ".join(reading.too_much(nb))
    for words in ("55 minutes", "601 lines", "10 predictions"):
        assert words in told
    assert "hide-output: 'print(1)'" in told
    show.metadata["tags"] = ["hide-output"]
    assert [*reading.too_much(nbformat.v4.new_notebook(cells=[ask, show]))] == []
    assert "there is none" in next(
        reading.too_much(nbformat.v4.new_notebook(cells=[ask]))
    )


def test_every_page_of_the_table_of_contents_exists():
    for name in toc.pages():
        assert any((ROOT / f"{name}{suffix}").exists() for suffix in (".ipynb", ".md"))


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_questions_and_exercises(path):
    """Three to six questions, a feedback for each choice; two or three exercises."""
    prose = checks.prose(notebooks.read(path))
    part = dict(zip(checks.SECTIONS, section_texts(prose), strict=True))
    questions = re.split(r"(?m)^\*\*\d+\.\*\*", part["## Check yourself"])[1:]
    assert 3 <= len(questions) <= 6
    for question in questions:
        choices = re.findall(
            r"<details>\s*<summary>([A-E])\. .+?</summary>\n\n(.+?)\n\n</details>",
            question,
            flags=re.S,
        )
        assert [letter for letter, _ in choices] == list("ABCDE"[: len(choices)])
        assert len(choices) >= 3
        rights = [feedback.startswith("**Right.**") for _, feedback in choices]
        wrongs = [feedback.startswith("**Not quite.**") for _, feedback in choices]
        assert sum(rights) == 1, "one choice is right"
        assert all(right ^ wrong for right, wrong in zip(rights, wrongs, strict=True))
    assert 2 <= part["## Exercises"].count("<summary>Solution</summary>") <= 3
    assert part["## Exercises"].count("<summary>Hint") >= 2


def section_texts(prose):
    """The text of each closing section."""
    starts = [prose.index(f"\n{title}") for title in checks.SECTIONS]
    return [prose[a:b] for a, b in zip(starts, [*starts[1:], len(prose)], strict=True)]


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_says_where_it_needs_torch(path):
    """Up to there it runs without; see once.py."""
    cells = notebooks.read(path).cells
    first = next((i for i, c in enumerate(cells) if imports_torch(c)), len(cells))
    if first < len(cells):
        before = [c.source for c in cells[:first] if c.cell_type == "markdown"]
        assert "needs torch" in "\n".join(before[-2:]).lower()
    assert sum(c.cell_type == "code" for c in cells[:first]) >= 7


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_solutions_check_themselves(path):
    """Each exercise has a solution, which asserts something about its own result."""
    found = solutions(path, torch=False) + solutions(path, torch=True)
    assert len(found) >= 2
    for solution in found:
        assert re.search(r"(?m)^\s*assert ", solution), f"it checks nothing: {solution}"


def test_the_set_up_cell_names_the_repository_of_the_settings():
    settings = toc.config()
    assert f"git+{settings['repository']['url']}@" in notebooks.set_up_source()


def test_code_is_folded_in_every_host_by_one_tag():
    """JupyterLab's and Colab's metadata come with the tag, and go with it."""
    cell = nbformat.v4.new_code_cell("draw()", metadata={"tags": ["hide-input"]})
    nb = nbformat.v4.new_notebook(cells=[cell])
    folded = notebooks.tidy(nb).cells[1].metadata
    assert folded == {
        "tags": ["hide-input"],
        "jupyter": {"source_hidden": True},
        "cellView": "form",
    }
    cell.metadata = {"tags": ["hide-output", "hide-input"]}
    both = notebooks.tidy(nb).cells[1].metadata
    assert both["jupyter"] == {"source_hidden": True, "outputs_hidden": True}
    assert (both["collapsed"], both["cellView"]) == (True, "form")
    del both["tags"]
    assert notebooks.tidy(nb).cells[1].metadata == {}


# The checks can fail: a good notebook, one fault at a time


GOOD = """\
# A title

**Time**: about 5 minutes to read.

An introduction with 0.50 in it, as printed below, and $x = 1.25$, a formula, from
[Vaswani et al. 2017](https://arxiv.org/abs/1706.03762).

## Check yourself

## Exercises

## Remember

## What this chapter did not show

## Sources
"""


@pytest.fixture
def good(tmp_path):
    """Write a notebook with nothing wrong; return its path and a way to change it."""
    path = tmp_path / "01_good.ipynb"
    nb = nbformat.v4.new_notebook()
    nb.cells = [
        nbformat.v4.new_markdown_cell(GOOD),
        nbformat.v4.new_code_cell(
            "print(f'{0.5:.2f}')",
            outputs=[nbformat.v4.new_output("stream", name="stdout", text="0.50\n")],
        ),
        nbformat.v4.new_code_cell(
            "draw()",
            metadata={"mystnb": {"image": {"alt": "The line rises from 0 to 1." * 2}}},
            outputs=[nbformat.v4.new_output("display_data", {"image/png": "iVBORw0K"})],
        ),
    ]
    notebooks.write(notebooks.normalise(nb), path)
    return path


def change(path, edit):
    """Edit the notebook and store it in normal form all the same."""
    nb = notebooks.read(path)
    edit(nb)
    notebooks.write(nb, path)


def test_a_good_notebook_passes(good):
    assert checks.problems(good) == []


def test_closing_sections_are_asked_of_chapters_alone(good):
    change(good, in_prose("## Remember", "# B"))
    page = good.rename(good.with_name("page.ipynb"))
    assert checks.problems(page) == [
        "it must have exactly one title, a line that starts with '# '"
    ]


def in_prose(old, new):
    def edit(nb):
        assert old in nb.cells[1].source
        nb.cells[1].source = nb.cells[1].source.replace(old, new)

    return edit


def in_output(text):
    def edit(nb):
        nb.cells[2].outputs[0].text = f"0.50 {text}\n"

    return edit


def set_count(nb):
    nb.cells[2].execution_count = 7


def add_error(nb):
    nb.cells[2].outputs.append(
        nbformat.v4.new_output("error", ename="KeyError", evalue="1", traceback=[])
    )


def add_stderr(nb):
    nb.cells[2].outputs.append(
        nbformat.v4.new_output("stream", name="stderr", text="careful")
    )


def drop_alt(nb):
    nb.cells[3].metadata = {}


def drop_set_up(nb):
    del nb.cells[0]


def add_widget_view(nb):
    nb.cells[3].outputs[0].data[notebooks.WIDGET_VIEW] = {"model_id": "0f1e2d"}


def grow(nb):
    nb.cells[3].outputs[0].data["image/png"] = "A" * (checks.MAX_BYTES + 1)


FAULTS = {
    "a decimal typed by hand": (in_prose("0.50", "0.51"), "says 0.51, which no cell"),
    "a source not listed": (in_prose("1706.03762", "1706.99999"), "references.bib"),
    "a dead link": (in_prose("An intro", "[An](none.ipynb) intro"), "leads nowhere"),
    "a link to a box": (
        in_prose("An intro", "[An](01_good.ipynb#claim-1-1) intro"),
        "the book knows headings only",
    ),
    "a role": (in_prose("An intro", "{ref}`x` intro"), "a role of MyST"),
    "a directive": (in_prose("An intro", "```{note}\n```\n"), "a directive of MyST"),
    "a label": (in_prose("An intro", "\n(label)=\nAn intro"), "a label of MyST"),
    "colons": (in_prose("An intro", "\n:::\nAn intro"), "a fence of colons"),
    "a formula in a summary": (
        in_prose("An intro", "<details><summary>A. $x$</summary></details> intro"),
        "formula in a <summary>",
    ),
    "a table without a head": (
        in_prose("An intro", "| | b |\n|---|---|\n| 1 | 2 |\n\nAn intro"),
        "column without a head",
    ),
    "open details": (in_prose("An intro", "<details>\n"), "opens 1 <details>"),
    "no alt text in prose": (in_prose("An intro", "![](x.png)"), "without alt text"),
    "another time": (in_prose("about 5", "about 50"), "about 5 minutes to read'"),
    "a prediction": (in_prose("An intro", "**Predict**: an intro"), "is not folded"),
    "a missing section": (in_prose("## Remember", ""), "closing sections must be"),
    "two titles": (in_prose("## Remember", "# B\n\n## Remember"), "exactly one title"),
    "a path": (in_output("/home/someone/x"), "path of one machine"),
    "an address": (in_output("<object at 0x7f0012345678>"), "memory address"),
    "out of order": (set_count, "not executed once, in order"),
    "an error": (add_error, "ended in KeyError"),
    "a warning": (add_stderr, "wrote to stderr"),
    "a figure without alt text": (drop_alt, "draws a figure that no alt text tells"),
    "a widget's view": (add_widget_view, "not in normal form"),
    "no set-up": (drop_set_up, "not in normal form"),
    "a large file": (grow, "more than 1,500,000"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found(good, fault):
    edit, words = FAULTS[fault]
    change(good, edit)
    assert any(words in problem for problem in checks.problems(good))


def test_a_failing_notebook_is_left_as_it_was(good, capsys):
    """An error in a cell: its message, exit 1, and nothing half-written."""
    before = good.read_bytes()
    assert main(["execute", str(good)]) == 1
    assert "NameError" in capsys.readouterr().out
    assert good.read_bytes() == before


@pytest.fixture
def chapter(tmp_path):
    """A copy of a chapter, beside the others that it links to."""
    shutil.copytree(ROOT / "chapters", tmp_path / "chapters")
    return tmp_path / "chapters" / "06_complexity.ipynb"


def lines_changed(before, after):
    """How many lines differ between two texts with as many lines."""
    pairs = zip(before.split("\n"), after.split("\n"), strict=True)
    return sum(old != new for old, new in pairs)


def test_a_typo_is_a_change_of_one_line(chapter):
    """A word of prose: one line, nothing to execute."""
    before, nb = chapter.read_text("utf-8"), notebooks.read(chapter)
    prose = next(
        c for c in nb.cells if c.cell_type == "markdown" and " the " in c.source
    )
    prose.source = prose.source.replace(" the ", " teh ", 1)
    nbformat.write(nb, chapter)  # as an editor does
    assert main(["tidy", str(chapter)]) == 0
    assert lines_changed(before, chapter.read_text("utf-8")) == 1
    assert checks.problems(chapter) == []
    assert not notebooks.stale(notebooks.read(chapter))


def changed(nb):
    notebooks.code(nb)[1].source += "\n# one more line"


def added(nb):
    nb.cells.insert(5, nbformat.v4.new_code_cell("1 + 1"))


def moved(nb):
    nb.cells.append(nb.cells.pop(nb.cells.index(notebooks.code(nb)[1])))


def taken_away(nb):
    nb.cells.remove(notebooks.code(nb)[1])


def cleared(nb):
    notebooks.code(nb)[1].execution_count = None


@pytest.mark.parametrize("edit", [changed, added, moved, taken_away, cleared])
def test_code_that_did_not_run_as_it_stands_is_found(chapter, edit):
    """Tidying does not hide it: only running does."""
    nb = notebooks.read(chapter)
    edit(nb)
    notebooks.write(nb, chapter)
    assert main(["tidy", str(chapter)]) == 0
    said = "its code was changed since it ran: `make notebooks`"
    assert said in checks.problems(chapter)


def test_tidying_twice_changes_nothing(chapter):
    before = chapter.read_bytes()
    nb = notebooks.read(chapter)
    nb.metadata["kernelspec"]["name"] = "mine"
    nb.cells[1].metadata["scrolled"] = True
    nb.cells[1].source += "  \n\n"
    nbformat.write(nb, chapter)
    assert chapter.read_bytes() != before
    assert main(["tidy", str(chapter)]) == 0
    assert chapter.read_bytes() == before
    assert main(["tidy", str(chapter)]) == 0
    assert chapter.read_bytes() == before


def test_a_copied_cell_gets_an_id_of_its_own(chapter):
    nb = notebooks.read(chapter)
    nb.cells.insert(3, nbformat.from_dict(nb.cells[2]))
    ids = [cell.id for cell in notebooks.tidy(nb).cells]
    assert len({*ids}) == len(ids)


def small(folder, name, source):
    """A notebook of one cell that did not run yet."""
    path = folder / name
    cells = [nbformat.v4.new_code_cell(source)]
    notebooks.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


@pytest.fixture
def course_of_two(tmp_path, monkeypatch):
    """A course of two small chapters, which ran."""
    paths = [small(tmp_path, f"{n}.ipynb", f"print({n})") for n in (1, 2)]
    monkeypatch.setattr(toc, "notebooks", lambda: paths)
    monkeypatch.setattr(exercises, "sources", list)
    assert main(["execute"]) == 0
    return paths


def test_only_notebooks_with_changed_code_run(course_of_two, capsys):
    one, two = course_of_two
    capsys.readouterr()
    assert main(["execute"]) == 0
    assert "no code was changed since it ran" in capsys.readouterr().out
    nb = notebooks.read(two)
    nb.cells[1].source = "print(3)"
    notebooks.write(nb, two)
    touched = one.stat().st_mtime_ns
    assert main(["execute"]) == 0
    assert "[1/1]" in capsys.readouterr().out
    assert one.stat().st_mtime_ns == touched
    assert notebooks.read(two).cells[1].outputs[0].text == "3\n"
    assert not notebooks.stale(notebooks.read(two))


def test_all_run_where_all_are_asked_for(course_of_two, capsys):
    capsys.readouterr()
    assert main(["execute", "--all"]) == 0
    assert "[2/2]" in capsys.readouterr().out


def test_executing_twice_gives_the_same_bytes(tmp_path):
    path = small(tmp_path, "small.ipynb", "for i in range(3):\n    print(i)\ni")
    assert main(["execute", str(path)]) == 0
    first = path.read_bytes()
    assert main(["execute", str(path)]) == 0
    assert path.read_bytes() == first
    outputs = notebooks.read(path).cells[1].outputs
    assert [o.output_type for o in outputs] == ["stream", "execute_result"]


WIDGET = """\
from attnlib.widgets import SoftmaxScale

SoftmaxScale(d_k=4)\
"""


def test_a_live_figure_is_stored_as_its_table(tmp_path):
    """Nothing of a kernel's widget, so two runs store the same bytes."""
    path = small(tmp_path, "live.ipynb", WIDGET)
    assert main(["execute", str(path)]) == 0
    first = path.read_bytes()
    assert main(["execute", str(path)]) == 0
    assert path.read_bytes() == first
    stored = notebooks.read(path)
    assert {*stored.cells[1].outputs[0].data} == {"text/plain", "text/html"}
    assert {*stored.metadata} == {"kernelspec", "language_info"}


EMPTY = notebooks.as_text(nbformat.v4.new_notebook())


@pytest.mark.parametrize("verb", ["execute", "check", "tidy"])
@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("none.ipynb", None, "no such notebook: "),
        ("page.md", "# Page", "page.md cannot be read as a notebook"),
        ("half.ipynb", '{"cells": [', "half.ipynb cannot be read as a notebook"),
        ("exercises/my.ipynb", "{}", "cannot be read as a notebook"),
        ("exercises/99_x.ipynb", EMPTY, "99_x.ipynb must start with the number of"),
        ("chapters/exercises/x.ipynb", EMPTY, "made from its source exercises/x.ipynb"),
    ],
)
def test_a_file_of_the_wrong_kind_is_named(tmp_path, capsys, verb, name, text, said):
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if text is not None:
        path.write_text(text, encoding="utf-8")
    assert main([verb, str(path)]) == 2
    assert capsys.readouterr().err.startswith(f"{verb}: ")
    assert main([verb, str(path)]) == 2
    assert said in capsys.readouterr().err
    assert text is None or path.read_text(encoding="utf-8") == text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "the following arguments are required: VERB"),
        (["exekute"], "invalid choice: 'exekute'"),
        (["check", "--fast"], "unrecognized arguments: --fast"),
        (["skeleton"], "the following arguments are required: chapter"),
        (["skeleton", "12"], "invalid choice: 12"),
        (["mistakes", "3"], "unrecognized arguments: 3"),
        (["guide", "3"], "unrecognized arguments: 3"),
        (["address"], "give an address, or --check"),
        (["timings", "now"], "unrecognized arguments: now"),
    ],
)
def test_a_verb_says_what_it_takes(capsys, arguments, said):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    "term",
    [
        "recurrent neural network",
        "long short-term memory",
        "transformer",
        "multilayer perceptron",
        "cross-entropy",
        "softmax function",
        "bias–variance tradeoff",
        "natural language processing",
    ],
)
def test_the_glossary_has_every_link_of_the_note(term):
    """An entry of its own, which links to a chapter."""
    text = (ROOT / "chapters/glossary.md").read_text(encoding="utf-8")
    entry = re.search(rf"(?m)^{term}\b.*\n((?:  .*\n)+)", text)
    assert entry
    assert re.search(r"\]\(\d\d_\w+\.ipynb\)", entry[1])


def run_without_weights(chapter):
    """Run a chapter where SmolLM2 is missing; return (source, text) from there on."""
    nb = notebooks.read(ROOT / "chapters" / f"{chapter}.ipynb")
    place = next(
        i for i, cell in enumerate(nb.cells) if "load_or_leave_out(" in cell.source
    )
    hide = nbformat.v4.new_code_cell("smollm.PACKAGE = 'no_such_package'")
    nb.cells.insert(place, hide)
    nbclient.NotebookClient(nb, timeout=120).execute()
    return [
        (cell.source, "".join(output.get("text", "") for output in cell.outputs))
        for cell in nb.cells[place + 1 :]
        if cell.cell_type == "code"
    ]


def test_the_language_model_s_chapter_runs_without_its_weights():
    """It says how to get them, and each cell below says that it was left out."""
    cells = run_without_weights("13_language_model")
    told, *below = (text for _, text in cells)
    assert "requirements-model.txt" in told
    assert len(below) > 10
    assert {*below} == {"left out: needs the weights\n"}


@pytest.mark.parametrize(
    ("chapter", "others"), [("15_attention_today", 10), ("in_depth_15_hybrids", 9)]
)
def test_attention_today_runs_without_the_language_model(chapter, others):
    """The cells that need its weights say so, all others run."""
    below = run_without_weights(chapter)[1:]
    left_out = [text == "left out: needs the weights\n" for _, text in below]
    assert left_out == ["smol" in source for source, _ in below]
    assert 3 < sum(left_out) < 10
    assert others < len(below) - sum(left_out)
