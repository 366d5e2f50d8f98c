"""From what was right to points: the settings of an assignment at work."""

from dataclasses import dataclass, replace

from grading.scoring import Result


@dataclass
class Graded:
    """A student's result; whether it came late, by how many days, and what that costs.

    `penalty` is a share of the points; `handed` the file that counts.
    """

    result: Result
    late: bool
    days: int = 0
    penalty: float = 0.0
    handed: object = None

    @property
    def points(self):
        """All points so far, with the penalty."""
        scores = [row.score for row in self.result.rows if row.score is not None]
        return round(sum(scores) * (1 - self.penalty), 2)

    @property
    def open(self):
        """How many answers have no points yet."""
        return [row.score for row in self.result.rows].count(None)


def graded(handed, result, assignment, settings):
    """Return a Graded: a result with its points, and what lateness takes off."""
    worth = {question.name: question.points for question in assignment.questions}
    rows = [priced(row, worth[row.question], settings) for row in result.rows]
    days = settings.days(handed)
    result = replace(result, rows=rows)
    return Graded(result, days > 0, days, settings.penalty(days), handed)


def priced(row, points, settings):
    """Return a row with the points that the settings give."""
    if row.score is None:
        return replace(row, max=points)
    share = row.share if settings.partial_credit else float(row.share == 1)
    status, reason = row.status, row.reason
    if row.borrowed:
        reason = f"It uses {row.borrowed}: not in the task."
        if settings.attnlib == "no points":
            share, status = 0.0, "wrong"
    score = round(points * share, 2)
    return replace(row, score=score, max=points, status=status, reason=reason)


def best(attempts):
    """Return the place of the best of some Graded; of equals, the first."""
    return max(range(len(attempts)), key=lambda place: attempts[place].points)
