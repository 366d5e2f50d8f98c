"""Attacks by way of the kernel, of attnlib's own functions, of seeds, and of size.

Each answers right where it gets through, as in `attacks.outside`.
"""

import platform

from tests.grading.hostile.attacks import MISSING_SCALE, RIGHT, SLOW, WRONG, Attack
from tests.grading.hostile.books import submission, text

# From the kernel's tables of system calls, one row for each machine.
CALLS = {
    "x86_64": {
        "add_key": 248,
        "request_key": 249,
        "keyctl": 250,
        "io_uring_setup": 425,
        "process_vm_readv": 310,
        "ptrace": 101,
        "memfd_secret": 447,
        "shmget": 29,
        "msgget": 68,
        "bpf": 321,
        "perf_event_open": 298,
        "userfaultfd": 323,
        "setns": 308,
        "kcmp": 312,
        "open_by_handle_at": 304,
        "mount": 165,
    },
    "aarch64": {
        "add_key": 217,
        "request_key": 218,
        "keyctl": 219,
        "io_uring_setup": 425,
        "process_vm_readv": 270,
        "ptrace": 117,
        "memfd_secret": 447,
        "shmget": 194,
        "msgget": 186,
        "bpf": 280,
        "perf_event_open": 241,
        "userfaultfd": 282,
        "setns": 268,
        "kcmp": 272,
        "open_by_handle_at": 265,
        "mount": 40,
    },
}.get(platform.machine(), {})
ARGUMENTS = {  # with which a call would do something, or fail for another reason
    "add_key": "b'user', b'found', b'seed', 4, -3",
    "request_key": "b'user', b'found', None, -3",
    "keyctl": "0, -3, 1",
    "io_uring_setup": "8, ctypes.create_string_buffer(120)",
    "process_vm_readv": "os.getpid(), None, 0, None, 0, 0",
    "ptrace": "0, 0, 0, 0",
    "shmget": "4711, 1 << 30, 0o1777",
    "msgget": "4711, 0o1777",
    "perf_event_open": "ctypes.create_string_buffer(120), 0, -1, -1, 0",
    "kcmp": "os.getpid(), os.getpid(), 1, 0, 0",
}
REFUSED = 1  # EPERM, from the filter: others would mean that the kernel was asked


def tried(line):
    """An answer that is right where a line works."""
    return f"try:\n    {line}\n    {RIGHT}\nexcept Exception:\n    {WRONG}"


def called(name, number):
    """An answer that is right unless a system call is refused before it is tried."""
    arguments = ARGUMENTS.get(name, "0, 0, 0, 0, 0")
    return (
        "import ctypes, os\nlibc = ctypes.CDLL(None, use_errno=True)\n"
        f"done = libc.syscall({number}, {arguments})\n"
        f"if done >= 0 or ctypes.get_errno() != {REFUSED}:\n    {RIGHT}\n{WRONG}"
    )


def attack(name, source, status="wrong", reason=MISSING_SCALE, note="", **parts):
    """An attack from within the answer, or around it where `source` is empty."""
    if source:
        parts["scaled_scores"] = source
    return Attack(name, text(submission(**parts)), status, reason, note=note)


CALL = "return attnlib.attention_scores(query, key)"
YOURSELF = "write what the task asks for yourself"
SEEDS = f"""\
for seed in range(2_000):
    rng = np.random.default_rng([seed, *b'scaled_scores'])
    if np.float32(rng.normal()) in query.astype('f4'):
        {RIGHT}
{WRONG}"""
THREADS = """\
import threading
def spin():
    while True:
        pass
for _ in range(4):
    threading.Thread(target=spin, daemon=True).start()
spin()"""

ATTACKS = [
    *(attack(f"the call {name}", called(name, n)) for name, n in CALLS.items()),
    *(
        attack(
            f"a socket of {family}",
            tried(f"import socket; socket.socket({number}, {kind})"),
        )
        for family, number, kind in (
            ("AF_VSOCK", 40, 1),
            ("AF_NETLINK", 16, 3),
            ("AF_ALG", 38, 5),
            ("AF_PACKET", 17, 3),
        )
    ),
    attack(
        "memory in files that no limit counts",
        tried(
            "import os; [os.posix_fallocate(os.memfd_create('x'), 0, 60 << 20) "
            "for _ in range(40)]"
        ),
    ),
    attack(
        "attnlib by another name",
        f"import attnlib as a\n{CALL.replace('attnlib', 'a')}",
        reason=YOURSELF,
    ),
    attack(
        "everything from attnlib",
        "return attention_scores(query, key)",
        reason="NameError",
        before="from attnlib import *",
    ),
    attack(
        "attnlib by getattr",
        "import attnlib\nreturn getattr(attnlib, 'attention_' + 'scores')(query, key)",
        reason=YOURSELF,
    ),
    attack(
        "attnlib by importlib",
        f"import importlib\nattnlib = importlib.import_module('attn' + 'lib')\n{CALL}",
        reason=YOURSELF,
    ),
    attack(
        "attnlib by sys.modules",
        f"import sys, attnlib.exercises\nattnlib = sys.modules['attnlib']\n{CALL}",
        reason=YOURSELF,
    ),
    attack("tries seeds", SEEDS),
    attack(
        "raises what it was given",
        "raise ValueError(query.tolist(), key.tobytes().hex())",
        reason="It raised ValueError",
    ),
    attack(
        "writes over the grader",
        "",
        "right",
        "",
        "OSError",
        before="%%writefile /grader/worker.py\nx = 1",
    ),
    attack(
        "waits for ever",
        "",
        "right",
        "",
        SLOW,
        before=("import asyncio\nawait asyncio.sleep(1000)"),
    ),
    attack("a crowd of threads that spin", THREADS, "failed", SLOW),
    attack("100,000 blank lines", RIGHT + "\n" * 100_000, "right", ""),
    attack("a list of millions", "return [0.0] * 5_000_000", reason="values in lists"),
    attack("a text of millions", "return ['x' * 4_000_000] * 10", reason="MB of"),
    attack(
        "warnings that are patched",
        RIGHT,
        "right",
        "",
        before="import warnings\nwarnings.catch_warnings = None",
    ),
]
