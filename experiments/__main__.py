"""Run all experiments anew: `python -m experiments`, or `make experiments`."""

import importlib
import pathlib
import sys

FOLDER = pathlib.Path(__file__).parent
NAMES = sorted(p.stem for p in FOLDER.glob("[!_]*.py") if p.stem != "common")


def main():
    """Run each experiment's `main`, in order of their names."""
    for name in NAMES:
        print(name, flush=True)
        importlib.import_module(f"experiments.{name}").main()


if __name__ == "__main__":
    sys.exit(main())
