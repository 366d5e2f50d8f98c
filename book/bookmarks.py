"""The titles of a PDF's bookmarks, as Chromium writes them and as they should be.

Chromium takes a title from the letters that it paints: it joins the words at the end of
a line, doubles a heading at the top of a page, and leaves formulas out. The right
titles are written behind the file, as PDF means changes to be (an incremental update).
Source: ISO 32000-1, 7.5.6 and 12.3.3.
"""

import re

ITEM = re.compile(
    rb"(?m)^(\d+) 0 obj\n<</Title (?:<[0-9A-F]*>|\((?:\\.|[^\\()])*\))(\n/Dest .*?>>)"
    rb"\nendobj",
    re.S,
)
TRAILER = re.compile(
    rb"trailer\n<</Size (\d+)\n/Root (\d+ 0 R)\n/Info (\d+ 0 R)>>\n"
    rb"startxref\n(\d+)\n%%EOF"
)


def reference(text, key):
    """Return the number of the object that `key` refers to, or None."""
    found = re.search(rb"/%s (\d+) 0 R" % key, text)
    return int(found[1]) if found else None


def numbered_items(pdf):
    """Return (number, rest of the object) of every bookmark, in reading order."""
    items = {int(match[1]): match[2] for match in ITEM.finditer(pdf)}
    root = reference(pdf, b"Outlines")
    if root is None:
        return []
    start = re.search(rb"(?m)^%d 0 obj\n(.*?)endobj" % root, pdf, re.S)[1]
    return list(walk(items, reference(start, b"First")))


def walk(items, number):
    """Yield a bookmark, those below it, and those that follow it."""
    while number is not None:
        yield number, items[number]
        yield from walk(items, reference(items[number], b"First"))
        number = reference(items[number], b"Next")


def retitled(pdf, titles):
    """Return the PDF with these titles of its bookmarks; ValueError where some lack."""
    items, trailer = numbered_items(pdf), TRAILER.search(pdf[-2000:])
    if trailer is None or len(items) != len(titles):
        raise ValueError(
            f"Chromium wrote {len(items)} bookmarks for {len(titles)} headings, or a "
            "PDF of another form than this tool knows"
        )
    size, root, info, start = trailer.groups()
    parts, table, length = [pdf], [], len(pdf)
    for (number, rest), title in zip(items, titles, strict=True):
        text = b"\xfe\xff" + title.encode("utf-16-be")
        part = b"%d 0 obj\n<</Title <%s>%s\nendobj\n" % (
            number,
            text.hex().upper().encode(),
            rest,
        )
        table.append(b"%d 1\n%010d 00000 n \n" % (number, length))
        parts.append(part)
        length += len(part)
    parts += [b"xref\n", *table]
    parts.append(
        b"trailer\n<</Size %s\n/Root %s\n/Info %s\n/Prev %s>>\nstartxref\n%d\n%%%%EOF\n"
        % (size, root, info, start, length)
    )
    return b"".join(parts)
