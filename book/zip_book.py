"""Pack the built book into one zip, for a USB stick or a course page.

    python -m book.zip_book

The same pages give the same bytes: the files stand in order, with one date.
"""

import sys
import zipfile

from course.paths import ROOT

NAME = "attention-book"
DATE = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can tell


def pack(folder, archive):
    """Write every file below `folder` into `archive`, below one top folder NAME."""
    with zipfile.ZipFile(archive, "w") as packed:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            name = f"{NAME}/{path.relative_to(folder).as_posix()}"
            entry = zipfile.ZipInfo(name, DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o100644 << 16  # a plain file that all may read
            packed.writestr(entry, path.read_bytes())


def main(folder=ROOT / "_build" / "html"):
    """Pack the book, and say where it is and how large."""
    if not (folder / "index.html").exists():
        sys.exit(f"there is no book in {folder}: run `make book` first")
    archive = folder.parent / f"{NAME}.zip"
    pack(folder, archive)
    print(f"{archive}: {archive.stat().st_size / 1e6:.1f} MB")
    print(f"Unzipped anywhere, it opens at {NAME}/index.html and needs no network")


if __name__ == "__main__":
    main()
