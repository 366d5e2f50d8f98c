"""GitHub's workflows, as far as they can be checked without GitHub.

zizmor looks for what is unsafe; the checks here are for what it cannot know.
"""

import fnmatch
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

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
SUPPORTED = ["3.11", "3.12", "3.13", "3.14"]
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


def unknown_targets(workflow):
    """What is asked of make and is no target of the Makefile."""
    lines = [line for text in scripts(workflow) for line in text.splitlines()]
    asked = [re.match(r"\s*make ((?:[a-z-]+ ?)+)", line) for line in lines]
    names = {name for match in asked if match for name in match[1].split()}
    return sorted(names - TARGETS)


def loose_installs(workflow):
    """What pip installs by no lock; by none with hashes, in a job that may write."""
    found = []
    for name, job in workflow["jobs"].items():
        lock = "--require-hashes" if (workflow["name"], name) in WRITES else LOCKED
        lines = [line for step in job.get("steps", []) for line in run_lines(step)]
        lines = [line for line in lines if " pip install" in line]
        found += [line for line in lines if not re.search(lock, line)]
    return found


LOCKED = r"-[rc] requirements[\w-]*\.txt|--no-deps --editable \."


def run_lines(step):
    """The lines of a step's script."""
    return step.get("run", "").splitlines()


def missing_files(workflow):
    """Scripts and tools that are named and not there."""
    names = {name for text in scripts(workflow) for name in SCRIPT.findall(text)}
    names = {name.removeprefix("course/").rstrip(".") for name in names}
    for text in scripts(workflow):
        names |= {module_file(name) for name in MODULE.findall(text)}
    called = [job.get("uses", "") for job in workflow["jobs"].values()]
    names |= {name for name in called if name.startswith("./")}
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
    unknown_targets,
    loose_installs,
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


def test_the_versions_that_are_tried_are_those_that_are_promised():
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    lowest = re.search(r'requires-python = ">=([\d.]+)"', project)[1]
    matrix = read(FOLDER / "test.yml")["jobs"]["versions"]["strategy"]["matrix"]
    assert matrix["python"] == [lowest, *SUPPORTED[1:]]
    assert {"versions": "lowest", "python": lowest} in matrix["include"]


def test_attnlib_is_tried_without_the_interpreter_s_lock():
    job = read(FOLDER / "test.yml")["jobs"]["free-threaded"]
    told = [step.get("with", {}).get("python-version") for step in job["steps"]]
    assert f"{SUPPORTED[-1]}t" in told
    (tests,) = (step for step in job["steps"] if "pytest" in step.get("run", ""))
    assert "tests/attnlib" in tests["run"]
    assert tests["env"]["PYTHON_GIL"] == "0"


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
        (
            loose_permissions,
            SOUND | {"jobs": {"a": {"permissions": {"pages": "write"}}}},
        ),
        (endless_jobs, SOUND | {"jobs": {"one": {"steps": []}}}),
        (unknown_targets, with_step(run="make test nonsense")),
        (loose_installs, with_step(run="python -m pip install pyyaml")),
        (
            loose_installs,
            {
                "name": "pages",
                "jobs": {
                    "publish": {
                        "steps": [{"run": "python -m pip install -r requirements.txt"}]
                    }
                },
            },
        ),
        (missing_files, with_step(run="python -m book.nonsense")),
        (
            missing_files,
            SOUND | {"jobs": {"a": {"uses": "./.github/workflows/no.yml"}}},
        ),
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


# --------------------------------------------------------------------- zizmor


def zizmor(folder):
    """The audits that found something in a repository."""
    options = ["--offline", "--pedantic", "--strict-collection", "--format", "json"]
    done = subprocess.run(
        [Path(sys.executable).with_name("zizmor"), *options, folder],
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert done.stdout, done.stderr
    return sorted({found["ident"] for found in json.loads(done.stdout)})


def test_zizmor_finds_nothing():
    assert zizmor(ROOT / ".github") == []


CHECKOUT = f"actions/checkout@{'0' * 40} # v7"
SAFE = f"""\
name: safe
on: {{push: }}
permissions: {{contents: read}}
concurrency: {{group: safe, cancel-in-progress: false}}
jobs:
  one:
    runs-on: ubuntu-latest
    steps:
      - uses: {CHECKOUT}
        with: {{persist-credentials: false}}
      - run: make test
"""


@pytest.mark.parametrize(
    ("old", "new", "audits"),
    [
        ("", "", []),
        (CHECKOUT, "actions/checkout@v7", ["unpinned-uses"]),
        (CHECKOUT, "actions/checkout@main", ["unpinned-uses"]),
        ("actions/checkout", "someone/action", ["forbidden-uses"]),
        ("permissions: {contents: read}\n", "", ["excessive-permissions"]),
        ("contents: read", "contents: write", ["excessive-permissions"]),
        ("make test", 'echo "${{ github.head_ref }}"', ["template-injection"]),
        ("make test", 'echo "${{ github.sha }}"', ["template-injection"]),
        ("persist-credentials: false", "fetch-depth: 0", ["artipacked"]),
        (
            "concurrency: {group: safe, cancel-in-progress: false}\n",
            "",
            ["concurrency-limits"],
        ),
    ],
)
def test_zizmor_finds_what_is_unsafe(tmp_path, old, new, audits):
    """By the project's settings: the actions that it names, pinned by commit."""
    folder = tmp_path / ".github" / "workflows"
    folder.mkdir(parents=True)
    shutil.copy(ROOT / ".github" / "zizmor.yml", tmp_path / ".github")
    text = SAFE.replace(old, new, 1)
    (folder / "safe.yml").write_text(text, encoding="utf-8")
    assert [a for a in zizmor(tmp_path) if a != "undocumented-permissions"] == audits


def test_dependabot_renews_actions_and_packages():
    text = (ROOT / ".github" / "dependabot.yml").read_text(encoding="utf-8")
    updates = yaml.safe_load(text)["updates"]
    assert [u["package-ecosystem"] for u in updates] == ["github-actions", "uv"]


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
    own = [*ROOT.glob(".github/*.sh"), ROOT / ".ci" / "run"]
    for path in own:
        done = subprocess.run(["shellcheck", str(path)], capture_output=True, text=True)
        assert done.stdout == ""
    for path in PATHS:
        for text in scripts(read(path)):
            command = ["shellcheck", "--shell=bash", "-"]
            done = subprocess.run(command, input=text, capture_output=True, text=True)
            assert done.stdout == "", path.name
