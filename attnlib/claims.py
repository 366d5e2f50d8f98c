"""The note's statements, and what a chapter shows of each.

A chapter calls `claim` where the evidence is. The call raises EvidenceError when the
evidence does not hold, so a box in a chapter says what was true when it ran. The last
chapter reads the boxes that the chapters stored, and fails when a statement is missing.
"""

import collections
import dataclasses
import html
import json
import operator
import pathlib
import re

VERDICTS = ("holds", "holds if", "corrected")
KINDS = ("experiment", "derivation", "source")
RELATIONS = {
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    ">=": operator.ge,
    ">": operator.gt,
}

STATEMENTS = {
    "1.1": "Importance weights instead of treating all inputs equally.",
    "2.1": "In RNNs, information flows sequentially.",
    "2.2": "In RNNs, long-range dependencies are hard to learn.",
    "2.3": "A fixed-size hidden state limits memory.",
    "2.4": "Attention has direct access to all input tokens.",
    "2.5": "The weighting of information is dynamic: it depends on the input.",
    "3.1": "For a query: compare with all keys, score, turn into weights, sum values.",
    "4.1": "Attention(Q, K, V) = softmax(Q K^T / sqrt(d_k)) V.",
    "4.2": "Q K^T is a matrix of similarity scores.",
    "4.3": "d_k, the key dimension, sets the scaling factor.",
    "4.4": "Softmax converts scores into probabilities.",
    "5.1": "A query is what a token looks for.",
    "5.2": "A key is what a token offers.",
    "5.3": "A value is the information to aggregate.",
    "5.4": 'For "it", attention assigns high weight to "animal".',
    "6.1": "Dot products grow large in high dimensions.",
    "6.2": "Scaling prevents extremely large values.",
    "6.3": "Scaling prevents vanishing gradients after the softmax.",
    "7.1": "In self-attention, Q, K and V come from the same sequence.",
    "7.2": "Each token attends to every other token of the sequence.",
    "7.3": "Self-attention is the core of transformers.",
    "8.1": "Multi-head attention runs several attention heads in parallel.",
    "8.2": "Each head learns different relationships.",
    "8.3": "The heads' outputs are concatenated.",
    "8.4": "Several heads improve the power of representation.",
    "9.1": "Attention models long-range dependencies directly.",
    "9.2": "Attention is fully parallelizable.",
    "9.3": "Attention needs no recurrence.",
    "9.4": "Attention models context flexibly.",
    "10.1": "Self-attention costs O(n^2) in the sequence length n.",
    "10.2": "Self-attention is expensive for long sequences.",
    "11.1": "Sequential processing: an RNN yes, attention no.",
    "11.2": "Long-range modelling: in an RNN indirect, in attention direct.",
    "11.3": "Parallelizable: an RNN no, attention yes.",
    "11.4": "Memory bottleneck: in an RNN the hidden state, in attention none.",
    "12.1": "Attention is used with the cross-entropy loss in language modelling.",
    "12.2": "Attention is used with a softmax output.",
    "13.1": "Attention is used in machine translation.",
    "13.2": "Attention is used in text summarization.",
    "13.3": "Attention is used in question answering.",
    "13.4": "Attention is used in large language models.",
    "13.5": "Attention is used in vision transformers.",
    "14.1": "Attention increases model capacity.",
    "14.2": "Attention increases expressiveness.",
    "14.3": "Attention increases the risk of overfitting.",
    "14.4": "Attention increases the need for data.",
    "15.1": "Attention connects to transformers.",
    "15.2": "Attention connects to recurrent neural networks.",
    "15.3": "Attention connects to long short-term memory.",
    "15.4": "Attention connects to the multilayer perceptron.",
    "15.5": "Attention connects to cross-entropy.",
    "15.6": "Attention connects to natural language processing.",
    "16.1": "Attention teaches dynamic weighting of information.",
    "16.2": "Attention teaches context-aware representation learning.",
    "16.3": "Attention teaches direct modelling of dependencies.",
    "16.4": "Attention is the foundation of modern AI systems.",
    "16.5": "Attention is the core innovation of transformers and LLMs.",
}


class EvidenceError(AssertionError):
    """The evidence for a statement does not hold."""


@dataclasses.dataclass(frozen=True)
class Claim:
    """A statement of the note with its verdict; shows itself as a box."""

    number: str
    verdict: str
    because: str
    evidence: tuple
    kind: str

    @property
    def statement(self):
        """What the note says."""
        return STATEMENTS[self.number]

    def __repr__(self):
        lines = [f"Statement {self.number}: {self.statement}", f"Verdict: {self}"]
        return "\n".join([*lines, *(f"  - {line}" for line in self.evidence)])

    def __str__(self):
        return f"{self.verdict}: {self.because}" if self.because else self.verdict

    def _repr_html_(self):
        items = "".join(f"<li>{html.escape(line)}</li>" for line in self.evidence)
        return (
            f'<div class="claim" id="claim-{self.number.replace(".", "-")}" '
            f'data-claim="{html.escape(json.dumps(dataclasses.asdict(self)))}" '
            'style="border-left: 4px solid; padding: 0.4em 1em; margin: 1em 0">'
            f"<p><strong>Statement {self.number} of the note.</strong> "
            f"{html.escape(self.statement)}</p>"
            f"<p><strong>Verdict:</strong> {html.escape(str(self))}</p>"
            f"<p>Evidence ({self.kind}):</p><ul>{items}</ul></div>"
        )


def claim(number, verdict, because="", *, kind="experiment", evidence):
    """State a verdict on statement `number` of the note, if the evidence holds.

    verdict: "holds", "holds if" or "corrected"; the last two say in `because` what it
        depends on, or what is true instead.
    evidence: maps what was found to a bool, or to (value, relation, bound) with a
        relation among < <= == >= >; for kind "source", to the source's address.

    Returns a Claim, which a notebook shows as a box. Raises EvidenceError, which names
    what failed, when any of it is not true; ValueError for a call that makes no sense.
    """
    if number not in STATEMENTS:
        raise ValueError(f"number must be one of the note's statements, got {number!r}")
    if verdict not in VERDICTS:
        raise ValueError(f"verdict must be one of {VERDICTS}, got {verdict!r}")
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {KINDS}, got {kind!r}")
    if verdict != "holds" and not because:
        raise ValueError(
            f"the verdict {verdict!r} needs `because`: say on what it rests"
        )
    if not evidence:
        raise ValueError(f"statement {number} needs evidence, got none")
    found = [weigh(what, shown, kind) for what, shown in evidence.items()]
    if failed := [line for line, true in found if not true]:
        raise EvidenceError(f"statement {number}, {verdict!r}: {'; '.join(failed)}")
    return Claim(number, verdict, because, tuple(line for line, _ in found), kind)


def weigh(what, shown, kind):
    """Return a piece of evidence as a line, and whether it is true."""
    if kind == "source":
        return f"{what}: {shown}", str(shown).startswith("https://")
    if isinstance(shown, tuple):
        value, relation, bound = shown
        true = bool(RELATIONS[relation](value, bound))
        return f"{what}: {rounded(value)} {relation} {rounded(bound, 3)}", true
    if str(shown) not in ("True", "False"):
        raise ValueError(
            f"evidence {what!r} must be a bool or (value, relation, bound), got "
            f"{shown!r}"
        )
    return what, bool(shown)


def rounded(number, digits=2):
    """Write a number with the digits that count, so that machines agree on it."""
    if float(number).is_integer() and abs(number) < 1e15:
        return f"{int(number):,}"
    return f"{float(number):.{digits}g}"


def stored_claims(path):
    """Return the claims whose boxes a notebook stores, in the order of its cells."""
    found = []
    for cell in json.loads(pathlib.Path(path).read_text(encoding="utf-8"))["cells"]:
        for output in cell.get("outputs", []):
            shown = "".join(output.get("data", {}).get("text/html", []))
            for box in re.findall(
                r'<div class="claim"[^>]*data-claim="([^"]*)"', shown
            ):
                data = json.loads(html.unescape(box))
                found.append(Claim(**data | {"evidence": tuple(data["evidence"])}))
    return found


def check_complete(claims):
    """Raise EvidenceError unless each statement has one claim, with evidence."""
    counts = collections.Counter(claim.number for claim in claims)
    missing = [number for number in STATEMENTS if not counts[number]]
    doubled = [number for number, count in counts.items() if count > 1]
    unknown = [number for number in counts if number not in STATEMENTS]
    empty = [claim.number for claim in claims if not claim.evidence]
    faults = {
        "missing": missing,
        "doubled": doubled,
        "unknown": unknown,
        "without evidence": empty,
    }
    if any(faults.values()):
        told = (
            f"{what}: {', '.join(which)}" for what, which in faults.items() if which
        )
        raise EvidenceError(f"the note is not fully checked; {'; '.join(told)}")
