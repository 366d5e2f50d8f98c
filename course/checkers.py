"""Exercises of a teacher's own: a file checkers.py beside their sources.

It has EXERCISES, as attnlib/exercises/ch01.py has, and check = checker(EXERCISES).
"""

import functools
import importlib.util
from pathlib import Path

from attnlib.exercises import get

NAME = "checkers.py"


def beside(folder):
    """Return the path of a folder's checkers, or None where it has none."""
    path = Path(folder) / NAME
    return path if path.is_file() else None


def find(name, path=None):
    """Return the exercise of that name: from a file of checkers, or attnlib's."""
    return (load(path) if path else {}).get(name) or get(name)


@functools.cache
def load(path):
    """Return {name: Exercise} of a file of checkers; ValueError where it has none."""
    try:
        spec = importlib.util.spec_from_file_location("checkers", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return {exercise.name: exercise for exercise in module.EXERCISES}
    except Exception as error:  # the teacher's code may raise what it likes
        why = f"{type(error).__name__}: {error}"
        raise ValueError(f"{path} gives no EXERCISES ({why})") from None
