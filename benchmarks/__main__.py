"""python -m benchmarks attention|language_model|gpu|page [options]."""

import importlib
import os
import sys

# OpenBLAS's threads spin for a tenth of a second after a call, into the time of the
# next candidate: 2**18 cycles instead of 2**28. It reads this when NumPy is loaded.
os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "18")

PARTS = ("attention", "language_model", "gpu", "page")


def main(arguments):
    """Hand over to the part that was asked for; attention without a name."""
    if arguments and arguments[0] in ("-h", "--help"):
        print(__doc__)
        return 0
    named = bool(arguments) and not arguments[0].startswith("-")
    part, rest = (arguments[0], arguments[1:]) if named else ("attention", arguments)
    if part not in PARTS:
        sys.exit(f"there is no part {part!r}; choose one of {', '.join(PARTS)}")
    return importlib.import_module(f"benchmarks.{part}").main(rest)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
