"""GitHub's workflows, as far as they can be checked without GitHub."""

import fnmatch
import os
import re
import shutil
import subprocess

import pytest
import yaml

from course import address
from replay import versions
from tests.fixtures import ROOT

FOLDER = ROOT / ".github" / "workflows"
PATHS = sorted(FOLDER.glob("*.yml"))
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = set(re.findall(r"(?m)^([a-z][a-z-]*):", MAKEFILE))
SCRIPT = re.compile(r"(?<![\w/.$-])/?((?:course/)?(?:\.ci|\.github|replay)/[\w./-]+)")
MODULE = re.compile(r"-m ((?:benchmarks|book|course|grading|replay)(?:\.\w+)?)")
ACTION = re.compile(
    r"actions/[a-z-]+@v\d+|\./\.github/workflows/[a-z]+\.yml"
    r"|lycheeverse/lychee-action@[0-9a-f]{40}"
)
WRITES = {  # what a job may do besides reading
    ("pages", "publish"): {"pages": "write", "id-token": "write"},
    ("release", "release"): {"contents": "write", "actions": "write"},
    ("weekly", "report"): {"issues": "write"},
}


def read(path):
    """Return a workflow; YAML takes its key `on` for a truth value."""
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {"on" if key is True else key: value for key, value in workflow.items()}


def steps(workflow):
    """Yield every step of a workflow."""
    for job in workflow["jobs"].values():
        yield from job.get("steps", [])


def scripts(workflow):
    """Return what the steps run."""
    return [step["run"] for step in steps(workflow) if "run" in step]


# Each of the following returns sentences, none where all is well.


def loose_permissions(workflow):
    """What a job may do without need."""
    found = []
    if workflow.get("permissions") != {"contents": "read"}:
        found.append("the workflow's permissions are not contents: read")
    for name, job in workflow["jobs"].items():
        given = job.get("permissions", {}).items()
        writes = {key: value for key, value in given if value != "read"}
        if writes != WRITES.get((workflow["name"], name), {}):
            found.append(f"{name} has {writes}")
    return found


def endless_jobs(workflow):
    """Jobs without a time limit; a called workflow has its own."""
    jobs = workflow["jobs"].items()
    return [n for n, job in jobs if "uses" not in job and "timeout-minutes" not in job]


def foreign_actions(workflow):
    """Actions that are neither GitHub's own, nor of this folder, nor a fixed commit."""
    used = [part.get("uses") for part in [*steps(workflow), *workflow["jobs"].values()]]
    found = [name for name in used if name and not ACTION.fullmatch(name)]
    paths = [ROOT / name for name in used if name and name.startswith("./")]
    return found + [str(path) for path in paths if not path.exists()]


def broken_scripts(workflow):
    """Scripts that bash cannot read."""
    found = []
    for text in scripts(workflow):
        done = subprocess.run(
            ["bash", "-n"], input=text, capture_output=True, text=True, encoding="utf-8"
        )
        found += [done.stderr] * (done.returncode != 0)
    return found


def spliced_scripts(workflow):
    """Scripts with an expression in their text: what is in it could be a command."""
    return [text for text in scripts(workflow) if "${{" in text]


def unknown_targets(workflow):
    """What is asked of make and is no target of the Makefile."""
    lines = [line for text in scripts(workflow) for line in text.splitlines()]
    asked = [re.match(r"\s*make ((?:[a-z-]+ ?)+)", line) for line in lines]
    names = {name for match in asked if match for name in match[1].split()}
    return sorted(names - TARGETS)


def missing_files(workflow):
    """Scripts and tools that are named and not there."""
    names = {name for text in scripts(workflow) for name in SCRIPT.findall(text)}
    names = {name.removeprefix("course/").rstrip(".") for name in names}
    for text in scripts(workflow):
        names |= {module_file(name) for name in MODULE.findall(text)}
    return sorted(name for name in names if not (ROOT / name).exists())


def module_file(name):
    """Return the file that `python -m name` runs."""
    path = name.replace(".", "/")
    return f"{path}.py" if "." in name else f"{path}/__main__.py"


def lost_artifacts(workflow):
    """Artifacts that are fetched and that no job of the same run makes."""
    made, fetched = [], []
    for step in steps(workflow):
        name = step.get("with", {}).get("name") or step.get("with", {}).get("pattern")
        if "/upload-artifact@" in step.get("uses", ""):
            made.append(name)
        if "/download-artifact@" in step.get("uses", ""):
            fetched.append(name)
    made += [job.get("with", {}).get("artifact") for job in workflow["jobs"].values()]
    made = [name for name in made if name]
    return [name for name in fetched if not fnmatch.filter(made, name)]


def unknown_needs(workflow):
    """Jobs that are waited for and are not there."""
    asked = [job.get("needs", []) for job in workflow["jobs"].values()]
    names = {n for need in asked for n in ([need] if isinstance(need, str) else need)}
    return sorted(names - set(workflow["jobs"]))


def typed_owners(workflow):
    """Addresses of a repository, which should come from the run."""
    named = address.FORM.fullmatch(address.setting(ROOT)["url"])[1]
    text = yaml.safe_dump(workflow)
    return re.findall(r"github\.com/[\w-]+/[\w-]+", text) + [named] * (named in text)


CHECKS = [
    loose_permissions,
    endless_jobs,
    foreign_actions,
    broken_scripts,
    spliced_scripts,
    unknown_targets,
    missing_files,
    lost_artifacts,
    unknown_needs,
    typed_owners,
]


def test_the_workflows_that_the_course_needs_are_there():
    names = {path.stem for path in PATHS}
    assert names == {"build", "pages", "release", "test", "weekly"}
    assert all(read(path)["name"] == path.stem for path in PATHS)


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_workflow_is_sound(path, check):
    assert check(read(path)) == []


def test_one_group_of_runs_at_a_time():
    """Every workflow that starts by itself says which of its runs exclude others."""
    for path in PATHS:
        if "workflow_call" not in read(path)["on"]:
            assert read(path)["concurrency"]["group"], path.name


def test_the_versions_that_are_tried_are_those_that_are_promised():
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    lowest = re.search(r'requires-python = ">=([\d.]+)"', project)[1]
    matrix = read(FOLDER / "test.yml")["jobs"]["versions"]["strategy"]["matrix"]
    assert matrix["python"] == [lowest, "3.12", "3.13", "3.14"]
    assert {"versions": "lowest", "python": lowest} in matrix["include"]


def test_unit_tests_need_no_built_book_and_no_browser():
    """What other systems and versions leave out is all that has such a fixture."""
    asks = re.compile(r"def test\w+\([^)]*\b(?:book|built|browser|firefox|on_disk)\b")
    named = [
        path.relative_to(ROOT / "tests").as_posix()
        for path in ROOT.glob("tests/**/test_*.py")
        if asks.search(path.read_text(encoding="utf-8"))
    ]
    assert named
    kept = [
        name
        for name in named
        if not any(fnmatch.fnmatch(name, glob) for glob in versions.LEFT_OUT)
    ]
    assert kept == [], "name them in LEFT_OUT of replay/versions.py"


def test_readme_names_the_workflow_of_its_badge():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"actions/workflows/(\w+)\.yml", readme)) == {"test"}


SOUND = {
    "name": "x",
    "on": {"push": None},
    "permissions": {"contents": "read"},
    "jobs": {"one": {"timeout-minutes": 5, "steps": [{"run": "make test"}]}},
}


def with_step(**step):
    """A sound workflow with one more step."""
    return SOUND | {"jobs": {"one": {"timeout-minutes": 5, "steps": [step]}}}


@pytest.mark.parametrize(
    ("check", "fault"),
    [
        (loose_permissions, SOUND | {"permissions": {"contents": "write"}}),
        (loose_permissions, {key: SOUND[key] for key in SOUND if key != "permissions"}),
        (
            loose_permissions,
            SOUND | {"jobs": {"a": {"permissions": {"pages": "write"}}}},
        ),
        (endless_jobs, SOUND | {"jobs": {"one": {"steps": []}}}),
        (foreign_actions, with_step(uses="someone/action@v1")),
        (foreign_actions, with_step(uses="actions/checkout@main")),
        (foreign_actions, with_step(uses="lycheeverse/lychee-action@v2")),
        (
            foreign_actions,
            SOUND | {"jobs": {"a": {"uses": "./.github/workflows/no.yml"}}},
        ),
        (broken_scripts, with_step(run="if true; then echo")),
        (spliced_scripts, with_step(run='echo "${{ github.head_ref }}"')),
        (unknown_targets, with_step(run="make test nonsense")),
        (missing_files, with_step(run="python -m book.nonsense")),
        (missing_files, with_step(run="docker run x /course/replay/nonsense.py")),
        (
            lost_artifacts,
            with_step(uses="actions/download-artifact@v8", **{"with": {"name": "no"}}),
        ),
        (unknown_needs, SOUND | {"jobs": {"one": {"needs": ["two"]}}}),
        (typed_owners, with_step(run="git clone https://github.com/you/fork")),
    ],
)
def test_a_faulty_workflow_is_found(check, fault):
    assert check(SOUND) == []
    assert len(check(fault)) == 1


# ------------------------------------------------------------- the weekly report

GH = """#!/usr/bin/env bash
printf '%s ' "$@" >> "$CALLS"; echo >> "$CALLS"
case "$1 $2" in
  "issue list") printf '%s' "$OPEN" ;;
  "issue create" | "issue comment") cp body.md "$BODY" ;;
esac
"""


@pytest.fixture
def report(tmp_path):
    """Run report.sh with a gh that notes what is asked of it; return (calls, body)."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "gh").write_text(GH)
    (tmp_path / "bin" / "gh").chmod(0o755)
    logs = tmp_path / "logs" / "log-colab"
    logs.mkdir(parents=True)
    lines = [f"line {n}" for n in range(90)]
    (logs / "weekly.log").write_text("\n".join([*lines, "```", "\x1b[31mFAULT\x1b[0m"]))

    def run(failed, opened, logs="logs"):
        calls, body = tmp_path / "calls", tmp_path / "body"
        for path in (calls, body):
            path.unlink(missing_ok=True)
        done = subprocess.run(
            ["bash", str(ROOT / ".github" / "report.sh"), failed, logs],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={
                "PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}",
                "CALLS": str(calls),
                "BODY": str(body),
                "OPEN": opened,
                "GITHUB_SERVER_URL": "https://github.com",
                "GITHUB_REPOSITORY": "you/fork",
                "GITHUB_RUN_ID": "17",
            },
        )
        assert done.returncode == 0, done.stderr
        said = body.read_text(encoding="utf-8") if body.exists() else ""
        return [" ".join(c.split()[:2]) for c in calls.read_text().splitlines()], said

    return run


def test_a_failure_opens_an_issue_with_the_end_of_the_log(report):
    calls, body = report("true", opened="")
    assert calls == ["issue list", "label create", "issue create"]
    assert body.startswith(
        "The weekly run failed: https://github.com/you/fork/actions/runs/17\n"
    )
    assert "\nThe end of `log-colab`:\n\n    line 52\n" in body
    assert body.endswith("    ```\n    FAULT\n\n")


def test_a_second_failure_writes_to_the_open_issue(report):
    calls, body = report("true", opened="5")
    assert calls == ["issue list", "issue comment"]
    assert "FAULT" in body


def test_a_failure_without_a_log_is_told_too(report):
    calls, body = report("true", opened="", logs="nowhere")
    assert calls[-1] == "issue create"
    assert "No job left a log; see the run." in body


def test_a_green_run_closes_the_issue_and_opens_none(report):
    assert report("false", opened="5") == (["issue list", "issue close"], "")
    assert report("false", opened="") == (["issue list"], "")


@pytest.mark.skipif(not shutil.which("shellcheck"), reason="no shellcheck")
def test_shellcheck_finds_nothing():
    own = [ROOT / ".github" / "report.sh", ROOT / ".ci" / "run"]
    for path in own:
        done = subprocess.run(["shellcheck", str(path)], capture_output=True, text=True)
        assert done.stdout == ""
    for path in PATHS:
        for text in scripts(read(path)):
            command = ["shellcheck", "--shell=bash", "-"]
            done = subprocess.run(command, input=text, capture_output=True, text=True)
            assert done.stdout == "", path.name
