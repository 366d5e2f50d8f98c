"""What a file is that is no notebook: named, so that teacher and student know."""

import io
import zipfile

STARTS = {
    b"%PDF": "a PDF",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"GIF8": "a picture",
    b"\x1f\x8b": "a packed file (gzip)",
    b"Rar!": "a packed file (RAR)",
    b"7z\xbc\xaf": "a packed file (7z)",
    b"\xd0\xcf\x11\xe0": "an old Office document",
}
ASK = "ask for the notebook itself (.ipynb)"


def kind_of(data):
    """Say what bytes that are no JSON in UTF-8 are, and what to do."""
    if not data.strip():
        return "it is empty"
    for start, what in STARTS.items():
        if data.startswith(start):
            return f"it is {what} and no notebook: {ASK}"
    if data.startswith(b"PK"):
        return kind_of_zip(data)
    if data.lstrip()[:15].lower().startswith((b"<!doctype html", b"<html")):
        return f"it is a web page and no notebook: {ASK}"
    try:
        data.decode()
    except UnicodeDecodeError:
        if data.lstrip().startswith(b"{") and b'"cells"' in data:
            return (
                "it is saved as Latin-1 or another old encoding: save it as UTF-8 "
                "(Jupyter does)"
            )
        return f"it is no notebook: its content is neither text nor JSON; {ASK}"
    if data.lstrip().startswith(b"{"):
        return "it is a damaged notebook: its content is not JSON (cut off, or edited?)"
    return f"it is a text and no notebook: its content is not JSON; {ASK}"


def kind_of_zip(data):
    """Say what a file is that starts as a zip does."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = archive.namelist()
    except Exception:  # a damaged file may raise what it likes
        return "it is a damaged zip: hand in the notebook itself"
    if any(name.startswith(("word/", "xl/", "ppt/", "content.xml")) for name in names):
        return f"it is a Word or Office document and no notebook: {ASK}"
    books = [name for name in names if name.lower().endswith(".ipynb")]
    inside = f"; it holds {', '.join(books[:3])}" if books else ""
    return f"it is a zip within the download{inside}: unpack it, then grade again"
