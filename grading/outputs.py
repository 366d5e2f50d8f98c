"""Files written for the teacher: whole or not at all, and never over a hand's work.

OUT/state/written.json remembers what each file held when it was written. A file that
holds something else now was changed by hand: it is kept under another name.
"""

import csv
import hashlib
import io
import json
import os


def write_atomically(path, content):
    """Write a text or bytes into a file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    with part.open("wb") as stream:
        stream.write(as_bytes(content))
        stream.flush()
        os.fsync(stream.fileno())
    part.replace(path)


def as_bytes(content):
    """Return a text as bytes; bytes as they are."""
    return content if isinstance(content, bytes) else content.encode("utf-8", "replace")


def publish(out, files):
    """Write {name: text or bytes} into a folder; return what was kept.

    That is (name, new name) of each file that was changed by hand since.
    """
    record = out / "state" / "written.json"
    before = json.loads(record.read_text("utf-8")) if record.exists() else {}
    now = {name: digest(as_bytes(content)) for name, content in files.items()}
    kept = []
    for name, content in files.items():
        path = out / name
        if path.exists() and digest(path.read_bytes()) not in (
            now[name],
            before.get(name),
        ):
            kept.append((name, keep(path).relative_to(out).as_posix()))
        write_atomically(path, content)
    write_atomically(record, json.dumps(before | now))
    return kept


def keep(path):
    """Give a file a free name beside it; return the new path."""
    count = 1
    while True:
        other = path.with_name(f"{path.stem} (changed by hand {count}){path.suffix}")
        if not other.exists():
            return path.rename(other)
        count += 1


def digest(data):
    """Return a short text that stands for bytes."""
    return hashlib.sha256(data).hexdigest()


def table(head, rows):
    """Return a CSV that spreadsheets read with accents (hence its first mark)."""
    stream = io.StringIO()
    found = csv.writer(stream, lineterminator="\n")
    found.writerow(head)
    found.writerows([harmless(str(cell)) for cell in row] for row in rows)
    return "\ufeff" + stream.getvalue()


def harmless(text):
    """Return a text on one line that no spreadsheet takes for a formula."""
    text = "".join(c if c.isprintable() else " " for c in text)
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text
