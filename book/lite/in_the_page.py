"""In a notebook that runs in the page: say in one line what does not run there.

There is no torch for WebAssembly. A cell that needs it says so, and so does each cell
that needs what such a cell would have made; none of them stops those that follow.
"""

import ast
import logging

from IPython import get_ipython

TORCH = "torch does not run in the browser: open the notebook in Binder or Colab, or "
TORCH += "download it, to run this cell."
NOVELS = "The novels are packed as Python in the browser cannot unpack them: open the "
NOVELS += "notebook in Binder or Colab, or download it, to run this cell."
PROCESSES = "A browser starts no other processes: open the notebook in Binder or "
PROCESSES += "Colab, or download it, to run this cell."
ALONE = "The other notebooks, which this cell reads, are not beside it here: open this "
ALONE += "one in Binder or Colab, or download the course, to run this cell."
LOST = "This cell needs {name!r}, from a cell that does not run in the browser."

lost = set()  # names that such cells could not make, or left half made


def start():
    """Put one line in the place of the traceback, in this kernel."""
    # matplotlib looks for fonts in each kernel anew, and would say so below a cell.
    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)
    get_ipython().set_custom_exc((Exception,), explain)


def explain(shell, kind, error, trace, tb_offset=None):
    """Say what does not run here; show any other error as always."""
    tree = ast.parse(shell.transform_cell(shell.user_ns["In"][-1]))
    said = reason(error, tree)
    if said is None:
        return shell.showtraceback((kind, error, trace), tb_offset=tb_offset)
    lost.update(made(tree))
    print(said)
    return None


def reason(error, tree):
    """Return why a cell does not run here, or None where the fault is its own."""
    name = getattr(error, "name", None) or ""
    if isinstance(error, ModuleNotFoundError):
        return {"torch": TORCH, "lzma": NOVELS}.get(name.partition(".")[0])
    if isinstance(error, NameError):
        return LOST.format(name=name) if name in lost else None
    if "emscripten does not support processes" in str(error):
        return PROCESSES
    if any(getattr(node, "value", 0) == "direct_url.json" for node in ast.walk(tree)):
        return ALONE
    half = next((n for n in names(tree, ast.Load) if n in lost), None)
    return LOST.format(name=half) if half else None


def made(tree):
    """Return the names that the statements of a cell bind or fill."""
    found = set(names(tree, ast.Store))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.alias):
            found.add((node.asname or node.name).partition(".")[0])
        elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store):
            found.update(names(node.value, ast.Load))
    return found


def names(tree, context):
    """Yield the names that stand in a tree in one context."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, context):
            yield node.id
