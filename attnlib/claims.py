"""The note's statements, and what a chapter shows of each.

A chapter calls `claim` where the evidence is. The call raises EvidenceError when the
evidence does not hold, so a box in a chapter says what was true when it ran. The last
chapter reads the boxes that the chapters stored, and fails when a statement is missing.
"""

import collections
import dataclasses
import functools
import html
import json
import operator
import pathlib
import re
from types import MappingProxyType

import numpy as np

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

SOURCES = pathlib.Path(__file__).with_name("sources.json")


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
    rivals: tuple = ()

    @property
    def statement(self):
        """What the note says."""
        return STATEMENTS[self.number]

    def __repr__(self):
        lines = [f"Statement {self.number}: {self.statement}", f"Verdict: {self}"]
        lines += [f"  - {line}" for line in self.evidence]
        lines += [f"  - rival: {line}" for line in self.rivals]
        return "\n".join(lines)

    def __str__(self):
        return f"{self.verdict}: {self.because}" if self.because else self.verdict

    def _repr_html_(self):
        data = dataclasses.asdict(self)
        if not self.rivals:
            del data["rivals"]
        rivals = f"<p>{RIVALS}:</p>{as_list(self.rivals)}" if self.rivals else ""
        return (
            f'<div class="claim" id="claim-{self.number.replace(".", "-")}" '
            f'data-claim="{html.escape(json.dumps(data))}" '
            'style="border-left: 4px solid; padding: 0.4em 1em; margin: 1em 0">'
            f"<p><strong>Statement {self.number} of the note.</strong> "
            f"{html.escape(self.statement)}</p>"
            f"<p><strong>Verdict:</strong> {html.escape(str(self))}</p>"
            f"<p>Evidence ({self.kind}):</p>{as_list(self.evidence)}{rivals}</div>"
        )


RIVALS = "Rivals, which must fail the same bound"


def as_list(lines):
    """Return lines as an HTML list."""
    return f"<ul>{''.join(f'<li>{html.escape(line)}</li>' for line in lines)}</ul>"


def claim(
    number,
    verdict,
    because="",
    *,
    kind="experiment",
    evidence,
    rivals=MappingProxyType({}),
):
    """State a verdict on statement `number` of the note, if evidence and rivals allow.

    verdict: "holds", "holds if" or "corrected"; the last two say in `because` what it
        depends on, or what is true instead.
    evidence: maps what was found to (measured, relation, bound), with a relation among
        < <= == >= >. What was measured is a number, or an array with one for each run,
        each of which must meet the bound. For kind "source": maps to the address of an
        entry of the bibliography.
    rivals: maps what would be so if the statement were false to (measured on the rival,
        relation, bound), with relation and bound of a piece of the evidence. Every
        number of a rival must fail that bound. An experiment needs at least one.

    Returns a Claim, which a notebook shows as a box. Raises EvidenceError, which names
    what failed, when the evidence does not hold or a rival does as well; ValueError for
    a call that makes no sense.
    """
    check_words(number, verdict, because, kind)
    if not evidence:
        raise ValueError(f"statement {number} needs evidence, got none")
    if kind == "source":
        return Claim(number, verdict, because, tuple(cited(evidence)), kind)
    found = [weigh(what, shown) for what, shown in evidence.items()]
    if failed := [line for line, true in found if not true]:
        raise EvidenceError(f"statement {number}, {verdict!r}: {'; '.join(failed)}")
    if kind == "experiment" and not rivals:
        raise ValueError(f"statement {number}: {NO_RIVAL}")
    return Claim(
        number,
        verdict,
        because,
        tuple(line for line, _ in found),
        kind,
        tuple(refuted(f"statement {number}", evidence, rivals)),
    )


NO_RIVAL = (
    "an experiment needs a rival, which fails the bound that the evidence meets; pass "
    "rivals={...}"
)


@dataclasses.dataclass(frozen=True)
class Finding:
    """What a chapter found that the note does not say; shows itself as a box."""

    sentence: str
    evidence: tuple
    rivals: tuple

    def __repr__(self):
        lines = [f"Found: {self.sentence}", *(f"  - {line}" for line in self.evidence)]
        return "\n".join(lines + [f"  - rival: {line}" for line in self.rivals])

    def _repr_html_(self):
        return (
            '<div class="claim" style="border-left: 4px solid; padding: 0.4em 1em; '
            'margin: 1em 0">'
            f"<p><strong>Found.</strong> {html.escape(self.sentence)}</p>"
            f"<p>Evidence (experiment):</p>{as_list(self.evidence)}"
            f"<p>{RIVALS}:</p>{as_list(self.rivals)}</div>"
        )


def finding(sentence, *, evidence, rivals):
    """State what an experiment found, beside the note's statements, if it did.

    evidence and rivals are those of `claim`, with the same errors.
    """
    if not rivals:
        raise ValueError(NO_RIVAL)
    found = [weigh(what, shown) for what, shown in evidence.items()]
    if not found:
        raise ValueError("a finding needs evidence, got none")
    if failed := [line for line, true in found if not true]:
        raise EvidenceError(f"{sentence!r}: {'; '.join(failed)}")
    beaten = tuple(refuted(repr(sentence), evidence, rivals))
    return Finding(sentence, tuple(line for line, _ in found), beaten)


def check_words(number, verdict, because, kind):
    """Raise ValueError for words that a claim does not know."""
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


def cited(evidence):
    """Yield a line for each source; raise ValueError for one that is not listed."""
    known = {entry["url"] for entry in sources().values()}
    for what, address in evidence.items():
        if address not in known:
            raise ValueError(
                f"source {what!r} must be an address in the bibliography, "
                f"chapters/references.bib, got {address!r}"
            )
        yield f"{what}: {address}"


@functools.cache
def sources():
    """Return the bibliography: key → {"title", "year", "url"}."""
    return json.loads(SOURCES.read_text(encoding="utf-8"))


def refuted(what_for, evidence, rivals):
    """Yield a line for each rival; raise where one passes."""
    bounds = [tuple(shown[1:]) for shown in evidence.values() if not is_bool(shown)]
    for what, shown in rivals.items():
        _, relation, bound = checked(what, shown)
        if (relation, bound) not in bounds:
            raise ValueError(
                f"rival {what!r} must meet relation and bound of a piece of the "
                f"evidence, {bounds}, got ({relation!r}, {bound!r})"
            )
        line, passes = weigh(what, shown, nearest=min)
        if passes:
            raise EvidenceError(f"{what_for}: the rival passes, too: {line}")
        yield line.replace(f" {relation} ", f", not {relation} ")


def checked(what, shown):
    """Return (numbers, relation, bound) of a measurement, or raise ValueError."""
    form = isinstance(shown, tuple) and len(shown) == 3 and shown[1] in RELATIONS
    if not form or is_bool(shown[0]):
        raise ValueError(
            f"{what!r} must be (measured, relation, bound) with a number and one of "
            f"{' '.join(RELATIONS)}, got {shown!r}"
        )
    numbers = np.asarray(shown[0], dtype=float).ravel()
    if not numbers.size or np.isnan(numbers).any():
        raise ValueError(f"{what!r} must hold numbers, got {shown[0]!r}")
    return numbers, *shown[1:]


def weigh(what, shown, nearest=max):
    """Return a measurement as a line, and whether it meets its bound.

    Of several numbers the line shows the one farthest on the wrong side, by which all
    meet the bound or not; with nearest=min the one farthest on the right side, by which
    none does.
    """
    numbers, relation, bound = checked(what, shown)
    sign = -1 if relation in (">", ">=") else 1
    distance = np.abs(numbers - bound) if relation == "==" else sign * numbers
    number = numbers[distance == nearest(distance)][0]
    if numbers.size > 1:
        words = {"==": "nearest" if nearest is min else "farthest"}
        large = (sign > 0) == (nearest is max)
        what = f"{what}, {words.get(relation, 'largest' if large else 'smallest')}"
        what += f" of {numbers.size}"
    line = f"{what}: {rounded(number)} {relation} {rounded(bound, 3)}"
    return line, bool(RELATIONS[relation](number, bound))


def is_bool(shown):
    """Say whether something is True or False, or an array of such."""
    return not isinstance(shown, tuple) and np.asarray(shown).dtype == bool


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
                lines = {k: tuple(v) for k, v in data.items() if isinstance(v, list)}
                found.append(Claim(**data | lines))
    return found


def check_complete(claims):
    """Raise EvidenceError unless each statement has one claim, with evidence."""
    counts = collections.Counter(claim.number for claim in claims)
    missing = [number for number in STATEMENTS if not counts[number]]
    doubled = [number for number, count in counts.items() if count > 1]
    unknown = [number for number in counts if number not in STATEMENTS]
    empty = [claim.number for claim in claims if not claim.evidence]
    alone = [
        claim.number
        for claim in claims
        if claim.kind == "experiment" and not claim.rivals
    ]
    faults = {
        "missing": missing,
        "doubled": doubled,
        "unknown": unknown,
        "without evidence": empty,
        "without a rival": alone,
    }
    if any(faults.values()):
        told = (
            f"{what}: {', '.join(which)}" for what, which in faults.items() if which
        )
        raise EvidenceError(f"the note is not fully checked; {'; '.join(told)}")
