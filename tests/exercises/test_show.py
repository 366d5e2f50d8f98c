"""The case that is shown when an answer is wrong: text, and HTML in a notebook."""

import html.parser
import subprocess
import sys

import nbclient
import nbformat
import numpy as np
import pytest

from attnlib.exercises import _show, get, judge
from tests.exercises.test_exercises import JUDGED, MISTAKES


def failure_of(name, answer):
    verdict = judge(get(name), answer, 0)
    assert not verdict.passed
    return get(name), verdict.failure


def second_row_late(query, key):
    scores = get("scaled_scores").reference(query, key)
    if scores.shape == (3, 5):
        scores[1, 4] += 1
    return scores


def test_text_shows_inputs_yours_and_right_and_marks_what_is_wrong():
    lines = _show.as_text(*failure_of("scaled_scores", second_row_late))
    assert lines[0] == "A case that fails: L=3 queries, S=5 keys, E=4 features."
    heads = [line for line in lines if "shape" in line]
    assert heads == [
        "  query  shape (3, 4)",
        "  key  shape (5, 4)",
        "  yours  shape (3, 5)",
        "  right  shape (3, 5)",
    ]
    yours = lines.index("  yours  shape (3, 5)")
    marked = [
        [c.endswith("*") for c in line.split()] for line in lines[yours + 1 :][:3]
    ]
    assert np.argwhere(marked).tolist() == [[1, 4]]
    assert lines[-1] == "  * marks what is wrong."


def test_numbers_are_those_of_the_case():
    exercise, failure = failure_of("attention_flops", lambda L, S, E, Ev: L * S)
    assert _show.as_text(exercise, failure) == [
        "A case that fails: one query, 7 keys, E=4, Ev=2.",
        "  L = 1",
        "  S = 7",
        "  E = 4",
        "  Ev = 2",
        "  yours = 7*",
        "  right = 84",
        "  * marks what is wrong.",
    ]


def test_an_exception_shows_what_is_right_alone():
    lines = _show.as_text(
        *failure_of("hard_lookup", lambda query, key, value: query @ key)
    )
    assert any(line.startswith("  right ") for line in lines)
    assert not any("yours" in line or "marks" in line for line in lines)


def test_of_a_large_array_the_part_is_shown_where_it_is_wrong():
    wrong = np.zeros((3, 20, 9), bool)
    wrong[2, 17, 8] = True
    row = _show.Row("yours", np.arange(540.0).reshape(3, 20, 9), wrong, True)
    first, *matrix = _show.lines_of(row)
    assert first == "  yours  shape (3, 20, 9), here [2, 14:, 3:]"
    assert len(matrix) == 6
    assert matrix[3].split()[-1] == "521*"
    right = _show.Row("right", row.value, wrong)
    assert _show.lines_of(right)[0].endswith("here [2, 14:, 3:]")
    assert "*" not in "".join(_show.lines_of(right))


def test_parts_of_a_result_have_names():
    exercise, failure = failure_of("lstm_step", lambda x, h, c, *ws: (h, c))
    labels = [row.label for rows in _show.rows_of(exercise, failure) for row in rows]
    assert labels[-4:] == ["yours, h", "yours, c", "right, h", "right, c"]
    _, failure = failure_of("lstm_step", lambda x, h, c, *ws: h)
    labels = [row.label for rows in _show.rows_of(exercise, failure) for row in rows]
    assert labels[-2:] == ["yours", "right"]


class Reader(html.parser.HTMLParser):
    """Notes the alternative texts, the marked cells, and that every tag is closed."""

    def __init__(self):
        super().__init__()
        self.open, self.alt, self.marked = [], [], 0

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.open.append(tag)
        if attrs.get("role") == "img":
            self.alt.append(attrs["aria-label"])
        self.marked += tag == "td" and "outline" in attrs["style"]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_html_is_whole_and_says_the_same_in_words():
    reader = Reader()
    reader.feed(_show.as_html(*failure_of("scaled_scores", second_row_late)))
    assert reader.open == []
    assert reader.marked == 1
    assert reader.alt == [
        "query, an array of shape (3, 4)",
        "key, an array of shape (5, 4)",
        "yours, an array of shape (3, 5): 1 of 15 entries are wrong, first at [1, 4]",
        "right, an array of shape (3, 5)",
    ]


def test_what_an_answer_returns_is_no_html():
    shown = _show.as_html(*failure_of("attention_flops", lambda *given: "<script>x"))
    assert "<script" not in shown
    assert "&lt;script" in shown


@pytest.mark.parametrize("exercise", JUDGED, ids=lambda e: e.name)
def test_every_mistake_can_be_shown_and_is_short(exercise):
    odd = [lambda *a, **k: None, lambda *a, **k: {"a": [1, None]}, lambda *a, **k: "a"]
    for answer in [mistake.function for mistake in exercise.mistakes] + odd:
        verdict = judge(exercise, answer, 0)
        if verdict.failure is None:
            assert verdict.message.startswith("Not answered yet")
            continue
        lines = _show.as_text(exercise, verdict.failure)
        assert len(lines) < 80
        assert max(map(len, lines)) <= 100
        reader = Reader()
        reader.feed(_show.as_html(exercise, verdict.failure))
        assert reader.open == []
        assert len(reader.alt) >= 2


def test_there_are_mistakes():
    assert len(MISTAKES) > 400


WRONG = (
    "from attnlib.exercises import check\n"
    "def score_variance(E, query_std, key_std):\n    return E\n"
    'check("score_variance", score_variance)'
)


def test_a_notebook_shows_html_and_the_message_does_not_repeat_it():
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(WRONG)])
    client = nbclient.NotebookClient(nb, kernel_name="python3", allow_errors=True)
    shown, error = client.execute().cells[0].outputs
    assert "<table" not in shown.data["text/plain"]
    assert shown.data["text/html"].startswith("<p>A case that fails: ")
    assert shown.data["text/plain"].startswith("A case that fails: ")
    assert error.ename == "NotYet"
    assert "A case that fails" not in "\n".join(error.traceback)


def test_a_terminal_shows_text():
    run = subprocess.run([sys.executable, "-c", WRONG], capture_output=True, text=True)
    assert "  query_std = " in run.stderr
    assert "  yours = " in run.stderr
    assert "<" not in run.stderr.split("NotYet: ")[1]
