"""What every page of the book says of itself: to search engines, and in its footer.

The head gets a description, the address of the page, and a card for links that people
share. The footer gets version, commit and day, and the ways to mend, report and cite.
"""

import html
import html.parser
import re
import urllib.parse

from book.facts import facts, git, is_checkout, source
from course.repository import site

PICTURE = {
    "file": "social.png",
    "width": 1200,
    "height": 630,
    "alt": 'The words "Attention, tested" beside a heat map of attention weights.',
}
LONGEST = 200  # characters of a description
RELEASE = re.compile(r"v\d+\.\d+\.\d+\w*")  # the name of a tag
FOOTER = '<div class="bd-footer-content__inner container">'


# The head


class Text(html.parser.HTMLParser):
    """Collects the title and the first whole paragraph of a page's article."""

    def __init__(self, text):
        super().__init__()
        self.heading, self.paragraph, self.inside, self.done = "", "", None, set()
        self.feed(text[text.index("<article") :])

    def handle_starttag(self, tag, attributes):
        if tag in ("h1", "p") and tag not in self.done:
            self.inside = tag
        elif ("class", "headerlink") in attributes:
            self.inside = None  # the sign that links to the heading

    def handle_endtag(self, tag):
        if tag in ("h1", "p") and (tag == "h1" or len(self.paragraph.strip()) > 40):
            self.done.add(tag)
        if tag in ("h1", "p"):
            self.inside = None

    def handle_data(self, data):
        if self.inside == "h1":
            self.heading += data
        elif self.inside == "p":
            self.paragraph += data


def plain(text):
    """Return a text on one line, with its formulas as people would type them."""
    text = re.sub(r"\\sqrt\{([^{}]*)\}", r"√\1", text)
    text = re.sub(r"\\\(|\\\)|[{}]", "", text)
    text = re.sub(r"\\times\b", "×", text)
    return " ".join(re.sub(r"\\([A-Za-z]+)", r"\1", text).split())


def shortened(text, longest=LONGEST):
    """Return the sentences that fit, or else the words that fit and an ellipsis."""
    if len(text) <= longest:
        return text
    ends = [m.end() for m in re.finditer(r"[.?!](?= )", text) if m.end() <= longest]
    if ends and ends[-1] > longest / 3:
        return text[: ends[-1]]
    return text[: longest - 1].rsplit(" ", 1)[0].rstrip(",;:") + "…"


def head_tags(page, text, now, up):
    """Return the tags of the head of a page, built as `text`; `up` leads home."""
    read, home = Text(text), site(now["url"])
    address, picture = f"{home}{page}.html", f"{home}_static/{PICTURE['file']}"
    description = shortened(plain(read.paragraph))
    named = {"description": description, "twitter:card": "summary_large_image"}
    properties = {
        "og:type": "article",
        "og:site_name": now["title"],
        "og:title": plain(read.heading),
        "og:description": description,
        "og:url": address,
        "og:image": picture,
        "og:image:width": PICTURE["width"],
        "og:image:height": PICTURE["height"],
        "og:image:alt": PICTURE["alt"],
    }
    lines = [f'<link rel="canonical" href="{address}">', feed_tag(up, now)]
    lines += [f'<meta name="{k}" content="{quoted(v)}">' for k, v in named.items()]
    lines += [
        f'<meta property="{k}" content="{quoted(v)}">' for k, v in properties.items()
    ]
    return "\n".join(lines)


def feed_tag(up, now):
    """Return the tag by which a reader of feeds finds the book's."""
    title = quoted(f"{now['title']}: changes")
    return (
        '<link rel="alternate" type="application/atom+xml" '
        f'title="{title}" href="{up}feed.xml">'
    )


def quoted(value):
    """Return a value as it may stand in an attribute."""
    return html.escape(str(value), quote=True)


# The footer


def footer(root, page, heading, now):
    """Return the footer's part on this page; `page` is None for the search."""
    items = [f'<li><a href="{quoted(report_address(page or "search", now))}">']
    items[0] += "Report a problem</a></li>"
    if page:
        # GitHub edits branches alone; of a release it can show the source.
        kind = "blob" if RELEASE.fullmatch(now["branch"]) else "edit"
        edit = f"{now['url']}/{kind}/{now['branch']}/{source(root, page)}"
        items.insert(0, f'<li><a href="{quoted(edit)}">Edit this page</a></li>')
    return (
        '<div class="footer-item page-parts">\n'
        f'<nav aria-label="About this page"><ul>{"".join(items)}</ul></nav>\n'
        f"<details><summary>Cite</summary>\n{citation(page, heading, now)}</details>\n"
        f"<p>{build_line(now)}</p>\n</div>\n"
    )


def build_line(now):
    """Return version, commit and day of the build; no commit where git is missing."""
    parts = [f"Version {html.escape(now['version'])}"]
    if now["commit"]:
        address = quoted(f"{now['url']}/commit/{now['commit']}")
        known = f'commit <a href="{address}"><code>{now["commit"][:7]}</code></a>'
        parts.append(known + (", with changes since" if now["changed"] else ""))
    parts.append(f'built on <time datetime="{now["day"]}">{now["day"]}</time>')
    return ", ".join(parts) + "."


def report_address(page, now):
    """Return the address of a new issue with the page's name filled in."""
    commit = f", commit {now['commit'][:7]}" if now["commit"] else ""
    body = (
        f"Page: {page}\nVersion: {now['version']}{commit}, built on {now['day']}\n\n"
        "What is wrong, and what did you expect?\n"
    )
    asked = {"title": f"{page}: ", "body": body}
    return f"{now['url']}/issues/new?{urllib.parse.urlencode(asked)}"


def citation(page, heading, now):
    """Return how to cite the course, and this page of it, in words and as BibTeX."""
    cff, home = now["cff"], site(now["url"])
    authors = [person_name(author) for author in cff["authors"]]
    year = str(cff["date-released"])[:4]
    address = f"{home}{page}.html" if page else home
    part = f"“{heading}”. In " if page else ""
    words = (
        f"{html.escape(', '.join(authors))} ({year}). {html.escape(part)}"
        f"<cite>{html.escape(cff['title'])}</cite>, "
        f"version {html.escape(now['version'])}. "
        f'<a href="{quoted(address)}">{html.escape(address)}</a>'
    )
    fields = {
        "author": " and ".join(f"{{{name}}}" for name in authors),
        "title": f"{{{cff['title']}}}",
        "version": now["version"],
        "year": year,
        "url": address,
    } | ({"note": f"Page: {heading}"} if page else {})
    inside = "".join(f"  {key} = {{{value}}},\n" for key, value in fields.items())
    entry = f"@software{{attention_tested,\n{inside}}}"
    return f"<p>{words}</p>\n<pre>{html.escape(entry)}</pre>\n"


def person_name(author):
    """Return an author's name, of a person or of a group, as CITATION.cff has it."""
    full = (author.get("given-names"), author.get("family-names"))
    return author.get("name") or " ".join(filter(None, full))


# All pages


def add(root, pages, built):
    """Add head and footer to the built pages; write sitemap.xml.

    The first page of all leads on to the landing page, and shares its card.
    """
    now = facts(root)
    first, landing = built / "index.html", built / f"{pages[0]}.html"
    tags = head_tags(pages[0], landing.read_text(encoding="utf-8"), now, "")
    text = first.read_text(encoding="utf-8")
    first.write_text(text.replace("</head>", f"{tags}\n</head>"), encoding="utf-8")
    for page in pages:
        path = built / f"{page}.html"
        text = path.read_text(encoding="utf-8")
        heading = plain(Text(text).heading)
        tags = head_tags(page, text, now, "../" * page.count("/"))
        path.write_text(
            with_parts(text, tags, footer(root, page, heading, now)), encoding="utf-8"
        )
    path = built / "search.html"
    text = path.read_text(encoding="utf-8")
    last = footer(root, None, "", now)
    path.write_text(with_parts(text, feed_tag("", now), last), encoding="utf-8")
    (built / "sitemap.xml").write_text(sitemap(root, pages, now), encoding="utf-8")


def with_parts(text, tags, last):
    """Return a page with tags at the end of its head and a part in its footer."""
    if FOOTER not in text:
        raise ValueError("the theme wrote a page without the footer that it used to")
    text = text.replace("</head>", f"{tags}\n</head>", 1)
    return text.replace(FOOTER, f"{FOOTER}\n{last}", 1)


def sitemap(root, pages, now):
    """Return the list of pages for search engines, with the day of their last commit.

    A shallow clone knows one commit only, so it says nothing of the days.
    """
    dated = is_checkout(root)
    dated = dated and git(root, "rev-parse", "--is-shallow-repository") == "false"
    lines = ['<?xml version="1.0" encoding="UTF-8"?>']
    lines.append('<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">')
    for page in pages:
        day = dated and git(root, "log", "-1", "--format=%cs", "--", source(root, page))
        last = f"<lastmod>{day}</lastmod>" if day else ""
        address = html.escape(f"{site(now['url'])}{page}.html")
        lines.append(f"  <url><loc>{address}</loc>{last}</url>")
    return "\n".join([*lines, "</urlset>", ""])
