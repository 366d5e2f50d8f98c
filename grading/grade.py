"""Grade a folder or a zip of submissions.

    python -m grading.grade 03_scaling downloads.zip
    make grade ASSIGNMENT=03_scaling SUBMISSIONS=downloads.zip JOBS=2 OUT=out

Takes downloads of Canvas and Moodle as they are, folders with one folder or one
notebook for each student, and zips of these. Students' code runs in a sandbox
(bubblewrap, on Linux); the score is given outside of it. Written into the folder OUT:

    grades.csv      student, assignment, question, score, max, status, late, reason
    totals.csv      student, assignment, points, max, answers still open, late
    written.csv     student, question, points, comment: yours to fill in
    written.html    the written answers, with their rubric, for you to read
    feedback/       a page for each student
    refused.csv     files that were not graded, and why
    canvas.csv, moodle.csv, canvas-feedback.zip, moodle-feedback.zip: to upload there

Points that you type into written.csv count from the next run on, for any question, and
no run changes a line of yours there.

Points, deadline, questions and more are set in OUT/settings.toml: see
grading/settings.py. Interrupted? The same command goes on where it stopped. The hidden
cases follow from a secret in OUT/state, drawn by the first run.
"""

import argparse
import sys
import time
from pathlib import Path

from grading import batch, exports, intake, marks, report, settings
from grading.notebook import Invalid, read_assignment
from grading.sandbox.process import Worker
from grading.sandbox.walls import (
    ROOT,
    Limits,
    Sandbox,
    SandboxError,
    find_bwrap,
    library,
)

EXPECTED = (
    SandboxError,
    intake.IntakeError,
    batch.BatchError,
    marks.MarksError,
    Invalid,
    OSError,
    ValueError,
)


def main(arguments=None):
    """Run the command line; return the exit status."""
    options = parser().parse_args(arguments)
    for stream in (sys.stdout, sys.stderr):  # a name may hold what they cannot print
        stream.reconfigure(errors="replace")
    try:
        return grade(options)
    except EXPECTED as error:
        print(f"grade: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nStopped. The same command goes on from here.", file=sys.stderr)
        return 130


def parser():
    """Return the command line's parser."""
    found = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add, limits = found.add_argument, Limits()
    add("assignment", help="a release: its name (03_scaling), or its file")
    add("submissions", type=Path, help="a folder or a zip")
    add("--settings", type=Path, help="a file of settings (OUT/settings.toml)")
    add("--new-cases", action="store_true", help="draw other hidden cases, grade all")
    add("--jobs", type=int, default=1, help="submissions graded at a time (1)")
    add("--out", type=Path, help="folder to write to (grades/<assignment>)")
    add("--no-sandbox", action="store_true", help="run their code with your own rights")
    for name, what in (
        ("cell", "seconds for a cell"),
        ("call", "seconds for one call of an answer"),
        ("submission", "seconds for all cells of a notebook, and for all calls"),
        ("memory", "megabytes of memory"),
    ):
        kind, default = type(getattr(limits, name)), getattr(limits, name)
        add(f"--{name}", type=kind, default=default, help=f"{what} ({default:g})")
    return found


def grade(options):
    """Grade; return 0, also where single submissions are invalid."""
    start = time.perf_counter()
    path = release(options.assignment)
    place, out = options.submissions, options.out or ROOT / "grades" / path.stem
    batch.check_places(place, out)
    rules = settings.DEFAULTS
    if options.settings or (out / settings.NAME).exists():
        rules = settings.read(options.settings or out / settings.NAME)
    assignment = rules.applied(read_assignment(path, rules.sources))
    exports.files(assignment, {}, rules)  # are their files there? before all else
    chosen, refused = intake.find(place, assignment, rules)
    if not chosen and not refused:
        raise intake.IntakeError(f"{place} holds no file")
    named = options.settings or ""
    store = batch.Store(out, assignment.name, named, options.new_cases)
    typed, remarks = marks.take_up(out, assignment)
    print(f"{assignment.name}: {len(chosen)} submissions")
    with batch.folder_for_a_run(store.folder / "library") as folder:
        sandbox = make_sandbox(options, library(folder, assignment), (place, out))
        Worker(sandbox).stop()  # no sandbox, no grades: say so before anything else
        jobs = max(options.jobs, 1)
        results, weaker = batch.run(chosen, assignment, store, sandbox, jobs, rules)
    refused = sorted(refused + weaker)
    remarks += [
        f"settings: days_late names {name}, who handed in nothing"
        for name in rules.days_late
        if name not in results
    ]
    remarks += marks.apply(typed, results)
    waiting = marks.ask_for(out, typed, results)
    remarks += report.write(out, assignment, results, refused, rules)
    report.summarise(assignment, results, refused)
    again = sum(not graded.result.lasting for graded in results.values())
    if again:
        print(f"{again} were not graded, for no fault of theirs: grade again")
    print("".join(f"{remark}\n" for remark in remarks), end="")
    if waiting:
        print(f"{waiting} answers wait for your points in {out / marks.NAME}")
    print(f"{out / 'grades.csv'} is written, in {time.perf_counter() - start:.0f} s")
    return 0


def release(name):
    """Return the path of a release, from its name or path."""
    path = Path(name)
    if path.suffix != ".ipynb":
        path = ROOT / "chapters" / "exercises" / f"{name}.ipynb"
    if not path.is_file():
        known = sorted(p.stem for p in path.parent.glob("*.ipynb"))
        raise ValueError(f"there is no release {path}; known: {', '.join(known)}")
    return path


def make_sandbox(options, stand_in, hidden):
    """Return the sandbox that the options ask for; SandboxError where there is none."""
    limits = Limits(options.cell, options.call, options.submission, options.memory)
    bwrap = None if options.no_sandbox else find_bwrap()
    if bwrap is None:
        print("No sandbox: the students' code can read and change what you can.")
    return Sandbox(stand_in, bwrap, (ROOT, *map(Path.resolve, hidden)), limits)


if __name__ == "__main__":
    sys.exit(main())
