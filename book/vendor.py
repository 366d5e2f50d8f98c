"""Fetch the browser files that the book carries, or check them against their hashes.

    python -m book.vendor            fetch the pinned npm packages and write the files
    python -m book.vendor --check    read the files that are here; needs no network
    python -m book.vendor --pin      fetch, and record new hashes (after a new version)

The book loads nothing from other machines, so the few scripts and fonts that it needs
are committed. `book/vendor.json` names each one: its npm package and exact version,
where it goes, and the SHA-256 of its bytes. A font may name the ranges of signs that
are kept of it; cutting it needs fonttools, and brotli, which is not among the course's
packages: `pip install brotli` first.
"""

import argparse
import hashlib
import io
import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from fontTools import subset
from fontTools.ttLib import TTFont

from course.paths import ROOT

MANIFEST = Path("book") / "vendor.json"


def sha256(data):
    """Return the SHA-256 of bytes, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def read_manifest(root):
    """Return the manifest: npm package name → version, licence, target and files."""
    return json.loads((root / MANIFEST).read_text(encoding="utf-8"))


def wrong_files(root):
    """Return one line for each file that is missing, changed or not in the manifest."""
    problems = []
    for name, package in read_manifest(root).items():
        target = root / package["target"]
        here = {
            p.relative_to(target).as_posix() for p in target.rglob("*") if p.is_file()
        }
        for path, entry in package["files"].items():
            if path not in here:
                problems.append(f"{target / path} is missing")
            elif sha256((target / path).read_bytes()) != entry["sha256"]:
                problems.append(
                    f"{target / path} is not the file of {name} {package['version']}"
                )
        unknown = sorted(here - set(package["files"]))
        problems += [f"{target / path} is not in {MANIFEST}" for path in unknown]
    return problems


def pack(name, version, folder):
    """Return the tarball of one npm package, fetched into `folder`."""
    command = ["npm", "pack", f"{name}@{version}", "--silent", "--pack-destination"]
    done = subprocess.run(
        [*command, str(folder)], check=True, capture_output=True, text=True
    )
    return folder / done.stdout.split()[-1]


def numbers(signs):
    """Return the numbers of signs that are given as ranges: "41-5A 3B1 ..."."""
    ends = [[int(end, 16) for end in part.split("-")] for part in signs.split()]
    return {sign for part in ends for sign in range(part[0], part[-1] + 1)}


def cut_down(data, signs):
    """Return a font with no more signs than these ranges have."""
    options = subset.Options(
        flavor="woff2", hinting=False, layout_features=["ssty"], notdef_outline=True
    )
    font = TTFont(io.BytesIO(data), recalcTimestamp=False)
    cutter = subset.Subsetter(options)
    cutter.populate(unicodes=numbers(signs))
    cutter.subset(font)
    font.flavor = "woff2"
    written = io.BytesIO()
    font.save(written, reorderTables=False)
    return written.getvalue()


def fetch(root, *, pin=False):
    """Write every file of the manifest from its npm package; check or pin its hash."""
    manifest = read_manifest(root)
    for name, package in manifest.items():
        with tempfile.TemporaryDirectory() as folder:
            tarball = pack(name, package["version"], Path(folder))
            with tarfile.open(tarball) as archive:
                for path, entry in package["files"].items():
                    source = f"package/{entry['from']}"
                    data = archive.extractfile(source).read()
                    if signs := entry.get("signs"):
                        data = cut_down(data, signs)
                    if pin:
                        entry["sha256"] = sha256(data)
                    elif sha256(data) != entry["sha256"]:
                        sys.exit(f"{name}: {source} does not have the recorded hash")
                    file = root / package["target"] / path
                    file.parent.mkdir(parents=True, exist_ok=True)
                    file.write_bytes(data)
    if pin:
        text = json.dumps(manifest, indent=2) + "\n"
        (root / MANIFEST).write_text(text, encoding="utf-8")


def main(arguments=None):
    """Run the command line; exit with a reason where a file is not as recorded."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--check", action="store_true", help="only check the files here")
    group.add_argument("--pin", action="store_true", help="fetch and record new hashes")
    parser.add_argument("--root", type=Path, default=ROOT, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if not options.check:
        fetch(options.root, pin=options.pin)
    problems = wrong_files(options.root)
    if problems:
        sys.exit("\n".join(problems))
    count = sum(len(p["files"]) for p in read_manifest(options.root).values())
    print(f"{count} vendored files have their recorded hashes")


if __name__ == "__main__":
    main()
