"""Stands for the notebook's shell in the worker: runs cells that are more than Python.

Top-level await, `x = %time f()`, `%%writefile`, `!ls`, `get_ipython()`, `display(x)`:
what a student's cell says runs as far as a sandbox allows, and what it cannot do is
counted in `dropped`, and gives nothing. IPython itself turns magic into Python.
"""

import asyncio
import builtins
import inspect
from ast import PyCF_ALLOW_TOP_LEVEL_AWAIT

RUN = ("time", "timeit", "capture", "prun")  # magics around code that counts
execute, translate = eval, compile  # student code may replace the built-in ones


class Shell:
    """Runs cells with the names of one notebook."""

    def __init__(self, names):
        """Have `get_ipython` and `display`, as a notebook does."""
        self.names, self.dropped = names, 0
        builtins.get_ipython = lambda: self
        builtins.display = lambda *things, **options: None

    def run(self, source, title):
        """Run a cell; return the value where it is one expression."""
        try:
            code = self.code(source, title)
        except SyntaxError:
            from IPython.core.inputtransformer2 import TransformerManager

            code = self.code(TransformerManager().transform_cell(source), title)
        result = execute(code, self.names)
        if inspect.CO_COROUTINE & code.co_flags:
            asyncio.run(result)

    def code(self, source, title, mode="exec"):
        """Return compiled code."""
        return translate(source, title, mode, PyCF_ALLOW_TOP_LEVEL_AWAIT)

    def run_line_magic(self, name, line, *_):
        """Run the statement behind %time; return its value, where it has one."""
        if name not in RUN:
            self.dropped += 1
            return None
        try:
            return execute(self.code(line, "a line", "eval"), self.names)
        except SyntaxError:
            self.run(line, "a line")

    def run_cell_magic(self, name, line, body):
        """Run the body of %%time, write that of %%writefile."""
        if name in RUN:
            self.run(body, "a cell")
        elif name == "writefile":
            path = line.removeprefix("-a ").strip()
            with open(path, "a" if line.startswith("-a ") else "w") as stream:
                stream.write(body)
        else:
            self.dropped += 1

    def getoutput(self, command, *_, **__):
        """No program starts in here: it has no output."""
        self.dropped += 1
        return []

    def __getattr__(self, name):
        """Do nothing where a notebook would do something else."""
        if name.startswith("__"):
            raise AttributeError(name)

        def nothing(*_, **__):
            self.dropped += 1

        return nothing
