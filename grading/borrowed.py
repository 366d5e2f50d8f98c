"""Which of attnlib's functions an answer calls: by name, alias, star, getattr, helper.

It reads code and runs none, so that who wants to hide a call can. Where no call may
count at all, let the release say "without attnlib": then there is none to call.
"""

import ast
import re

import attnlib

HIDDEN = "something by getattr"
UNREAD = "something in code too long or too deep to read"
LONGEST = 200_000  # characters of a cell


def borrowed(name, sources):
    """Return the names of attnlib that the answer `name` uses, in any of the cells."""
    if max(map(len, sources), default=0) > LONGEST:
        return {UNREAD}
    used = set()
    try:
        trees = [tree for source in sources if (tree := parsed(source))]
        modules, functions = imported(trees)
        for node in needed(name, trees):
            for part in ast.walk(node):
                used |= used_by(part, modules, functions)
    except RecursionError:
        used.add(UNREAD)
    return used


def parsed(source):
    """Return the tree of a cell, or None; lines for the notebook alone are left out."""
    lines = re.sub(r"(?m)^\s*[%!].*$", "pass", source)
    for text in (source, lines):
        try:
            return ast.parse(text)
        except (SyntaxError, ValueError):
            continue
        except MemoryError:  # of the parser: too deep
            raise RecursionError from None
    return None


def imported(trees):
    """Return the names that stand for attnlib, and {name: one of its functions}."""
    modules, functions = set(), {}
    nodes = [node for tree in trees for node in ast.walk(tree)]
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "attnlib":
                    whole = alias.asname or "attnlib"
                    modules.add(whole)
        elif isinstance(node, ast.ImportFrom) and is_ours(node.module):
            for alias in node.names:
                if alias.name == "*":
                    functions |= {name: name for name in attnlib.__all__}
                else:
                    functions[alias.asname or alias.name] = alias.name
    for node in nodes:  # a = attnlib
        if isinstance(node, ast.Assign) and is_module(node.value, modules):
            modules |= {t.id for t in node.targets if isinstance(t, ast.Name)}
    return modules, functions


def is_ours(module):
    """Whether a module is of attnlib, and not the checkers."""
    return bool(re.fullmatch(r"attnlib(?!\.exercises)(\.\w+)*", module or ""))


def is_module(node, modules):
    """Whether an expression gives attnlib, or a module of it."""
    if isinstance(node, ast.Name):
        return node.id in modules
    if isinstance(node, ast.Attribute):
        return (
            node.attr != "exercises"
            and is_module(node.value, modules)
            and (node.attr not in attnlib.__all__)
        )
    texts = [n.value for n in ast.walk(node) if isinstance(n, ast.Constant)]
    kinds = isinstance(node, ast.Call | ast.Subscript)  # import_module, sys.modules[…]
    return kinds and any(isinstance(t, str) and is_ours(t) for t in texts)


def needed(name, trees):
    """Return the top-level statements that define a name, and what these use."""
    known = {}
    for tree in trees:
        for node in tree.body:
            for defined in names_of(node):
                known.setdefault(defined, []).append(node)
    found, seen, waiting = [], set(), [name]
    while waiting:
        here = waiting.pop()
        for node in known.get(here, []) if here not in seen else []:
            found.append(node)
            waiting += [n.id for n in ast.walk(node) if isinstance(n, ast.Name)]
        seen.add(here)
    return found


def names_of(node):
    """Return what a statement defines."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
        return [node.name]
    parts = ast.walk(node) if not isinstance(node, ast.Import | ast.ImportFrom) else []
    return [
        n.id for n in parts if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
    ]


def used_by(node, modules, functions):
    """Return what one node uses."""
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        return {functions[node.id]} if node.id in functions else set()
    if isinstance(node, ast.Attribute) and is_module(node.value, modules):
        return {node.attr} & {*attnlib.__all__}
    if isinstance(node, ast.Call) and is_module_call(node, modules):
        asked = node.args[1]
        return {asked.value if isinstance(asked, ast.Constant) else HIDDEN}
    return set()


def is_module_call(node, modules):
    """Whether a call is getattr(attnlib, …)."""
    by_name = isinstance(node.func, ast.Name) and node.func.id == "getattr"
    return by_name and len(node.args) > 1 and is_module(node.args[0], modules)
