"""The drawings of the book: each structure once, before its code."""

from book.drawings import attention, layers, machines, texts, today
from course.paths import CHAPTERS

FOLDER = CHAPTERS / "drawings"


def drawings():
    """Return every drawing."""
    rooms = (attention, layers, machines, texts, today)
    return [draw() for room in rooms for draw in room.ALL]
