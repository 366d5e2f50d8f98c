"""The versions that CHANGELOG.md tells of."""

import re

VERSION = re.compile(r"(?m)^## \[(?P<version>[^\]]+)\] - (?P<day>\d{4}-\d\d-\d\d)$")


def versions(changelog):
    """Yield (version, day, what changed as Markdown), as CHANGELOG.md orders them."""
    found = list(VERSION.finditer(changelog))
    ends = [match.start() for match in found[1:]] + [len(changelog)]
    for match, end in zip(found, ends, strict=False):  # no version, no entry
        text = re.split(r"(?m)^(?=\[[^\]]+\]: |## )", changelog[match.end() : end])[0]
        yield match["version"], match["day"], text.strip()
