"""Make a release, and the published site: the book of today and those of the releases.

    python -m book.publish check v0.1.0             say what hinders a release; exit 1
    python -m book.publish notes v0.1.0             print what CHANGELOG.md says of it
    python -m book.publish pack BOOK ZIP            zip a built book (`make zip`)
    python -m book.publish assemble BOOK ZIPS SITE  make the folder for GitHub Pages

GitHub Pages shows one folder: the newest book at /, that of release v0.1.0 at /v0.1.0/.
Each release keeps its built book as book-v0.1.0.zip, so an old version is never built
again, whatever has become of the packages that it was built with.
"""

import argparse
import re
import shutil
import stat
import sys
import tomllib
import zipfile
from pathlib import Path, PurePosixPath

from book.changelog import versions
from course.paths import ROOT
from course.repository import setting

TOP = "attention-book"  # the one folder in a zip
TAG = re.compile(r"v(\d+)\.(\d+)\.(\d+)((?:a|b|rc)\d+)?")
LIMIT = 200_000_000  # bytes of one unpacked book; it has about 20 million
PAGES_LIMIT = 1_000_000_000  # bytes that GitHub Pages shows
VERSIONS_PAGE = "versions.html"  # the footer of every page leads to it
VERSIONS = """<!DOCTYPE html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>All versions</title>
    <style>
      :root {{ color-scheme: light dark }}
      body {{ font: 1.1rem/1.6 system-ui, sans-serif; max-width: 40rem;
              margin: 2rem auto; padding: 0 1rem }}
    </style>
  </head>
  <body>
    <main>
      <h1>All versions</h1>
      <ul>
{items}
      </ul>
    </main>
  </body>
</html>
"""


class PublishError(ValueError):
    """Says what cannot be published, and why."""


# A release


def problems(tag, root=ROOT):
    """Return what hinders the release of a tag, one sentence each."""
    if not TAG.fullmatch(tag):
        return [f"a tag looks like v0.1.0 or v0.2.0rc1, got {tag!r}"]
    found, now = [], setting(root)
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    if f"v{project['project']['version']}" != tag:
        found.append(f"pyproject.toml names version {project['project']['version']}")
    if now["branch"] != tag:
        found.append(
            f"the set-up cells install from {now['branch']}; in the commit that you "
            f"tag, run `make address REPO={now['url']} BRANCH={tag}`"
        )
    try:
        notes(tag, root)
    except PublishError as error:
        found.append(str(error))
    return found


def notes(tag, root=ROOT):
    """Return what CHANGELOG.md says of a version."""
    text = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    said = {f"v{version}": body for version, _, body in versions(text)}
    if not said.get(tag):
        raise PublishError(f"CHANGELOG.md says nothing of {tag.removeprefix('v')}")
    return said[tag]


def pack(book, target):
    """Zip a built book; the same book gives the same bytes, so all have one date."""
    if not (book / "index.html").is_file():
        raise PublishError(f"{book} holds no index.html; run `make book` first")
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as packed:
        for path in sorted(path for path in book.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(f"{TOP}/{path.relative_to(book).as_posix()}")
            entry.external_attr = 0o100644 << 16  # a plain file that all may read
            packed.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED)


# The site


def unpack(path, target):
    """Unpack a zip that `pack` made; raise PublishError for any other."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = [info for info in archive.infolist() if not info.is_dir()]
            for info in members:
                if not is_safe(info):
                    raise PublishError(f"{path.name} holds {info.filename!r}: refused")
            if sum(info.file_size for info in members) > LIMIT:
                raise PublishError(f"{path.name} unpacks to over {LIMIT:,} bytes")
            for info in members:
                place = target / info.filename.removeprefix(f"{TOP}/")
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(archive.read(info))
    except (zipfile.BadZipFile, OSError) as error:
        raise PublishError(f"{path.name} cannot be unpacked: {error}") from error
    if not (target / "index.html").is_file():
        raise PublishError(f"{path.name} holds no index.html")


def is_safe(info):
    """Say whether a member of a zip stays a plain file below the book's folder."""
    name = PurePosixPath(info.filename)
    return (
        name.parts[:1] == (TOP,)
        and len(name.parts) > 1
        and ".." not in name.parts
        and not set(info.filename) & set('\\:*?"<>|\0')
        and not stat.S_ISLNK(info.external_attr >> 16)
    )


def assemble(book, zips, site):
    """Make the folder for GitHub Pages; return the tags in it, the newest first."""
    if site.exists():
        raise PublishError(f"{site} is there already")
    shutil.copytree(book, site)
    tags = []
    for path in sorted(zips.iterdir()):
        tag = path.name.removeprefix("book-").removesuffix(".zip")
        if path.name != f"book-{tag}.zip" or not TAG.fullmatch(tag):
            raise PublishError(f"{path.name} is not named as book-v0.1.0.zip is")
        unpack(path, site / tag)
        tags.append(tag)
    tags.sort(key=age, reverse=True)
    items = [f'        <li><a href="{tag}/">{tag}</a></li>' for tag in tags]
    items.insert(0, '        <li><a href="./">the newest, not yet released</a></li>')
    text = VERSIONS.format(items="\n".join(items))
    (site / VERSIONS_PAGE).write_text(text, encoding="utf-8")
    (site / ".nojekyll").touch()
    if (size := sum(p.stat().st_size for p in site.rglob("*"))) > PAGES_LIMIT:
        raise PublishError(
            f"the site has {size:,} bytes, GitHub Pages shows at most 1 GB"
        )
    return tags


def age(tag):
    """Return a key that orders tags; rc1 comes before the version itself."""
    major, minor, patch, early = TAG.fullmatch(tag).groups()
    return int(major), int(minor), int(patch), early is None, early


def main(arguments=None):
    """Run the command line; exit with the reason where something is refused."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("check").add_argument("tag")
    commands.add_parser("notes").add_argument("tag")
    for name, parts in (("pack", "book zip"), ("assemble", "book zips site")):
        command = commands.add_parser(name)
        for part in parts.split():
            command.add_argument(part, type=Path)
    chosen = parser.parse_args(arguments)
    try:
        if chosen.command == "check":
            found = problems(chosen.tag)
            print("\n".join(found) or f"{chosen.tag} can be released")
            return int(bool(found))
        if chosen.command == "notes":
            print(notes(chosen.tag))
        elif chosen.command == "pack":
            pack(chosen.book, chosen.zip)
            print(f"{chosen.zip}: {chosen.zip.stat().st_size / 1e6:.1f} MB")
            print(f"Unzipped anywhere, it opens at {TOP}/index.html, without a network")
        else:
            tags = assemble(chosen.book, chosen.zips, chosen.site)
            print(f"{chosen.site}: the newest book and {len(tags)} versions", *tags)
    except PublishError as error:
        sys.exit(str(error))
    return 0


if __name__ == "__main__":
    sys.exit(main())
