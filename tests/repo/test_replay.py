"""The replays' core: what counts as run to the end, as installed, as shown."""

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from course import toc
from course.paths import ROOT
from replay import __main__ as replay
from replay import colab, environments, repeats
from replay import runner as core

RELEASE = ROOT / "chapters" / "exercises" / "03_scaling.ipynb"
SOURCE = ROOT / "exercises" / "03_scaling.ipynb"


def notebook(*sources, tags=()):
    """A notebook of cells of code; the last one has the tags."""
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    cells[-1].metadata["tags"] = list(tags)
    return nbformat.v4.new_notebook(cells=cells)


def run(*sources, folder, tags=(), **variables):
    """Run cells with this Python."""
    nb = notebook(*sources, tags=tags)
    environment = environments.without_own(**variables)
    return core.run(nb, "x", sys.executable, folder, environment)


# ---------------------------------------------------------------- run to the end


def test_a_notebook_runs_in_its_folder_with_its_variables(tmp_path):
    source = "import os; print(os.getcwd(), os.environ['OWN'])"
    done = run(source, folder=tmp_path, OWN="yes")
    assert done.faults == []
    assert core.lines(core.code(done.nb)[0]) == [f"{tmp_path} yes"]


def test_an_error_ends_it_and_the_rest_is_named(tmp_path):
    done = run("1 / 0", "print(1)", folder=tmp_path)
    assert done.faults == [
        "stopped: ZeroDivisionError: division by zero",
        "cell [1] ended in ZeroDivisionError: division by zero",
        "cell [2] was not run",
    ]


def test_a_warning_is_named(tmp_path):
    done = run("import sys; print('careful', file=sys.stderr)", folder=tmp_path)
    assert done.faults == ["cell [1] wrote to stderr: 'careful\\n'"]


CHECK = "class NotYet(Exception): pass\nraise NotYet('name: {}')"


@pytest.mark.parametrize(
    ("said", "tags", "fine"),
    [
        (core.UNANSWERED, ["raises-exception"], True),
        ("scores are not scaled", ["raises-exception"], False),
        (core.UNANSWERED, [], False),
    ],
)
def test_a_check_may_only_say_that_nothing_is_answered(tmp_path, said, tags, fine):
    done = run("pass", CHECK.format(said), folder=tmp_path, tags=tags)
    assert (done.faults == []) == fine
    assert core.unanswered(done.nb) == (said == core.UNANSWERED)


def test_another_error_in_a_tagged_cell_is_a_fault(tmp_path):
    done = run(
        "pass", "raise KeyError('k')", folder=tmp_path, tags=["raises-exception"]
    )
    assert done.faults == ["cell [2] ended in KeyError: 'k'"]


def test_a_release_runs_unanswered_and_answered(tmp_path):
    release, source = environments.read(RELEASE), environments.read(SOURCE)
    answered = core.answered(release, source)
    environment = environments.without_own()
    for nb, count in ((release, 7), (answered, 0)):
        done = core.run(nb, "x", sys.executable, tmp_path, environment)
        assert done.faults == []
        assert core.unanswered(done.nb) == count


# ---------------------------------------------------------------- the same text


def test_every_repeat_is_another_setting_that_comes_into_force():
    settings = repeats.SETTINGS
    assert len(settings) == len(replay.FIVE)
    for name in ("PYTHONHASHSEED", "OPENBLAS_CORETYPE"):
        assert len({chosen.get(name) for chosen in settings}) == 5
    assert {chosen["OMP_NUM_THREADS"] for chosen in settings} == {"1", "2", "4"}
    probed = repeats.probe(settings[1])
    assert probed["NumPy"] == "baseline"
    assert probed["torch"].startswith("DEFAULT")


def test_the_process_s_own_settings_do_not_show_through(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "here")
    monkeypatch.setenv("OMP_NUM_THREADS", "64")
    assert repeats.environment({"OMP_NUM_THREADS": "2"})["OMP_NUM_THREADS"] == "2"
    for variables in (repeats.environment({}), environments.without_own()):
        assert not {"PYTHONPATH", "OMP_NUM_THREADS"} & {*variables}


@pytest.mark.parametrize(("printed", "faults"), [("a\n", 0), ("b\n", 1)])
def test_a_text_that_differs_from_the_stored_one_is_a_fault(tmp_path, printed, faults):
    path = tmp_path / "x.ipynb"
    nb = shown("a\n")
    nb.cells[0].source, nb.cells[1].source = "pass", f"print({printed.strip()!r})"
    nbformat.write(nb, path)
    options = argparse.Namespace(runs=[1])
    assert len(repeats.replay([path], options)) == faults


def shown(*texts):
    """A notebook with an empty cell, then one that printed these texts."""
    nb = notebook("set up", "print()")
    outputs = [nbformat.v4.new_output("stream", name="stdout", text=t) for t in texts]
    nb.cells[1].outputs = outputs
    nb.cells[0].execution_count, nb.cells[1].execution_count = 1, 2
    return nb


# ---------------------------------------------------------------- Colab


def test_what_pip_changed_is_told():
    before = {"a": "a==1", "b": "b==1", "c": "c==1"}
    after = {"a": "a==1", "b": "b==2", "d": "d @ git+https://example.org/d"}
    assert environments.changes(before, after) == (
        ["d"],
        ["b==1 became b==2", "c==1 became nothing: it is gone"],
    )


def said_by_set_up(text, installed):
    """A Run whose set-up cell printed this text."""
    nb = notebook("set up")
    nb.cells[0].outputs = [nbformat.v4.new_output("stream", text=text)]
    return core.Run("x", nb, installed=installed)


@pytest.mark.parametrize(
    ("text", "installed", "fault"),
    [
        ("Installed attnlib from x\n", ["attnlib", "anywidget", "psygnal"], None),
        ("Installed attnlib from x\n", ["attnlib", "torch"], "installed torch as well"),
        ("", ["attnlib"], "must say one line, and said []"),
        ("Installed attnlib\nWARNING\n", ["attnlib"], "must say one line"),
    ],
)
def test_what_the_set_up_cell_may_do(text, installed, fault):
    faults = colab.set_up_faults(said_by_set_up(text, installed))
    assert [fault in found for found in faults] == ([True] if fault else [])


VIEW = {core.WIDGET_VIEW: {"model_id": "1"}}
MANAGER = {core.WIDGET_VIEW: {"colab": {"custom_widget_manager": {"url": "x"}}}}


@pytest.mark.parametrize(
    ("data", "metadata", "fault"),
    [
        (VIEW, MANAGER, None),
        (VIEW, {}, "stays a table in Colab"),
        ({"text/plain": "x"}, {}, "shows no live figure"),
    ],
)
def test_a_figure_that_colab_does_not_show_is_found(data, metadata, fault):
    stored, now = shown(), shown()
    table = {"text/html": f"<div {core.LIVE}></div>"}
    stored.cells[1].outputs = [nbformat.v4.new_output("display_data", table)]
    now.cells[1].outputs = [
        nbformat.v4.new_output("display_data", data, metadata=metadata)
    ]
    faults = colab.figure_faults(stored, now)
    assert [fault in found for found in faults] == ([True] if fault else [])


LIVE_CELL = "from attnlib.widgets import SoftmaxScale\nSoftmaxScale(d_k=4)"


@pytest.mark.parametrize("colab", [True, False])
def test_anywidget_switches_colab_s_manager_on(tmp_path, colab):
    own = environments.home(tmp_path, "https://example.org", None)
    if not colab:
        next(own.rglob("00-colab.py")).unlink()
    variables = environments.variables(sys.executable, own)
    nb = notebook(LIVE_CELL)
    done = core.run(nb, "x", sys.executable, ROOT, variables)
    (figure,) = core.live_figures(core.code(done.nb)[0])
    assert core.enabled_in_colab(figure) == colab


def test_git_takes_the_working_tree_for_the_address(tmp_path):
    url = "https://example.org/course"
    bare = environments.snapshot(tmp_path, "main")
    own = environments.home(tmp_path, url, bare)
    command = ["git", "clone", "--quiet", "--branch", "main", url, "clone"]
    variables = environments.variables(sys.executable, own)
    subprocess.run(command, cwd=tmp_path, env=variables, check=True)
    here = Path(__file__).relative_to(ROOT)
    assert (tmp_path / "clone" / here).read_bytes() == Path(__file__).read_bytes()
    assert not (tmp_path / "clone" / "_build").exists()


def test_colab_s_packages_are_pinned_and_the_course_s_are_missing():
    lines = [
        line
        for line in colab.PACKAGES.read_text(encoding="utf-8").splitlines()
        if not line.startswith("#")
    ]
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in lines)
    names = {line.partition("==")[0] for line in lines}
    assert {"numpy", "torch", "matplotlib", "ipywidgets", "ipykernel"} <= names
    assert not names & colab.MAY_BE_INSTALLED


# ---------------------------------------------------------------- Binder


def pins(name):
    """The pins of a file of requirements."""
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    return {line.split()[0] for line in lines if re.match(r"[\w-]+==", line)}


def test_binder_has_the_tested_versions_and_torch_without_cuda():
    wanted = pins("binder/requirements.txt")
    tested = pins("requirements.txt")
    (notebook,) = {pin.removesuffix("+cpu") for pin in wanted} - tested
    assert re.fullmatch(r"notebook==7\.(\d+)\.\d+", notebook)
    (lab,) = (pin for pin in wanted if pin.startswith("jupyterlab=="))
    assert notebook.split(".")[1] == lab.split(".")[1]  # 7.6 wants JupyterLab 4.6
    assert [pin for pin in wanted if pin.endswith("+cpu")] == [
        pin for pin in wanted if pin.startswith("torch==")
    ]
    names = {pin.partition("==")[0] for pin in wanted}
    assert {"jupyterlab", "ipywidgets", "anywidget", "torch", "ipykernel"} <= names


def test_binder_s_settings_are_those_of_jupyterlab():
    """Each names a plugin and a setting of it that JupyterLab's schemas have."""
    pytest.importorskip("jupyterlab")
    schemas = Path(sys.prefix) / "share" / "jupyter" / "lab" / "schemas"
    text = (ROOT / "binder" / "overrides.json").read_text(encoding="utf-8")
    for plugin, settings in json.loads(text).items():
        package, _, name = plugin.partition(":")
        schema = json.loads((schemas / package / f"{name}.json").read_text("utf-8"))
        assert {*settings} <= {*schema["properties"]}


# ---------------------------------------------------------------- the command line


def test_the_published_notebooks_are_those_of_the_book():
    names = {path.relative_to(ROOT).as_posix() for path in replay.published()}
    pages = {f"{name}.ipynb" for name in toc.pages()}
    assert names == {page for page in pages if (ROOT / page).exists()}


def test_an_unknown_notebook_is_named():
    with pytest.raises(SystemExit, match="no notebook's path has 99_none in it"):
        replay.main(["lab", "--only", "99_none"])


def test_a_difference_is_a_fault_and_a_status(monkeypatch, capsys):
    faulty = {"repeats": lambda paths, options: ["run 1: a: b"]}
    monkeypatch.setattr(replay, "COMMANDS", replay.COMMANDS | faulty)
    assert replay.main(["repeats"]) == 1
    assert "FAULT: run 1: a: b\nrepeats: 1 fault\n" in capsys.readouterr().out
