"""Run the notebooks where readers run them, and say what is not as it should be.

    python tools/replay.py colab      each notebook alone in a folder, beside Colab's
                                      packages, its set-up cell run as it stands
    python tools/replay.py binder     Binder's steps, then every notebook in JupyterLab
    python tools/replay.py repeats    five times each: threads, hash seeds, BLAS

    --only 04 exercises/03            notebooks whose path has one of these in it
    --runs 1 3                        repeats: these of the five runs
    --here                            colab: the running Python is Colab's own
    --github                          colab: git asks GitHub, not this checkout
    --pictures FOLDER                 binder: store what JupyterLab shows

Environments are made in a cache folder: --cache, or ~/.cache/attention-course.
"""

import argparse
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from tools import lab_server, notebooks, replay_env

ROOT = notebooks.ROOT
FIVE = range(1, 6)


def published():
    """The notebooks that a reader opens: the chapters, then the exercises' releases."""
    return notebooks.notebooks() + sorted(ROOT.glob("chapters/exercises/*.ipynb"))


def chosen(paths, only):
    """Those whose path has one of the texts in it; all without a text."""
    kept = [
        path
        for path in paths
        if not only or any(text in path.relative_to(ROOT).as_posix() for text in only)
    ]
    if not kept:
        sys.exit(f"no notebook's path has {' or '.join(only)} in it")
    return kept


def colab(options):
    """Replay Colab; return the faults."""
    from tools import replay_colab

    return replay_colab.replay(chosen(published(), options.only), options)


def binder(options):
    """Replay Binder; return the faults."""
    from tools import replay_binder

    return replay_binder.replay(chosen(published(), options.only), options)


def repeats(options):
    """Run everything several times; return what differs. The sources run too."""
    from tools import replay_repeats

    paths = published() + sorted(ROOT.glob("exercises/*.ipynb"))
    return replay_repeats.repeats(chosen(paths, options.only), options.runs)


def main(arguments=None):
    """Run the command line; return the exit status."""
    commands = {"colab": colab, "binder": binder, "repeats": repeats}
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=commands)
    parser.add_argument("--only", nargs="+", default=[])
    parser.add_argument("--runs", nargs="+", type=int, choices=FIVE, default=FIVE)
    parser.add_argument("--here", action="store_true")
    parser.add_argument("--github", action="store_true")
    parser.add_argument("--pictures", type=pathlib.Path)
    cache = pathlib.Path.home() / ".cache" / "attention-course"
    parser.add_argument("--cache", type=pathlib.Path, default=cache)
    options = parser.parse_args(arguments)
    try:
        faults = commands[options.command](options)
    except (replay_env.ReplayError, lab_server.LabError) as error:
        sys.exit(str(error))
    for fault in faults:
        print(f"FAULT: {fault}")
    print(f"{options.command}: {len(faults) or 'no'} fault{'s' * (len(faults) != 1)}")
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
