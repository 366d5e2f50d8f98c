"""The Atom feed of the book: one entry for each version of CHANGELOG.md."""

import xml.etree.ElementTree as ET

from markdown_it import MarkdownIt

from book.changelog import versions
from course.repository import site

NAMESPACE = "http://www.w3.org/2005/Atom"


def feed(changelog, title, author, url):
    """Return the feed as XML; raise ValueError where no version has a day."""
    entries = list(versions(changelog))
    if not entries:
        raise ValueError(
            "CHANGELOG.md names no version; one begins `## [0.1.0] - 2026-01-31`"
        )
    home = site(url)
    root = ET.Element("feed", xmlns=NAMESPACE)
    add(root, "id", f"{home}feed.xml")
    add(root, "title", f"{title}: changes")
    add(root, "updated", instant(max(day for _, day, _ in entries)))
    ET.SubElement(root, "link", rel="self", href=f"{home}feed.xml")
    ET.SubElement(root, "link", rel="alternate", type="text/html", href=home)
    add(ET.SubElement(root, "author"), "name", author)
    for version, day, text in entries:
        entry = ET.SubElement(root, "entry")
        add(entry, "id", f"{home}feed.xml#{version}")
        add(entry, "title", f"Version {version}")
        add(entry, "updated", instant(day))
        ET.SubElement(entry, "link", rel="alternate", type="text/html", href=home)
        add(entry, "content", MarkdownIt().render(text)).set("type", "html")
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def add(parent, name, text):
    """Add an element with a text; return it."""
    element = ET.SubElement(parent, name)
    element.text = text
    return element


def instant(day):
    """Return a day as Atom writes an instant."""
    return f"{day}T00:00:00Z"
