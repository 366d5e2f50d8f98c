"""Calls of attnlib's own functions are found, however they are written."""

import pytest

from grading.borrowed import HIDDEN, UNREAD, borrowed
from tests.grading.hostile import books

GIVEN = "import math\nimport attnlib\nfrom attnlib.exercises import check"
HEAD = "def scaled_scores(query, key):\n    "
CALL = "(query, key)"


@pytest.mark.parametrize(
    ("cells", "used"),
    [
        ([HEAD + "return attnlib.attention_scores" + CALL], "attention_scores"),
        ([HEAD + "import attnlib as a\n    return a.softmax" + CALL], "softmax"),
        ([HEAD + "from attnlib import softmax as s\n    return s" + CALL], "softmax"),
        (["from attnlib import softmax", HEAD + "return softmax" + CALL], "softmax"),
        (["from attnlib import *", HEAD + "return softmax" + CALL], "softmax"),
        ([HEAD + "from attnlib.core import softmax as s\n    return s(1)"], "softmax"),
        ([HEAD + "return getattr(attnlib, 'softmax')" + CALL], "softmax"),
        ([HEAD + "return getattr(attnlib, 'soft' + 'max')" + CALL], HIDDEN),
        (["a = attnlib", HEAD + "return a.softmax" + CALL], "softmax"),
        (["f = attnlib.softmax", HEAD + "return f" + CALL], "softmax"),
        (["scaled_scores = attnlib.attention_scores"], "attention_scores"),
        (["def f(x):\n    return attnlib.softmax(x)", HEAD + "return f(1)"], "softmax"),
        ([HEAD + "return __import__('attnlib').softmax" + CALL], "softmax"),
        (["import sys", HEAD + "return sys.modules['attnlib'].softmax(1)"], "softmax"),
        (
            [
                "import importlib as i\nm = i.import_module('attnlib')",
                HEAD + "return m.softmax(1)",
            ],
            "softmax",
        ),
        (["%matplotlib inline\nf = attnlib.softmax", HEAD + "return f(1)"], "softmax"),
        ([HEAD + books.SOLUTIONS["scaled_scores"]], None),
        (["f = attnlib.softmax", HEAD + "return query"], None),
        (["check('scaled_scores', 1)", HEAD + "return check" + CALL], None),
        ([HEAD + "softmax = query\n    return softmax"], None),
        (["def (", HEAD + "return query"], None),
        ([HEAD + "return attnlib" + ".real" * 5_000], UNREAD),
        ([HEAD + "return query" + "\n" * 200_000], UNREAD),
    ],
)
def test_what_an_answer_takes_from_attnlib(cells, used):
    assert borrowed("scaled_scores", [GIVEN, *cells]) == ({used} if used else set())
