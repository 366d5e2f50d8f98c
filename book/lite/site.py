"""Put the application beside the pages of a built book, with the course in it."""

import base64
import hashlib
import io
import json
import shutil
import tomllib
import zipfile
from pathlib import Path

from book.lite import app, fetch
from course import toc
from course.repository import FORM, setting

LITE = "lite"  # the folder in the book
PAGE = f"{LITE}/notebooks/index.html"  # what the button opens


def runs_here(root):
    """Whether the notebooks of this book run in the page."""
    return app.is_ready() and (root / "attnlib").is_dir()


def button(page, pathto):
    """Return the button of a page's notebook, as the theme takes it."""
    return {
        "type": "link",
        "label": "run-here",  # book.js shows it where a server shows the page
        "text": "Run here",
        "tooltip": "Run it in this browser, without an account",
        "icon": "_static/logo.svg",
        "url": f"{pathto(PAGE, 1)}?path={page}.ipynb",
    }


def add(root, built):
    """Copy the application to the book, and add its notebooks and attnlib."""
    place = built / LITE
    shutil.copytree(app.folder(), place)
    add_attnlib(root, place / app.PYODIDE)
    add_hashes(place)
    add_addresses(root, place / "notebooks" / "index.html")
    add_contents(root, place)


def add_hashes(place):
    """Add the hash of each file of Python's, in the form that browsers check."""
    found = {}
    for path in sorted((place / app.PYODIDE).iterdir()):
        digest = base64.b64encode(hashlib.sha256(path.read_bytes()).digest()).decode()
        found[f"{app.PYODIDE}/{path.name}"] = f"sha256-{digest}"
    app.write_json(place / "files.json", found)


def add_addresses(root, page):
    """Tell the page where else its notebooks run: it adds their paths."""
    now = setting(root)
    name = FORM.fullmatch(now["url"])[1]
    binder = f"https://mybinder.org/v2/gh/{name}/{now['branch']}?urlpath=lab/tree/"
    colab = f"https://colab.research.google.com/github/{name}/blob/{now['branch']}/"
    text = page.read_text(encoding="utf-8")
    text = text.replace('data-binder=""', f'data-binder="{binder}"')
    text = text.replace('data-colab=""', f'data-colab="{colab}"')
    page.write_text(text, encoding="utf-8")


# attnlib


def add_attnlib(root, target):
    """Add attnlib as a wheel whose name follows from its bytes, so no cache errs."""
    data = wheel(root)
    name = f"attnlib-{version(root)}+{fetch.sha256(data)[:8]}-py3-none-any.whl"
    (target / name).write_bytes(data)
    path = target / "pyodide-lock.json"
    lock = json.loads(path.read_text(encoding="utf-8"))
    entry = app.entry_of(target / name, "attnlib", ["numpy", "array-api-compat"])
    lock["packages"]["attnlib"] = entry
    app.write_json(path, lock)


def version(root):
    """Return attnlib's version."""
    return project(root)["project"]["version"]


def project(root):
    """Return what pyproject.toml says."""
    return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))


def wheel(root):
    """Return the bytes of attnlib's wheel: the files that pyproject.toml names."""
    kept = project(root)["tool"]["setuptools"]
    files = {"in_the_page.py": (Path(__file__).parent / "in_the_page.py").read_bytes()}
    for package in kept["packages"]:
        folder = Path(*package.split("."))
        for pattern in ["*.py", *kept["package-data"].get(package, [])]:
            for path in sorted((root / folder).glob(pattern)):
                files[(folder / path.name).as_posix()] = path.read_bytes()
    info = f"attnlib-{version(root)}.dist-info"
    head = f"Metadata-Version: 2.1\nName: attnlib\nVersion: {version(root)}\n"
    files[f"{info}/METADATA"] = head.encode()
    kind = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    files[f"{info}/WHEEL"] = kind.encode()
    files[f"{info}/RECORD"] = record(files, f"{info}/RECORD")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def record(files, own):
    """Return the wheel's list of its files."""
    lines = [f"{own},,"]
    for name, data in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode()
        lines.append(f"{name},sha256={digest.rstrip('=')},{len(data)}")
    return "\n".join([*lines, ""]).encode()


# The notebooks


def notebooks(root):
    """Return the notebooks of the book, as paths below root."""
    paths = (f"{page}.ipynb" for page in toc.pages(root))
    return [path for path in paths if (root / path).exists()]


def add_contents(root, place):
    """Add the notebooks and the drawings that they show, and the lists of them."""
    drawings = sorted((root / "chapters" / "drawings").glob("*.svg"))
    names = [*notebooks(root), *(p.relative_to(root).as_posix() for p in drawings)]
    # A picture is first asked for beside the page, then beside the notebook.
    shutil.copytree(drawings[0].parent, place / "notebooks" / "drawings")
    folders = {}
    for name in names:
        path = place / "files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root / name, path)
        folders.setdefault(Path(name).parent, []).append(listed(path, name))
        for above in Path(name).parents:
            folders.setdefault(above, [])
    for folder, found in folders.items():
        inside = [f for f in folders if f.parent == folder and f != folder]
        found += [directory(f, None) for f in inside]
        target = place / "api" / "contents" / folder / "all.json"
        target.parent.mkdir(parents=True, exist_ok=True)
        app.write_json(target, directory(folder, found))


def listed(path, name):
    """Return what a list says of a file."""
    kind = "notebook" if path.suffix == ".ipynb" else "file"
    mimetype = None if kind == "notebook" else "image/svg+xml"
    return model(name, kind, size=path.stat().st_size, mimetype=mimetype)


def directory(folder, content):
    """Return what a list says of a folder, or the list itself."""
    name = "" if folder == Path() else folder.as_posix()
    how = None if content is None else "json"
    return model(name, "directory", content=content, format=how)


def model(path, kind, **more):
    """Return a file or folder as Jupyter's contents API tells of it."""
    day = "2026-01-01T00:00:00Z"
    whole = {"content": None, "format": None, "mimetype": None, "size": None}
    whole |= {"created": day, "last_modified": day, "writable": True}
    return whole | {"name": path.rpartition("/")[2], "path": path, "type": kind} | more
