"""What a file of the built book points at: pages, styles, indices, feeds."""

import html.parser
import json
import re
import zlib

# Attributes that hold one address, by tag; "" stands for every tag.
ADDRESSES = {
    "": ["src", "poster", "xlink:href"],
    "a": ["href"],
    "area": ["href"],
    "form": ["action"],
    "image": ["href"],
    "link": ["href"],
    "object": ["data"],
    "use": ["href"],
}
PICTURE = re.compile(r"(?:og|twitter):(?:image|url|image:url|image:secure_url)")
UNMADE = {("std:label", name) for name in ("genindex", "modindex", "py-modindex")}
IN_STYLE = re.compile(
    r"""url\(\s*(?:"([^"]*)"|'([^']*)'|([^)"']*?))\s*\)|@import\s+["']([^"']+)["']"""
)
IN_XML = re.compile(
    r"<(?:loc|link|guid|id|url)>\s*(https?://[^<]*?)\s*</|href=\"(.*?)\""
)


class Links(html.parser.HTMLParser):
    """Collects what a page points at (`found`), and what can be pointed at (`ids`)."""

    def __init__(self, text):
        super().__init__()
        self.found, self.ids, self._in_style = [], {"", "top"}, False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        values = {name: value or "" for name, value in attributes}
        self.ids |= {values.get("id", ""), values.get("name", "") if tag == "a" else ""}
        names = ADDRESSES[""] + ADDRESSES.get(tag, [])
        self.found += [values[name] for name in names if name in values]
        for part in re.split(r",\s+", values.get("srcset", "").strip()):
            self.found += part.split()[:1]
        self.found += in_style(values.get("style", ""))
        if tag == "meta":
            if PICTURE.fullmatch(values.get("property") or values.get("name", "")):
                self.found.append(values.get("content", ""))
            if values.get("http-equiv", "").lower() == "refresh":
                self.found += re.findall(r"(?i)url=\s*(\S+)", values.get("content", ""))
        self._in_style = tag == "style"

    def handle_data(self, data):
        if self._in_style:
            self.found += in_style(data)

    def handle_endtag(self, tag):
        self._in_style = False


def in_style(text):
    """Return the addresses that a style sheet loads."""
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    return ["".join(groups) for groups in IN_STYLE.findall(text)]


def in_search_index(text):
    """Return the pages that Sphinx's search can lead to."""
    names = re.search(r'"?docnames"?:(\[.*?\])', text)
    return [f"{name}.html" for name in json.loads(names[1])] if names else []


def in_inventory(body):
    """Return the places that objects.inv names; four lines stand above the list.

    Sphinx writes its indices into every inventory, made or not: they are left out.
    """
    lines = zlib.decompress(body.split(b"\n", 4)[4]).decode("utf-8").splitlines()
    parts = [
        re.fullmatch(r"(.+?) (\S+) -?\d+ (\S*) .*", line).groups() for line in lines
    ]
    return [
        place.removesuffix("$") + name * place.endswith("$")
        for name, kind, place in parts
        if (kind, name) not in UNMADE
    ]


def inside(name, kind, body):
    """Return what a file points at, and its anchors (None where it is no page).

    `kind` is the media type with which it was served.
    """
    text = body.decode("utf-8", "replace")
    if name == "objects.inv" and body:
        return in_inventory(body), None
    if name == "searchindex.js":
        return in_search_index(text), None
    if kind == "text/css":
        return in_style(text), None
    if kind == "text/html":
        links = Links(text)
        return links.found, links.ids
    if kind == "image/svg+xml":
        return Links(text).found, None
    if kind.endswith("xml"):
        return ["".join(pair) for pair in IN_XML.findall(text)], None
    return [], None
