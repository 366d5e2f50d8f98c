"""The list of pages for search engines, with the day of their last commit."""

import html

from book.facts import git, is_checkout, source

START = """<?xml version="1.0" encoding="UTF-8"?>
<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">
"""


def sitemap(root, pages, home):
    """Return sitemap.xml; a shallow clone knows one commit only, so no days."""
    dated = is_checkout(root)
    dated = dated and git(root, "rev-parse", "--is-shallow-repository") == "false"
    lines = []
    for page in pages:
        day = dated and git(root, "log", "-1", "--format=%cs", "--", source(root, page))
        last = f"<lastmod>{day}</lastmod>" if day else ""
        lines.append(
            f"  <url><loc>{html.escape(f'{home}{page}.html')}</loc>{last}</url>\n"
        )
    return f"{START}{''.join(lines)}</urlset>\n"
