"""In a notebook that runs in the page: say in one line what does not run there.

There is no torch for WebAssembly. A cell that needs it says so, and so does each cell
that needs what such a cell would have made; none of them stops those that follow.
"""

import ast

from IPython import get_ipython

TORCH = "torch does not run in the browser: open the notebook in Binder or Colab, or "
TORCH += "download it, to run this cell."
LOST = "This cell needs {name!r}, which comes from a cell that needs torch."

lost = set()  # names that cells without torch could not make


def start():
    """Put one line in the place of the traceback, in this kernel."""
    get_ipython().set_custom_exc((ModuleNotFoundError, NameError), explain)


def explain(shell, kind, error, trace, tb_offset=None):
    """Say what is missing; show any other error as always."""
    name = getattr(error, "name", None) or ""
    torch = issubclass(kind, ModuleNotFoundError) and name.partition(".")[0] == "torch"
    if not torch and name not in lost:
        return shell.showtraceback((kind, error, trace), tb_offset=tb_offset)
    lost.update(made(shell.user_ns["In"][-1]) - {*shell.user_ns})
    print(TORCH if torch else LOST.format(name=name))
    return None


def made(source):
    """Return the names that a cell would bind."""
    tree = ast.parse(get_ipython().transform_cell(source))
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.alias):
            found.add((node.asname or node.name).partition(".")[0])
    return found
