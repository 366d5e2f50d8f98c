"""Lines that a notebook understands and Python does not. The worker uses this, too."""

import re

BODY_STAYS = ("%%time", "%%timeit", "%%capture", "%%prun")
MAGIC = re.compile(r"^(\s*)(?:%{1,2}[A-Za-z]|!{1,2}|\?|[\w.]+\?{1,2}\s*$)")


def without_magics(source):
    """Return code that is no Python without its magic lines, and how many these were.

    Each leaves a `pass`, so that an indented block keeps its body. A cell that is all
    magic (%%bash) leaves nothing.
    """
    lines = source.split("\n")
    first = next((line for line in lines if line.strip()), "")
    if first.startswith("%%") and first.split()[0] not in BODY_STAYS:
        return "", len(lines)
    kept = [MAGIC.sub(r"\1pass  # ", line) for line in lines]
    return "\n".join(kept), sum(a != b for a, b in zip(lines, kept, strict=True))
