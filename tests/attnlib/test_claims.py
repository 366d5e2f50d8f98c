"""A claim is shown when its evidence holds, and raises when it does not."""

import dataclasses
import html
import json
import re

import numpy as np
import pytest

from attnlib import claims
from attnlib.claims import (
    STATEMENTS,
    EvidenceError,
    check_complete,
    claim,
    stored_claims,
)
from course import bibliography
from course.paths import ROOT

FAILS = {"chance": (0.1, ">", 0.9)}


def test_a_claim_that_holds_says_so():
    evidence = {"variance / d_k": (np.float64(1.004), ">", 0.5)}
    rivals = {"of equal entries": (0.0, ">", 0.5)}
    box = claim("6.1", "holds", evidence=evidence, rivals=rivals)
    assert "Statement 6.1" in repr(box)
    assert "variance / d_k: 1 > 0.5" in repr(box)
    assert 'id="claim-6-1"' in box._repr_html_()


def test_a_box_carries_its_data():
    """What a program reads from the stored HTML is what was claimed."""
    why = 'a "quoted" <reason>'
    box = claim("6.1", "holds if", why, kind="derivation", evidence={"a": (1, ">", 0)})
    stored = re.search(r'data-claim="([^"]*)"', box._repr_html_())[1]
    assert json.loads(html.unescape(stored)) == {
        "number": "6.1",
        "verdict": "holds if",
        "because": why,
        "evidence": ["a: 1 > 0"],
        "kind": "derivation",
    }


@pytest.mark.parametrize(
    "evidence",
    [
        {"a": (1.0, "<", 0.5)},
        {"a": ([0.1, 0.6], "<", 0.5)},
        {"fine": (1, ">", 0), "a": (2, "==", 3)},
    ],
)
def test_evidence_that_fails_raises(evidence):
    """Turned round, every piece of evidence raises, and names itself."""
    with pytest.raises(EvidenceError, match=r"statement 6\.1.*a"):
        claim("6.1", "holds", evidence=evidence, rivals=FAILS)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (("6.9", "holds"), "number"),
        (("6.1", "true"), "verdict"),
        (("6.1", "holds if"), "because"),
        (("6.1", "corrected"), "because"),
    ],
)
def test_a_claim_that_makes_no_sense(call, words):
    with pytest.raises(ValueError, match=words):
        claim(*call, evidence={"a": True})


def test_no_evidence_is_refused():
    with pytest.raises(ValueError, match="needs evidence"):
        claim("6.1", "holds", evidence={})
    with pytest.raises(ValueError, match=r"must be \(measured, relation, bound\)"):
        claim("6.1", "holds", evidence={"a": "yes"})
    with pytest.raises(ValueError, match="kind"):
        claim("6.1", "holds", kind="rumour", evidence={"a": (1, ">", 0)})


def test_a_source_stands_in_the_bibliography():
    source = {"Vaswani et al. 2017": "https://arxiv.org/abs/1706.03762"}
    assert "1706.03762" in repr(claim("7.3", "holds", kind="source", evidence=source))
    for made_up in ("said so", "https://", "https://arxiv.org/abs/9999.99999"):
        with pytest.raises(ValueError, match="in the bibliography"):
            claim("7.3", "holds", kind="source", evidence={"somebody": made_up})


def test_the_stored_bibliography_is_that_of_the_book():
    assert bibliography.STORED.read_text(encoding="utf-8") == bibliography.text()
    assert len(claims.sources()) > 70


# ----------------------------------------------------------------------- rivals


def test_a_rival_that_fails_is_shown():
    box = claim(
        "16.5",
        "holds",
        evidence={"attention": ([0.97, 0.99], ">", 0.9)},
        rivals={"plain average": (np.array([0.2, 0.4, 0.3]), ">", 0.9)},
    )
    assert box.evidence == ("attention, smallest of 2: 0.97 > 0.9",)
    assert box.rivals == ("plain average, largest of 3: 0.4, not > 0.9",)
    assert box.rivals[0] in html.unescape(box._repr_html_())
    assert "rival: plain average" in repr(box)


def test_a_rival_that_passes_once_is_too_many():
    with pytest.raises(EvidenceError, match=r"the rival passes, too: .*0\.95"):
        claim(
            "16.5",
            "holds",
            evidence={"attention": (0.97, ">", 0.9)},
            rivals={"fixed mixer": ([0.1, 0.95], ">", 0.9)},
        )


@pytest.mark.parametrize(
    ("relation", "line"),
    [
        ("<", "x, largest of 2: 3 < 5"),
        ("<=", "x, largest of 2: 3 <= 5"),
        (">", "x, smallest of 2: 2 > 1"),
        (">=", "x, smallest of 2: 2 >= 1"),
    ],
)
def test_of_several_runs_the_worst_decides(relation, line):
    bound = 5 if "<" in relation else 1
    found, true = claims.weigh("x", ([2, 3], relation, bound))
    assert (found, true) == (line, True)
    _, true = claims.weigh("x", ([2, 3], relation, 2.5))
    assert not true


def test_of_several_runs_each_must_equal_the_bound():
    assert claims.weigh("x", ([4, 4], "==", 4))[1]
    assert claims.weigh("x", ([4, 7], "==", 4)) == (
        "x, farthest of 2: 7 == 4",
        False,
    )


@pytest.mark.parametrize(
    "evidence",
    [
        {"the sky is blue": True},
        {"all close": np.bool_(True)},
        {"runs": np.array([True, True])},
        {"hidden": (True, "==", True)},
        {"empty": ([], ">", 0)},
        {"nothing": (float("nan"), ">", 0)},
        {"relation": (1, "~", 0)},
        {"no tuple": 3.5},
    ],
)
@pytest.mark.parametrize("kind", ["experiment", "derivation"])
def test_what_is_no_measurement_is_refused(kind, evidence):
    with pytest.raises(ValueError, match=next(iter(evidence))):
        claim("16.5", "holds", kind=kind, evidence=evidence, rivals=FAILS)


def test_an_experiment_without_a_rival_is_refused():
    with pytest.raises(ValueError, match="needs a rival"):
        claim("16.5", "holds", evidence={"attention": (0.97, ">", 0.9)})
    claim("16.5", "holds", kind="derivation", evidence={"error": (1e-9, "<", 1e-6)})


@pytest.mark.parametrize(
    "rival", [(0.5, ">", 0.8), (0.95, "<", 0.9), (float("nan"), ">", 0.9), False]
)
def test_a_rival_meets_the_bound_of_the_evidence(rival):
    """An easier bound, another relation, or no measurement is no rival."""
    with pytest.raises(ValueError, match="chance"):
        claim(
            "16.5",
            "holds",
            evidence={"attention": (0.97, ">", 0.9)},
            rivals={"chance": rival},
        )


def test_a_finding_is_held_to_the_same_rules():
    evidence, rivals = {"with": ([0.9, 0.8], ">", 0.5)}, {"without": (0.1, ">", 0.5)}
    box = claims.finding("it <helps>", evidence=evidence, rivals=rivals)
    assert box.evidence == ("with, smallest of 2: 0.8 > 0.5",)
    assert box.rivals == ("without: 0.1, not > 0.5",)
    shown = box._repr_html_()
    assert "it &lt;helps&gt;" in shown
    assert html.escape(box.rivals[0]) in shown
    assert "data-claim" not in shown  # no statement of the note: not in the ledger
    assert "rival: without" in repr(box)
    with pytest.raises(ValueError, match="needs a rival"):
        claims.finding("x", evidence=evidence, rivals={})
    with pytest.raises(ValueError, match="needs evidence"):
        claims.finding("x", evidence={}, rivals=rivals)
    with pytest.raises(EvidenceError, match=r"'x': with: 0\.2 > 0\.5"):
        claims.finding("x", evidence={"with": (0.2, ">", 0.5)}, rivals=rivals)
    with pytest.raises(EvidenceError, match=r"'x': the rival passes, too: without"):
        claims.finding("x", evidence=evidence, rivals={"without": (0.6, ">", 0.5)})
    with pytest.raises(ValueError, match="sky"):
        claims.finding("x", evidence={"the sky": True}, rivals=rivals)


LINE = re.compile(r"(.*): (\S+?),?( not)? (<=?|==|>=?) (\S+)")
CLAIMS = [
    pytest.param(found, id=found.number)
    for path in sorted((ROOT / "chapters").glob("*.ipynb"))
    for found in stored_claims(path)
    if found.kind != "source"
]
ROUND = {"<": ">=", "<=": ">", ">": "<=", ">=": "<"}


def measured(lines):
    """Return lines of a stored box as what they were made of."""
    found = {}
    for line in lines:
        what, number, _, relation, bound = LINE.fullmatch(line).groups()
        value, bound = (float(n.replace(",", "")) for n in (number, bound))
        found[what] = (value, relation, bound)
    return found


def again(box, **changed):
    """Make the claim of a stored box again."""
    parts = {"evidence": measured(box.evidence), "rivals": measured(box.rivals)}
    return claim(box.number, box.verdict, box.because, kind=box.kind, **parts | changed)


@pytest.mark.parametrize("box", CLAIMS)
def test_each_bound_turned_round_raises(box):
    """And what stands in the box passes."""
    again(box)
    for what, (value, relation, bound) in measured(box.evidence).items():
        if relation == "==":
            turned = {what: (value + 1, "==", bound)}
        else:
            turned = {what: (value, ROUND[relation], bound)}
        with pytest.raises(EvidenceError, match=re.escape(what)):
            again(box, evidence=measured(box.evidence) | turned)


@pytest.mark.parametrize("box", CLAIMS)
def test_each_rival_in_the_place_of_the_evidence_raises(box):
    for what, shown in measured(box.rivals).items():
        with pytest.raises(EvidenceError, match=re.escape(what)):
            again(box, evidence=measured(box.evidence) | {what: shown})


def test_text_is_escaped():
    evidence, rivals = {"a <b>": (1, ">", 0)}, {"c <b>": (0, ">", 0)}
    box = claim("6.1", "corrected", "<img src=x>", evidence=evidence, rivals=rivals)
    assert "<img" not in box._repr_html_()
    assert "<b>" not in box._repr_html_()


def test_every_section_of_the_note_has_statements():
    assert {int(number.partition(".")[0]) for number in STATEMENTS} == {*range(1, 17)}
    assert len(STATEMENTS) == 57


def notebook_with(*boxes):
    """The JSON of a notebook that stores these boxes, one cell each."""
    cells = [
        {"outputs": [{"data": {"text/html": box._repr_html_().splitlines(True)}}]}
        for box in boxes
    ]
    return json.dumps({"cells": [{"source": "no outputs"}, *cells]})


MEASURED = {"x": (1.5, "<", 2)}
RIVAL = {"y": (3, "<", 2)}


def test_stored_boxes_are_read_back(tmp_path):
    boxes = [
        claim("6.1", "holds if", 'a "b" & <c>', evidence=MEASURED, rivals=RIVAL),
        claim("10.1", "corrected", "memory", kind="derivation", evidence=MEASURED),
    ]
    (tmp_path / "a.ipynb").write_text(notebook_with(*boxes), encoding="utf-8")
    assert stored_claims(tmp_path / "a.ipynb") == boxes


def box_of(number):
    """A box with evidence and a rival, for whichever statement."""
    return claims.Claim(number, "holds", "", ("x: 2 > 1",), "experiment", ("y: 0",))


def test_a_full_list_is_complete():
    check_complete([box_of(n) for n in STATEMENTS])


@pytest.mark.parametrize("fault", ["missing: 6.1", "doubled: 6.1"])
def test_a_list_with_a_gap_or_a_double_is_not(fault):
    numbers = [n for n in STATEMENTS if n != "6.1"] + ["6.1"] * 2 * ("dou" in fault)
    with pytest.raises(EvidenceError, match=fault):
        check_complete([box_of(n) for n in numbers])


@pytest.mark.parametrize(
    ("part", "fault"),
    [("evidence", r"without evidence: 1\.1"), ("rivals", r"without a rival: 1\.1")],
)
def test_a_claim_that_lacks_a_part_is_found(part, fault):
    boxes = [box_of(n) for n in STATEMENTS]
    boxes[0] = dataclasses.replace(boxes[0], **{part: ()})
    with pytest.raises(EvidenceError, match=fault):
        check_complete(boxes)
