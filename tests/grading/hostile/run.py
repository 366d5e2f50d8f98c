"""Grade all attacks in one batch, as this user or as the other one."""

import contextlib
import csv
import http.server
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from course.paths import ROOT
from tests.grading.hostile import attacks, books, kernel

LIMITS = ["--cell", "6", "--call", "5", "--submission", "60"]
NOBODY = 65534


def need(condition, reason):
    """Skip, with the reason; fail in CI, where nothing may be missing."""
    if not condition:
        if os.environ.get("CI") == "true":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)


def need_sandbox():
    """Skip where there is no bubblewrap."""
    need(shutil.which("bwrap"), "no bubblewrap: apt-get install bubblewrap")


def grade(arguments, prefix=(), **options):
    """Run the grader's command line."""
    command = [*prefix, sys.executable, "-B", "-m", "grading.grade"]
    return subprocess.run(
        [*command, *map(str, arguments)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        cwd=ROOT,
        **options,
    )


def keep_secret(out, number):
    """Fix what the hidden cases follow from, so that runs can be compared."""
    path = out / "state" / "secret"
    path.parent.mkdir(parents=True)
    path.write_text(f"{number:064}")
    for folder in (out, path.parent):
        folder.chmod(0o777)


def table(path):
    """Return the rows of a CSV file."""
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream))


def as_other_user():
    """Return the command that runs another as nobody (from root), or as root."""
    if os.getuid():
        sudo = shutil.which("sudo")
        works = sudo and not subprocess.run([sudo, "-n", "true"]).returncode
        need(works, "no rights to run as root: sudo asks for a password")
        return [sudo, "-n"]
    folders = [Path(sys.base_prefix), Path(sys.prefix), ROOT]
    command = ["bwrap", "--bind", "/", "/", "--dev-bind", "/dev", "/dev"]
    for folder in map(Path.resolve, folders):
        closed = [p for p in folder.parents if not p.stat().st_mode & 0o001]
        if closed:  # nobody may not enter: show the folder in an open one
            command += ["--perms", "0755", "--tmpfs", closed[-1]]
            for parent in reversed(folder.parents[: len(closed)]):
                command += ["--perms", "0755", "--dir", parent]
        command += ["--ro-bind", folder, folder]
    user = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    return [*map(str, command), "--", *user]


@contextlib.contextmanager
def listening():
    """Serve on a port of this machine; yield it and the list of who came."""
    came = []

    class Server(http.server.HTTPServer):
        def verify_request(self, request, address):
            came.append(address)
            return False

    with Server(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_port, came
        server.shutdown()


def every(outside, port):
    """Return all attacks; some on a folder and a port outside."""
    return [*attacks.ATTACKS, *kernel.ATTACKS, *attacks.outside(outside, port)]


class Batch:
    """All attacks graded, between two honest students."""

    def __init__(self, prefix=(), jobs=2):
        """Grade them in a folder of their own, open to every user."""
        self.folder = Path(tempfile.mkdtemp(prefix="hostile-"))
        self.folder.chmod(0o777)
        self.outside = self.folder / "outside"
        for folder in (self.outside, self.folder / "tmp"):
            folder.mkdir()
            folder.chmod(0o777)
        (self.outside / "secret.txt").write_text("secret")
        with listening() as (port, self.came):
            found = enumerate(every(self.outside, port), 1)
            self.attacks = {f"{n:03d} {a.name}": a for n, a in found}
            self.write()
            self.done = grade(
                [
                    *(self.folder / "release.ipynb", self.folder / "handed in"),
                    *("--out", self.folder / "out", "--jobs", jobs),
                    *LIMITS,
                ],
                [*prefix, "env", f"TMPDIR={self.folder / 'tmp'}"],
            )
        self.rows = {}
        if self.done.returncode == 0:
            for row in table(self.folder / "out" / "grades.csv"):
                self.rows.setdefault(row["student"], {})[row["question"]] = row

    def write(self):
        """Write the release, and a folder for each student."""
        honest = books.text(books.submission())
        data = {name: attack.data for name, attack in self.attacks.items()}
        data |= {"000 honest": honest, "999 honest": honest}
        (self.folder / "release.ipynb").write_bytes(books.text(books.release()))
        keep_secret(self.folder / "out", 7)
        for name, book in data.items():
            path = self.folder / "handed in" / name / "release.ipynb"
            path.parent.mkdir(parents=True)
            path.write_bytes(book)

    def page(self, student):
        """Return the feedback page of a student."""
        return (self.folder / "out" / "feedback" / f"{student}.html").read_text("utf-8")

    def remove(self):
        """Leave nothing behind."""
        shutil.rmtree(self.folder, ignore_errors=True)
