"""The sandbox: bubblewrap's walls around the worker, and a filter of system calls.

Inside there is no network; of the disk, only Python and its packages, read-only, and a
private temporary folder of 64 MB in memory; no other process. A student's code cannot
start a process, so the limits of the one process bind it whole. Run as root, each
sandbox runs as a user of its own that owns nothing.
"""

import contextlib
import ctypes
import dataclasses
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

from grading.sandbox.syscalls import forbidden_calls

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SYSTEM = ["/usr", "/bin", "/lib", "/lib32", "/lib64"]
SYSTEM += ["/etc/alternatives", "/etc/ld.so.cache"]
INSIDE = ("shell.py", "wire.py", "worker.py")  # the grader's own files in there
TEMPORARY = 64 * 2**20  # bytes of the private temporary folder
FIRST_USER = 61_000  # as root: the first of the users that own nothing
ENVIRONMENT = {
    "HOME": "/tmp",
    "LANG": "C.UTF-8",
    "MKL_NUM_THREADS": "1",
    "MPLBACKEND": "Agg",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "PATH": "/usr/bin:/bin",
    "PYTHONHASHSEED": "0",  # the same order of sets each time: the same grade
    "USER": "student",
}


class SandboxError(Exception):
    """There is no sandbox to grade in: the text says why, to the instructor."""


@dataclasses.dataclass(frozen=True)
class Limits:
    """Seconds for a cell, for a call, for all of each; megabytes of memory."""

    cell: float = 20.0
    call: float = 10.0
    submission: float = 240.0
    memory: int = 4096


@dataclasses.dataclass(frozen=True)
class Sandbox:
    """How a worker is started: `library` is the folder with what stands for attnlib.

    `bwrap` is the program, or None for no walls at all. `hidden` are folders that must
    not be seen inside, whatever they lie in. `slot` tells sandboxes apart that run at
    the same time.
    """

    library: Path
    bwrap: str | None
    hidden: tuple[Path, ...] = ()
    limits: Limits = Limits()
    slot: int = 0

    def start(self):
        """Start a worker; return its process, with pipes to all three streams."""
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        own_keyring()
        if self.bwrap is None:
            command = [*python(HERE / "worker.py"), self.config(self.library, None)]
            environment = {**os.environ, **ENVIRONMENT, "HOME": tempfile.gettempdir()}
            return subprocess.Popen(
                command,
                **pipes,
                env=environment,
                cwd=tempfile.gettempdir(),
                start_new_session=True,
            )
        rules = forbidden_calls()
        if not rules:
            return subprocess.Popen(self.command(None), **pipes)
        with tempfile.TemporaryFile() as file:
            file.write(rules)
            file.seek(0)
            number = file.fileno()
            return subprocess.Popen(self.command(number), **pipes, pass_fds=[number])

    def command(self, rules):
        """Return bubblewrap's command line; `rules` is a descriptor, or None."""
        root = os.getuid() == 0
        command = [self.bwrap, "--die-with-parent", "--new-session", "--clearenv"]
        command += ["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts"]
        if root:  # no name space of users: a number outside is that number inside
            command += ["--cap-drop", "ALL", "--cap-add", "CAP_SETUID"]
            command += ["--cap-add", "CAP_SETGID"]
        else:
            command += ["--unshare-user"]
        for name, value in ENVIRONMENT.items():
            command += ["--setenv", name, value]
        command += ["--setenv", "PYTHONPATH", "/tmp"]  # for modules of %%writefile
        command += self.walls()
        if rules is not None:
            command += ["--seccomp", str(rules)]
        user = FIRST_USER + self.slot if root else None
        config = self.config("/grader/library", user)
        return [*command, *python("/grader/worker.py"), config]

    def walls(self):
        """Return the options that say what is seen inside."""
        seen = {Path(path): Path(path) for path in SYSTEM + python_folders()}
        seen = {inside: path for inside, path in seen.items() if path.exists()}
        hidden = [path.resolve() for path in (*self.hidden, *installed_attnlib())]
        inside = {
            Path("/grader/library"): self.library,
            **{Path("/grader", file): HERE / file for file in INSIDE},
        }
        for path in hidden:  # empty folders where they would be seen
            if any(folder in path.parents for folder in seen):
                inside.setdefault(path, None)
        # The private folder first: this checkout itself may lie below the real /tmp.
        options = ["--perms", "1777", "--size", TEMPORARY, "--tmpfs", "/tmp"]
        made, closed = {Path("/tmp")}, ["--remount-ro", "/dev", "--remount-ro", "/"]
        for path, source in sorted((seen | inside).items(), key=depth):
            options += parents(path, made)
            if source is None:
                options += ["--tmpfs", path]
                closed += ["--remount-ro", path]
            else:
                options += ["--ro-bind", source, path]
        return [*map(str, [*options, "--dev", "/dev", *closed]), "--chdir", "/tmp"]

    def config(self, library, user):
        """Return what the worker is told, as JSON."""
        seconds = 4 * int(self.limits.submission) + 60
        return json.dumps(
            {
                "library": str(library),
                "uid": user,
                "memory": self.limits.memory * 2**20,
                "cpu": seconds,
                "processes": None if forbidden_calls() else 64,
            }
        )


def own_keyring():
    """Leave the keys of whoever grades: what is started from now on has none.

    The filter of system calls refuses keys, too; it does not know every machine.
    """
    number = {"x86_64": 250, "aarch64": 219}.get(platform.machine())
    if number and sys.platform == "linux":
        with contextlib.suppress(OSError):
            ctypes.CDLL(None).syscall(number, 1, None)  # join a new session keyring


def depth(item):
    """Sort parents before what lies in them."""
    return len(item[0].parts), item[0]


def parents(path, made):
    """Return the options that make the folders above a path, for everybody to enter."""
    options = []
    for folder in reversed(path.parents[:-1]):
        if folder not in made and not folder.is_relative_to("/usr"):
            made.add(folder)
            options += ["--perms", "0755", "--dir", folder]
    return options


def python(script):
    """Return the command that runs a script, without the user's own folders.

    The script finds what lies beside it, as any script does.
    """
    return [sys.executable, "-s", "-B", str(script)]


def python_folders():
    """Return the folders of this Python and of its packages."""
    found = {sys.prefix, sys.base_prefix, *sysconfig.get_paths().values()}
    found |= {os.path.realpath(sys.base_prefix)}
    return sorted(path for path in found if path not in ("/", ""))


def installed_attnlib():
    """Return where attnlib is installed as a copy, with its references in it."""
    places = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    return [p for place in places if (p := Path(place, "attnlib")).is_dir()]


def library(folder, assignment):
    """Make the folder that stands for attnlib inside; return its path.

    Never the checkers with their references. The rest only where the release lets
    answers call it.
    """
    stub, target = HERE / "stub" / "attnlib", Path(folder, "attnlib")
    if not assignment.allows_attnlib:
        shutil.copytree(stub, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        left_out = shutil.ignore_patterns("exercises", "__pycache__")
        shutil.copytree(ROOT / "attnlib", target, ignore=left_out)
        shutil.copy(stub / "exercises.py", target)
    if assignment.checkers:
        shutil.copy(stub / "exercises.py", Path(folder, assignment.checkers.name))
    for path in [Path(folder), *Path(folder).rglob("*")]:  # readable by every user
        path.chmod(0o755 if path.is_dir() else 0o644)
    return Path(folder)


def find_bwrap():
    """Return the path of a bubblewrap that works; SandboxError where there is none."""
    advice = (
        "Install bubblewrap 0.7 or newer (Debian, Ubuntu: apt-get install bubblewrap), "
        "or pass --no-sandbox (make grade: NO_SANDBOX=1) if you trust every submission "
        "with this computer."
    )
    path = shutil.which("bwrap")
    if path is None:
        raise SandboxError(f"There is no bubblewrap (bwrap) here. {advice}")
    said = subprocess.run([path, "--version"], capture_output=True, text=True).stdout
    version = tuple(map(int, re.findall(r"\d+", said)[:2]))
    if version < (0, 7):
        raise SandboxError(f"{path} is {said.strip() or 'of no version'}. {advice}")
    return path
