"""What a page says of itself: its card for shared links, how to report and cite it."""

import re

PICTURE = {
    "file": "social.png",
    "width": 1200,
    "height": 630,
    "alt": 'The words "Attention, tested" beside a heat map of attention weights.',
}
LONGEST = 200  # characters of a description


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


def card(heading, paragraph, address, now):
    """Return the <meta> tags of a page: name or property → key → content."""
    description = shortened(plain(paragraph))
    return {
        "name": {"description": description, "twitter:card": "summary_large_image"},
        "property": {
            "og:type": "article",
            "og:site_name": now["title"],
            "og:title": heading,
            "og:description": description,
            "og:url": address,
            "og:image": f"{now['home']}_static/{PICTURE['file']}",
            "og:image:width": PICTURE["width"],
            "og:image:height": PICTURE["height"],
            "og:image:alt": PICTURE["alt"],
        },
    }


def report(page, now):
    """Return title and text of a new issue about a page."""
    commit = f", commit {now['commit'][:7]}" if now["commit"] else ""
    body = (
        f"Page: {page}\nVersion: {now['version']}{commit}, built on {now['day']}\n\n"
        "What is wrong, and what did you expect?\n"
    )
    return {"title": f"{page}: ", "body": body}


def bibtex(heading, address, now):
    """Return the entry of the course; with a heading, of a page of it."""
    fields = {
        "author": " and ".join(f"{{{name}}}" for name in now["authors"]),
        "title": f"{{{now['cited_title']}}}",
        "version": now["version"],
        "year": now["year"],
        "url": address,
    } | ({"note": f"Page: {heading}"} if heading else {})
    inside = "".join(f"  {key} = {{{value}}},\n" for key, value in fields.items())
    return f"@software{{attention_tested,\n{inside}}}"
