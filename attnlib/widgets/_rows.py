"""Rows of numbers that a reader may type: checked, and kept as tuples."""

import numbers

import traitlets


class NumberRows(traitlets.TraitType):
    """A table of finite numbers, kept as a tuple of tuples of floats.

    least, most: how many rows there may be. columns: how many numbers in each.
    limit: no number is further from 0 than this.

    Anything with rows is taken (lists, an array); traitlets.TraitError for the rest.
    """

    def __init__(self, default, *, least, most, columns, limit):
        """Keep the default, as floats, and what is asked of other values."""
        super().__init__(tuple(tuple(map(float, row)) for row in default))
        self.least, self.most = least, most
        self.columns, self.limit = columns, limit

    def validate(self, obj, value):
        """Return `value` as a tuple of tuples of floats, or raise TraitError."""
        if isinstance(value, str) or any(isinstance(row, str) for row in listed(value)):
            self.refuse(value)
        rows = tuple(tuple(listed(row)) for row in listed(value))
        if not self.least <= len(rows) <= self.most:
            self.refuse(value)
        if not all(len(row) == self.columns and self.good(row) for row in rows):
            self.refuse(value)
        return tuple(tuple(map(float, row)) for row in rows)

    def good(self, row):
        """Whether all of them are numbers within the limit."""
        return all(
            isinstance(x, numbers.Real)
            and not isinstance(x, bool)
            and abs(x) <= self.limit  # false for NaN, too
            for x in row
        )

    def refuse(self, value):
        """Raise a TraitError that says what must hold, what came, what to do."""
        count = f"{self.least}"
        if self.most > self.least:
            count += f" to {self.most}"
        came = " ".join(repr(value).split())
        raise traitlets.TraitError(
            f"{self.name} must hold {count} rows of {self.columns} numbers from "
            f"-{self.limit} to {self.limit}, "
            f"got {came if len(came) <= 60 else came[:57] + '...'}; "
            f"pass a list of rows like {[0] * self.columns}"
        )


def listed(value):
    """Return the items of `value`; none if it has none."""
    try:
        return list(value)
    except TypeError:
        return []
