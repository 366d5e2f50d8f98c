"""A claim is shown when its evidence holds, and raises when it does not."""

import dataclasses
import html
import json
import re

import numpy as np
import pytest

from attnlib.claims import (
    STATEMENTS,
    EvidenceError,
    check_complete,
    claim,
    stored_claims,
)


def test_a_claim_that_holds_says_so():
    box = claim(
        "6.1", "holds", evidence={"variance / d_k": (np.float64(1.004), ">", 0.5)}
    )
    assert "Statement 6.1" in repr(box)
    assert "variance / d_k: 1 > 0.5" in repr(box)
    assert 'id="claim-6-1"' in box._repr_html_()


def test_a_box_carries_its_data():
    """What a program reads from the stored HTML is what was claimed."""
    why = 'a "quoted" <reason>'
    box = claim("6.1", "holds if", why, kind="derivation", evidence={"a": True})
    stored = re.search(r'data-claim="([^"]*)"', box._repr_html_())[1]
    assert json.loads(html.unescape(stored)) == {
        "number": "6.1",
        "verdict": "holds if",
        "because": why,
        "evidence": ["a"],
        "kind": "derivation",
    }


@pytest.mark.parametrize(
    "evidence",
    [
        {"a": (1.0, "<", 0.5)},
        {"a": False},
        {"a": np.bool_(False)},
        {"fine": True, "a": (2, "==", 3)},
        {"a": (float("nan"), "<", 0.5)},
    ],
)
def test_evidence_that_fails_raises(evidence):
    """Turned round, every kind of evidence raises, and names itself."""
    with pytest.raises(EvidenceError, match=r"statement 6\.1.*a"):
        claim("6.1", "holds", evidence=evidence)


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
    with pytest.raises(ValueError, match="must be a bool"):
        claim("6.1", "holds", evidence={"a": "yes"})
    with pytest.raises(ValueError, match="kind"):
        claim("6.1", "holds", kind="rumour", evidence={"a": True})


def test_a_source_is_an_address():
    source = {"Vaswani et al. 2017": "https://arxiv.org/abs/1706.03762"}
    assert "1706.03762" in repr(claim("7.3", "holds", kind="source", evidence=source))
    with pytest.raises(EvidenceError):
        claim("7.3", "holds", kind="source", evidence={"somebody": "said so"})


def test_text_is_escaped():
    box = claim("6.1", "corrected", "<img src=x>", evidence={"a <b>": True})
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


def test_stored_boxes_are_read_back(tmp_path):
    boxes = [
        claim("6.1", "holds if", 'a "b" & <c>', evidence={"x": (1.5, "<", 2)}),
        claim("10.1", "corrected", "memory", kind="derivation", evidence={"y": True}),
    ]
    (tmp_path / "a.ipynb").write_text(notebook_with(*boxes), encoding="utf-8")
    assert stored_claims(tmp_path / "a.ipynb") == boxes


def test_a_full_list_is_complete():
    check_complete([claim(n, "holds", evidence={"x": True}) for n in STATEMENTS])


@pytest.mark.parametrize("fault", ["missing: 6.1", "doubled: 6.1"])
def test_a_list_with_a_gap_or_a_double_is_not(fault):
    numbers = [n for n in STATEMENTS if n != "6.1"] + ["6.1"] * 2 * ("dou" in fault)
    with pytest.raises(EvidenceError, match=fault):
        check_complete([claim(n, "holds", evidence={"x": True}) for n in numbers])


def test_a_claim_without_evidence_is_found():
    claims = [claim(n, "holds", evidence={"x": True}) for n in STATEMENTS]
    claims[0] = dataclasses.replace(claims[0], evidence=())
    with pytest.raises(EvidenceError, match=r"without evidence: 1\.1"):
        check_complete(claims)
