"""Run notebooks, and store what they show."""

import time

import nbclient

from course import notebooks

CellError = nbclient.exceptions.CellExecutionError


def run(nb, folder, **options):
    """Run all cells of a notebook in a folder, in place; return the seconds.

    CellError where a cell fails, unless `allow_errors=True`.
    """
    start = time.perf_counter()
    nbclient.NotebookClient(
        nb,
        timeout=600,
        kernel_name="python3",
        record_timing=False,
        resources={"metadata": {"path": str(folder)}},
        **options,
    ).execute()
    return time.perf_counter() - start


def store(nb, path):
    """Run a notebook in its own folder and write it; nothing is written on an error."""
    seconds = run(notebooks.normalise(nb), path.parent)
    notebooks.write(notebooks.normalise(nb), path)
    return seconds
