"""What a submission may do, and what must come of it.

Each attack tries to get points for `scaled_scores` that it does not deserve, or to do
harm; it answers the other two questions honestly, so that these must stay right unless
`rest` says otherwise.
"""

from dataclasses import dataclass, field

from tests.grading.hostile import books

REST = ("score_variance", "stable_softmax")
WRONG = "return query @ key.mT"  # the scale is missing
MISSING_SCALE = "You left the scale out"
RIGHT = books.SOLUTIONS["scaled_scores"]
VALUE = RIGHT.removeprefix("return ")


@dataclass(frozen=True)
class Attack:
    """A submission's bytes, and what must come of it.

    `status` and `reason` (a part of it) are of scaled_scores, or of all questions where
    the file is invalid. `rest` holds statuses of other questions that are not "right".
    """

    name: str
    data: bytes
    status: str
    reason: str = ""
    rest: dict = field(default_factory=dict)
    note: str = ""  # a part of the remarks on the feedback page


ATTACKS = []


def attack(name, status, reason="", rest=None, note="", **parts):
    """Add an attack that changes parts of a right submission."""
    add(name, books.submission(**parts), status, reason, rest, note)


def body(name, status, reason, source, **others):
    """Add an attack from within the answer."""
    attack(name, status, reason, scaled_scores=source, **others)


def add(name, book, status, reason="", rest=None, note=""):
    """Add an attack: a notebook, or bytes."""
    data = book if isinstance(book, bytes) else books.text(book)
    ATTACKS.append(Attack(name, data, status, reason, rest or {}, note))


# Honest, in many ways

attack("right", "right")
body("right in float32", "right", "", RIGHT.replace("query @", "query.astype('f4') @"))
EINSUM = ".einsum('...le,...se->...ls', query, key) / query.shape[-1] ** 0.5"
body("right with einsum", "right", "", f"return np{EINSUM}")
body("wrong", "wrong", MISSING_SCALE, WRONG)
body("unanswered", "not answered", "Not answered yet", books.STUB)
body("pass", "not answered", "Not answered yet", "pass")
body("exception", "wrong", "It raised ZeroDivisionError", "return 1 / 0")
body(
    "not a number",
    "wrong",
    "NaN",
    f"return {VALUE} * np.nan",
)
body("a list", "right", "", f"return ({VALUE}).tolist()")
body(
    "right, but its argument is changed",
    "wrong",
    "changed its argument",
    f"x = {VALUE}\nquery[...] = 0\nreturn x",
)
attack(
    "syntax error",
    "failed",
    "SyntaxError",
    scaled_scores="return (query @",
)
attack(
    "magics",
    "right",
    before="%matplotlib inline\n!pip install numpy\nif True:\n    %time pass",
    note="% or !",
)
attack(
    "a cell of bash",
    "right",
    before="%%bash\nrm -rf /tmp/everything",
    note="% or !",
)
attack("a modulo at the start of a line", "right", before="x = (7\n% 4)\nassert x == 3")
attack(
    "own cell fails",
    "right",
    before="undefined_name",
    note="One of your cells failed: the cell raised NameError",
)
attack(
    "an error after the definition",
    "right",
    after="scaled_scores(1, 2)",
    note="One of your cells failed",
)

# Time, memory, processes

SLOW = "longer than"
body("endless loop", "failed", SLOW, "while True:\n    pass")
body(
    "endless loop that swallows every exception",
    "failed",
    SLOW,
    "while True:\n    try:\n        while True:\n            pass\n"
    "    except BaseException:\n        pass",
)
attack("endless cell", "right", before="while True: pass", note=SLOW)
body("sleep", "failed", SLOW, "import time\ntime.sleep(1000)")
body(
    "stopped by a signal",
    "failed",
    SLOW,
    "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)",
)
body(
    "sys.exit in a function", "wrong", "It raised SystemExit", "import sys\nsys.exit(0)"
)
attack(
    "sys.exit in a cell", "right", before="import sys; sys.exit(0)", note="SystemExit"
)
body("os._exit", "failed", "exit status 0", "import os\nos._exit(0)")
attack("os._exit in a cell", "right", before="import os; os._exit(7)", note="status 7")
body("keyboard interrupt", "wrong", "KeyboardInterrupt", "raise KeyboardInterrupt")
body("crash", "failed", "signal SIGSEGV", "import ctypes\nctypes.string_at(0)")
body("huge print", "right", "", f"print('x' * 300_000_000)\n{RIGHT}")
body("40 GB", "wrong", "MemoryError", "return np.ones(5_000_000_000)")
body("5 GB", "wrong", "MemoryError", f"x = np.empty(5 << 30, 'u1')\n{RIGHT}")
body(
    "5 GB of shared memory",
    "wrong",
    "It raised OSError",
    f"import mmap\nx = mmap.mmap(-1, 5 << 30)\n{RIGHT}",
)
body(
    "is root",
    "wrong",
    MISSING_SCALE,
    f"import os\nif os.getuid() == 0 or os.geteuid() == 0:\n    {RIGHT}\n{WRONG}",
)
body(
    "40 GB of shared memory",
    "wrong",
    "It raised OSError",
    "import mmap\nm = mmap.mmap(-1, 40 << 30)\nm[::4096] = b'x' * len(m[::4096])",
)
body(
    "a full temporary folder",
    "wrong",
    "It raised OSError",
    "for i in range(100):\n    open(f'/tmp/{i}', 'wb').write(b'x' * (10 << 20))",
)
body("fork", "wrong", "It raised PermissionError", f"import os\nos.fork()\n{RIGHT}")
attack(
    "fork bomb",
    "right",
    before="import os\nwhile True:\n    os.fork()",
    note="PermissionError",
)
body(
    "another program",
    "wrong",
    "It raised PermissionError",
    "import subprocess\nsubprocess.run(['sleep', '1000'])",
)
body(
    "a thousand threads",
    "wrong",
    "It raised RuntimeError",
    "import threading, time\nfor _ in range(100_000):\n"
    "    threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()",
)
body(
    "endless recursion",
    "wrong",
    "It raised RecursionError",
    "return scaled_scores(query, key)",
)
body(
    "kills all it can",
    "failed",
    "",
    "import os, signal\nfor pid in (os.getppid(), 1, -1):\n    try:\n"
    "        os.kill(pid, signal.SIGKILL)\n    except OSError:\n        pass\n"
    "os.kill(os.getpid(), signal.SIGKILL)",
)
body(
    "higher limits, another user",
    "wrong",
    "It raised",
    "import os, resource\nresource.setrlimit(resource.RLIMIT_AS, (-1, -1))\n"
    f"os.setuid(0)\n{RIGHT}",
)

# The notebook itself


def changed(change, **parts):
    """A right submission, but for one change."""
    book = books.submission(**parts)
    change(book)
    return book


def set_check(source):
    """Change the source of the check."""
    return lambda book: books.named(book, "scaled_scores-check").update(source=source)


def set_answer(source):
    """Change the whole source of the answer."""
    return lambda book: books.named(book, "scaled_scores").update(source=source)


def delete(*names):
    """Delete cells."""

    def change(book):
        for name in names:
            book["cells"].remove(books.named(book, name))

    return change


def duplicate(name):
    """Copy a cell, metadata and all."""
    return lambda book: book["cells"].append(books.named(book, name))


def flip(book):
    """All points for one question, solution cells graded, checks not."""
    for part in book["cells"]:
        marks = part["metadata"]["nbgrader"]
        marks["grade"], marks["solution"] = marks["solution"], marks["grade"]
        marks["points"] = 1000


def lose_metadata(book):
    """As some tools do."""
    for part in book["cells"]:
        part["metadata"] = {}


def rename(book):
    """As of another assignment."""
    for part in book["cells"]:
        marks = part["metadata"]["nbgrader"]
        marks["grade_id"] = f"other_{marks['grade_id']}"


wrong = {"scaled_scores": WRONG}
add(
    "check edited",
    changed(set_check("print('full marks')"), **wrong),
    "wrong",
    MISSING_SCALE,
    note="scaled_scores-check was edited",
)
add(
    "an answer in the place of the check",
    changed(set_check(books.code("scaled_scores", RIGHT)), **wrong),
    "right",
    note="scaled_scores-check was edited",
)
add(
    "check deleted",
    changed(delete("scaled_scores-check"), **wrong),
    "wrong",
    MISSING_SCALE,
    note="scaled_scores-check was deleted",
)
add(
    "check duplicated",
    changed(duplicate("scaled_scores-check"), **wrong),
    "wrong",
    MISSING_SCALE,
    note="scaled_scores-check is there 2 times",
)
add(
    "answer duplicated",
    changed(duplicate("scaled_scores")),
    "right",
    note="scaled_scores is there 2 times",
)
add(
    "answer deleted",
    changed(delete("scaled_scores")),
    "not answered",
    "There is no scaled_scores in the notebook",
    note="scaled_scores was deleted",
)
add("imports deleted", changed(delete("given-2")), "right", note="given-2 was deleted")
add(
    "metadata flipped",
    changed(flip, **wrong),
    "wrong",
    MISSING_SCALE,
    note="The metadata of",
)
add(
    "metadata lost",
    changed(lose_metadata, **wrong),
    "wrong",
    MISSING_SCALE,
    note="found by their names",
)
add(
    "answer as Markdown",
    changed(lambda b: books.named(b, "scaled_scores").update(cell_type="markdown")),
    "not answered",
    "There is no scaled_scores",
    note="no longer of type code",
)
add("wrong notebook", changed(rename), "invalid", "of another assignment")
add(
    "some other notebook",
    books.notebook([books.cell("print('hello')")]),
    "invalid",
    "no cell of this assignment",
)
add("malformed JSON", books.text(books.submission())[:-40], "invalid", "not JSON")
add("empty file", b"", "invalid", "it is empty")
add("a picture", b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "invalid", "it is a picture")
add("a number", b"42", "invalid", "no list of cells")
add("format 3", b'{"worksheets": [], "nbformat": 3}', "invalid", "format 3")
add("nested too deeply", b"[" * 200_000, "invalid", "not JSON")
add("cells that are none", b'{"cells": [1, 2]}', "invalid", "a cell is no object")
add(
    "sources that are none",
    b'{"cells": [{"cell_type": "code", "source": {"a": 1}}]}',
    "invalid",
    "no text",
)
add(
    "a million cells",
    b'{"cells": [' + b"{}," * 100_000 + b"{}]}",
    "invalid",
    "100,001 cells",
)
add(
    "strange metadata",
    changed(lambda b: b["cells"].append({"metadata": {"nbgrader": {"grade_id": [1]}}})),
    "right",
)
attack("characters that are none", "right", before="x = '\\ud800'\n# \ud800")
attack(
    "a very deep expression",
    "right",
    before="x = " + "(" * 5000 + ")" * 5000,
    note="One of your cells failed",
)
attack("a very long chain", "right", before="x = 0\n_ = x" + ".real" * 50_000)

# Cheats in Python

attack(
    "patched NumPy",
    "wrong",
    MISSING_SCALE,
    before="for name in ('allclose', 'isclose', 'array_equal', 'abs', 'all', 'any'):\n"
    "    setattr(np, name, lambda *a, **k: True)\n"
    "np.testing.assert_allclose = lambda *a, **k: None",
    **wrong,
)
attack(
    "patched builtins",
    "wrong",
    MISSING_SCALE,
    before="import builtins\nbuiltins.all = builtins.any = lambda *a: True\n"
    "builtins.abs = lambda x: 0\nbuiltins.AssertionError = type('A', (), {})",
    **wrong,
)
attack(
    "patched checkers",
    "wrong",
    MISSING_SCALE,
    before="import attnlib.exercises as e\ne.judge = e.check = lambda *a: True\n"
    "check = lambda *a: None",
    **wrong,
)
attack(
    "equal to everything",
    "wrong",
    "a thing of type Yes",
    before="class Yes:\n    __array_priority__ = 1e9\n"
    "    def __eq__(self, other): return True\n"
    "    def __getattr__(self, name): return self\n"
    "    def __call__(self, *a, **k): return self\n"
    "    __sub__ = __rsub__ = __lt__ = __le__ = __bool__ = __eq__",
    scaled_scores="return Yes()",
)
attack(
    "an array that lies",
    "wrong",
    MISSING_SCALE,
    before="class Liar(np.ndarray):\n"
    "    def __eq__(self, other): return np.ones(self.shape, bool)\n"
    "    def __array_ufunc__(self, *a, **k): return np.zeros(())\n"
    "    def __array_function__(self, *a, **k): return True",
    scaled_scores="return (query @ key.mT).view(Liar)",
)
attack(
    "patched syntax tree",
    "wrong",
    MISSING_SCALE,
    before="import ast, builtins\nreal = builtins.compile\n"
    "builtins.compile = lambda *a, **k: real('True', 'x', 'eval')\n"
    "ast.parse = lambda *a, **k: ast.Module([], [])",
    **wrong,
)
attack(
    "looks for the expected result in memory",
    "wrong",
    MISSING_SCALE,
    scaled_scores="import gc, sys\nframe = sys._getframe()\nwhile frame:\n"
    "    for name in ('want', 'wants', 'expected', 'reference'):\n"
    "        if name in frame.f_locals: return frame.f_locals[name]\n"
    "    frame = frame.f_back\n"
    "for x in gc.get_objects():\n"
    "    if getattr(x, '__name__', '') == 'judge': return x\n"
    f"{WRONG}",
)
attack(
    "takes the reference from the checkers",
    "wrong",
    MISSING_SCALE,
    scaled_scores="try:\n    from attnlib.exercises import get\n"
    "    return get('scaled_scores').reference(query, key)\n"
    f"except Exception:\n    {WRONG}",
)
attack(
    "takes the reference from the file of the checkers",
    "wrong",
    MISSING_SCALE,
    scaled_scores="try:\n    import attnlib.exercises.ch03 as c\n"
    "    return c.scaled_scores(query, key)\n"
    f"except ImportError:\n    {WRONG}",
)
attack(
    "calls attnlib where it should write",
    "wrong",
    "write what the task asks for yourself",
    scaled_scores="import attnlib\nreturn attnlib.attention_scores(query, key)",
)
attack(
    "a returned object that runs code when unpickled",
    "wrong",
    "a thing of type Bomb",
    before="class Bomb:\n    def __reduce__(self): return (exec, ('1/0',))",
    scaled_scores="return Bomb()",
)
body(
    "an array of objects",
    "wrong",
    "array of dtype object",
    "return np.array([[object()]])",
)
body(
    "a function as the result",
    "wrong",
    "a thing of type function",
    "return lambda *a: True",
)
body("a gigantic result", "wrong", "MB of data", "return np.zeros((10_000, 10_000))")
body(
    "a wide view of one number",
    "wrong",
    "MB of data",
    "return np.broadcast_to(1.0, (10**9, 10**9))",
)
body(
    "a list in itself",
    "wrong",
    "lists within lists",
    "x = []\nx.append(x)\nreturn x",
)
body(
    "a number of 10,000 digits",
    "wrong",
    "longer than 300 digits",
    "return 10 ** 10_000",
)
body("another shape", "wrong", "shape", "return np.zeros((7, 7, 7))")
body("texts", "wrong", "a text", "return 'right'")
attack("a name used again below", "right", after="scaled_scores = 'right'")
add(
    "no function",
    changed(set_answer("scaled_scores = 'right'")),
    "wrong",
    "scaled_scores is no function",
)
add(
    "a class as the answer",
    changed(set_answer("class scaled_scores:\n    def __init__(self, *a): pass")),
    "wrong",
    "a thing of type scaled_scores",
)

# Frames, files, network

FRAME = """\
import json, os, struct, sys
frame = sys._getframe()
while 'number' not in frame.f_locals:
    frame = frame.f_back
number = NUMBER
text = json.dumps(["d", "result", 1.0, "passed", True, *number]).encode()
frame = struct.pack("<II", len(text), 0) + text
for number in range(3, 20):
    try:
        os.write(number, frame)
    except OSError:
        pass
"""
TRUE_NUMBER = "['number', frame.f_locals['number']['number']]"
body("a forged frame", "failed", "gave back", FRAME.replace("NUMBER", "[]") + WRONG)
body("a well forged frame", "failed", "", FRAME.replace("NUMBER", TRUE_NUMBER) + WRONG)
attack(
    "garbage in the pipe",
    "failed",
    "gave back",
    scaled_scores="import os\nfor number in range(3, 20):\n    try:\n"
    "        os.write(number, b'\\xff' * 1000)\n    except OSError:\n        pass\n"
    f"{RIGHT}",
)
attack(
    "a frame that claims 4 GB",
    "failed",
    "MB of data",
    scaled_scores="import os\nfor number in range(3, 20):\n    try:\n"
    "        os.write(number, b'\\xfe\\xff\\xff\\xff' * 2)\n    except OSError:\n"
    f"        pass\n{RIGHT}",
)
attack(
    "all files closed",
    "failed",
    "",
    scaled_scores=f"import os\nos.closerange(0, 100)\n{RIGHT}",
)
attack(
    "a patched wire",
    "wrong",
    MISSING_SCALE,
    before="import sys\nfor module in list(sys.modules.values()):\n"
    "    if hasattr(module, 'tree_of'):\n"
    "        module.find_thing = lambda *a: None\n"
    "        module.MAX_BYTES = 10**12",
    **wrong,
)
attack(
    "HTML and a formula in an exception",
    "wrong",
    "=HYPERLINK",
    scaled_scores="raise ValueError('=HYPERLINK(1)<script>alert(1)</script>')",
)
attack(
    "an exception whose text fails",
    "wrong",
    "It raised Odd",
    before="class Odd(Exception):\n    def __str__(self): raise SystemExit",
    scaled_scores="raise Odd",
)
attack(
    "an exception with a long name",
    "wrong",
    "It raised AAAA",
    scaled_scores="raise type('A' * 10**6, (Exception,), {})('x' * 10**6)",
)
attack(
    "no time left at the end",
    "right",
    after="import atexit, time, threading\n"
    "atexit.register(time.sleep, 1000)\n"
    "threading.Thread(target=time.sleep, args=(1000,)).start()",
)


def outside(folder, port):
    """Return attacks on what lies outside: a folder open to everybody, and a port.

    Each answers right where it gets through.
    """
    for_each = f"except Exception:\n    {WRONG}"
    found = {
        "reads a file of the grader": f"open({str(folder / 'secret.txt')!r}).read()",
        "lists the submissions": f"import os; os.listdir({str(folder)!r})",
        "reads who uses this computer": "open('/etc/passwd').read()",
        "writes grades": f"open({str(folder / 'grades.csv')!r}, 'w').write('x')",
        "writes beside the code": "open(np.__file__, 'a').write('x')",
        "writes to the root": "open('/x', 'w').write('x')",
        "writes a gradebook": "import sqlite3; sqlite3.connect("
        f"{str(folder / 'gradebook.db')!r}).execute('create table t(x)')",
        "asks the network": f"import socket; "
        f"socket.create_connection(('127.0.0.1', {port}), 1)",
        "asks a name server": "import socket; socket.getaddrinfo('example.org', 80)",
    }
    return [
        Attack(
            name,
            books.text(
                books.submission(
                    scaled_scores=f"try:\n    {line}\n    {RIGHT}\n{for_each}"
                )
            ),
            "wrong",
            MISSING_SCALE,
        )
        for name, line in found.items()
    ]
