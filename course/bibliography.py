"""The bibliography as attnlib finds it, `attnlib/sources.json`.

A claim of kind "source" looks there, also where the package was installed alone.
"""

import json

from pybtex.database import parse_file

from course.paths import ROOT

BIBLIOGRAPHY = ROOT / "chapters" / "references.bib"
STORED = ROOT / "attnlib" / "sources.json"


def entries():
    """Return key → {"title", "year", "url"}, with a DOI as an address."""
    found = {}
    for key, entry in parse_file(BIBLIOGRAPHY).entries.items():
        fields = entry.fields
        doi = f"https://doi.org/{fields['doi']}" if "doi" in fields else None
        title = fields["title"].replace("{", "").replace("}", "")
        found[key] = {
            "title": title,
            "year": fields["year"],
            "url": fields.get("url", doi),
        }
    return dict(sorted(found.items()))


def text():
    """Return what is to be stored."""
    return json.dumps(entries(), indent=1, ensure_ascii=False) + "\n"
