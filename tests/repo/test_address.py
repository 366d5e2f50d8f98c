"""One setting for the repository's address: written everywhere, stale ones found."""

import importlib.util
import os
import shutil
import subprocess
import sys

import nbformat
import pytest

from book import crawl
from course import address, notebooks, toc
from course.paths import ROOT
from tests.fixtures import run_build

FORK = "https://github.com/Ada-L/notes.on-attention"
OLD = address.setting(ROOT)
LEFT_OUT = [".git", ".venv*", "_build", "vendor", "__pycache__", ".*_cache", "*.json"]


def run(*arguments):
    """Run the command as a user does; return what happened."""
    command = [sys.executable, "-m", "course", "address", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8")


def main(*arguments):
    """Run the command in this process, which is faster; return its status."""
    return address.main([str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def unchanged(tmp_path_factory):
    """A copy of the tree, its set-up cells up to date."""
    copy = tmp_path_factory.mktemp("links") / "unchanged"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*LEFT_OUT))
    address.apply(copy, OLD)
    return copy


@pytest.fixture
def tree(unchanged, tmp_path):
    """A copy of the tree for one test."""
    shutil.copytree(unchanged, tmp_path / "tree")
    return tmp_path / "tree"


@pytest.fixture
def small(unchanged, tmp_path):
    """A copy of the tree with the notebooks of one chapter."""
    others = shutil.ignore_patterns("0[2-9]*.ipynb", "1*.ipynb")
    shutil.copytree(unchanged, tmp_path / "small", ignore=others)
    return tmp_path / "small"


def outputs(root):
    """What the cells of every notebook show, by path."""
    return {
        path.relative_to(root): [
            cell.get("outputs") for cell in notebooks.read(path).cells
        ]
        for path in root.rglob("*.ipynb")
    }


def texts_below(folder):
    """Yield (path, text) of every text file of a built book."""
    for path in folder.rglob("*"):
        if path.suffix in (".html", ".ipynb", ".js", ".md", ".txt", ".xml"):
            yield path, path.read_text(encoding="utf-8", errors="replace")


def test_everything_says_what_the_settings_say():
    assert address.problems(ROOT) == []


def test_a_fork_s_address_is_set_everywhere(tree):
    before = outputs(tree)
    done = run(FORK, "--branch", "spring", "--root", tree)
    assert done.returncode == 0, done.stdout + done.stderr
    assert address.setting(tree) == {"url": FORK, "branch": "spring"}
    assert address.problems(tree) == []
    assert outputs(tree) == before
    texts = {p: t for p, t in address.text_files(tree) if p.suffix != ".py"}
    assert not [
        p for p, t in texts.items() if address.FORM.fullmatch(OLD["url"])[1] in t
    ]
    for name in ("README.md", "CITATION.cff", "_config.yml"):
        assert "Ada-L/notes.on-attention" in texts[tree / name]
    for path in tree.glob("chapters/**/*.ipynb"):
        first = notebooks.read(path).cells[0]
        assert f"git+{FORK}@spring" in first.source
        assert first.id == notebooks.cell_id(first.source, {})


def test_the_book_of_a_fork_leads_to_the_fork(tree, tmp_path):
    """Built from the changed tree: no page, feed or source names the old address."""
    shutil.copytree(
        ROOT / "book" / "static" / "vendor", tree / "book" / "static" / "vendor"
    )
    new = address.checked(FORK, "spring", "0123456")  # as a workflow does
    address.apply(tree, new)
    done = run_build(tmp_path / "html", tree)
    assert done.returncode == 0, done.stderr
    assert "place-holder" not in done.stdout
    texts = dict(texts_below(tmp_path / "html"))
    assert len(texts) > 100
    old = address.FORM.fullmatch(OLD["url"])[1], address.site(OLD["url"])
    assert [path for path, text in texts.items() if any(o in text for o in old)] == []
    name = address.FORM.fullmatch(FORK)[1]
    for page in toc.pages(tree):
        text = texts[tmp_path / "html" / f"{page}.html"]
        assert f"{FORK}/issues/new?" in text
        assert f"{FORK}/edit/spring/" in text
        assert text.count(f'<a href="{address.site(FORK)}versions.html">') == 1
        if (tree / f"{page}.ipynb").exists():
            assert f"mybinder.org/v2/gh/{name}/spring?urlpath=lab/tree/{page}" in text
            assert f"research.google.com/github/{name}/blob/spring/{page}" in text
    seen = crawl.crawl_folder(tmp_path / "html", repository=new, root=tree)
    assert list(seen.dead) == []


def test_there_and_back_changes_nothing(tree, unchanged):
    assert address.apply(tree, address.checked(FORK, "spring")) != []
    assert address.apply(tree, address.checked(FORK, "spring")) == []
    address.apply(tree, OLD)
    for path, text in address.text_files(unchanged):
        assert (tree / path.relative_to(unchanged)).read_text(encoding="utf-8") == text


def test_a_commit_is_for_the_set_up_cells_alone(small):
    sha = "0123456789" * 4
    assert main(OLD["url"], "--commit", sha, "--root", small) == 0
    assert address.setting(small) == OLD | {"commit": sha}
    assert address.problems(small) == []
    first = notebooks.read(next(small.glob("chapters/*.ipynb"))).cells[0]
    assert f"git+{OLD['url']}@{sha}" in first.source
    address.apply(small, OLD)
    assert address.setting(small) == OLD


STALE = "https://github.com/old/fork"


@pytest.mark.parametrize(
    ("name", "link"),
    [
        ("chapters/index.md", STALE),
        ("chapters/index.md", f"git@{STALE[8:].replace('/', ':', 1)}.git"),
        ("README.md", f"{OLD['url']}/blob/elsewhere/README.md"),
        ("README.md", "https://mybinder.org/v2/gh/old/fork/main?urlpath=lab"),
        ("CONTRIBUTING.md", "https://old.github.io/fork/"),
        ("attnlib/sdpa.py", "https://raw.githubusercontent.com/old/fork/main/x.py"),
        ("book/static/book.js", f"\"<a href='{STALE}'>\""),
        (".github/lychee.toml", f"{STALE}/issues"),
        (".github/workflows/test.yml", f"{STALE}/actions/workflows/test.yml/badge.svg"),
        (
            "chapters/glossary.md",
            "https://colab.research.google.com/github/old/fork/blob/main/x.ipynb",
        ),
    ],
)
def test_a_stale_address_is_found(small, capsys, name, link):
    path = small / name
    path.write_text(f"{path.read_text(encoding='utf-8')}\n# {link}\n", encoding="utf-8")
    assert main("--check", "--root", small) == 1
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(f"{name}: ")


@pytest.mark.parametrize("place", ["source", "output"])
def test_a_stale_address_in_a_notebook_is_found(small, place):
    path = next(small.glob("chapters/*.ipynb"))
    nb, link = notebooks.read(path), f'<a href="{STALE}/blob/main/x.ipynb">x</a>'
    if place == "source":
        next(c for c in nb.cells if c.cell_type == "markdown").source += f"\n\n{link}"
    else:
        shown = nbformat.v4.new_output("display_data", data={"text/html": link})
        next(c for c in nb.cells if c.cell_type == "code").outputs.append(shown)
    path.write_text(notebooks.as_text(nb), encoding="utf-8")
    (said,) = address.problems(small)
    assert said.startswith(
        f"chapters/{path.name}: github.com/old/fork/blob/main is not"
    )


def test_a_stale_set_up_cell_is_found(small):
    path = next(small.glob("chapters/*.ipynb"))
    nb = notebooks.read(path)
    nb.cells[0].source = notebooks.set_up_source(OLD | {"branch": "old"})
    path.write_text(notebooks.as_text(nb), encoding="utf-8")
    (said,) = address.problems(small)
    assert path.name in said
    assert "set-up cell" in said


def test_a_version_that_was_left_behind_is_found(small):
    path = small / "CITATION.cff"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("\nversion: ", "\nversion: 9."), encoding="utf-8")
    (said,) = address.problems(small)
    assert "CITATION.cff: its version" in said


@pytest.mark.parametrize(
    "url",
    [
        "",
        "you/fork",
        "http://github.com/you/fork",
        "https://github.com/you",
        "https://github.com/you/fork/tree/main",
        "https://github.com/you/..",
        "https://github.com/you/fork name",
        "https://github.com/you/fork\nbranch: x",
        "https://example.org/you/fork",
        'https://github.com/you/fork"',
    ],
)
def test_a_malformed_address_is_refused(url):
    with pytest.raises(
        address.AddressError, match=r"https://github\.com/you/fork, got"
    ):
        address.checked(url)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["https://example.org/x"], "must look like https://github.com/you/fork"),
        ([FORK, "--branch", "a/b"], "a name without a slash"),
        ([FORK, "--commit", "HEAD"], "7 to 40 digits"),
    ],
)
def test_what_is_refused_changes_nothing(small, arguments, said):
    with pytest.raises(SystemExit, match=said):
        main(*arguments, "--root", small)
    assert address.setting(small) == OLD
    assert address.apply(small, OLD) == []


@pytest.mark.parametrize("ending", ["", "/", ".git"])
def test_an_address_is_brought_into_one_form(ending):
    assert address.checked(FORK + ending) == {"url": FORK, "branch": "main"}


@pytest.mark.parametrize(
    ("url", "site"),
    [
        ("https://github.com/You/fork", "https://you.github.io/fork/"),
        ("https://github.com/You/you.github.io", "https://you.github.io/"),
    ],
)
def test_the_book_s_address(url, site):
    assert address.site(url) == site


@pytest.mark.parametrize(("branch", "line"), [("main", "main"), ("1.0", '"1.0"')])
def test_a_branch_that_looks_like_a_number_stays_a_text(branch, line):
    text = "a: 1\nrepository:\n  url: x\n  branch: y\n  path_to_book: ''\n"
    changed = address.config_text(text, {"url": FORK, "branch": branch})
    assert f"  branch: {line}\n  path_to_book" in changed


# ---------------------------------------------------------------- the set-up cell


def set_up(monkeypatch, missing):
    """Run the set-up cell where some packages are missing; return pip's arguments."""
    ran, find = [], importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name: None if name in missing else find(name),
    )

    def run_pip(command, **_):
        ran.append(command[4:])
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(subprocess, "run", run_pip)
    monkeypatch.setattr(os, "environ", dict(os.environ))
    exec(notebooks.set_up_source(OLD), {})
    quiet = ["-qq", "--disable-pip-version-check"]
    assert all(command[:2] == quiet for command in ran)
    return [command[2:] for command in ran]


ATTNLIB = ["--no-deps", f"attnlib @ git+{OLD['url']}@{OLD['branch']}"]


def test_a_complete_environment_is_left_alone_without_a_word(monkeypatch, capsys):
    assert set_up(monkeypatch, missing=[]) == []
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("missing", "others"),
    [
        ([], []),
        (["anywidget"], ["anywidget"]),
        (["anywidget", "array_api_compat"], ["array-api-compat", "anywidget"]),
        (["torch", "matplotlib", "numpy"], []),
    ],
)
def test_only_what_is_missing_is_installed(monkeypatch, capsys, missing, others):
    ran = set_up(monkeypatch, missing=["attnlib", *missing])
    assert ran == [ATTNLIB, *([others] if others else [])]
    (line,) = capsys.readouterr().out.splitlines()
    assert line == (
        f"Installed {', '.join(['attnlib', *others])} from "
        f"git+{OLD['url']}@{OLD['branch']}"
    )


def test_the_set_up_cell_is_hidden_in_every_notebook():
    paths = [*ROOT.glob("chapters/**/*.ipynb"), *ROOT.glob("exercises/*.ipynb")]
    assert paths
    for path in paths:
        first = nbformat.read(path, as_version=4).cells[0]
        assert first.metadata["tags"] == ["remove-cell"]
