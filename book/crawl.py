"""Follow every link of the built book, as a reader's browser would.

    python -m book.crawl [FOLDER or ADDRESS]     exit 1 where a link is dead

A folder (_build/html where none is named) is served on this machine below a path, as
GitHub Pages does: a link that starts with "/" or climbs out of the book is dead there.
Anchors, pictures, scripts, styles and what they load, the search index, the inventory,
sitemap.xml and feed.xml are followed too. A link to the repository must name a file of
this checkout. Links to other places are counted; the workflow `weekly` follows them.
"""

import argparse
import functools
import http.server
import re
import sys
import threading
import urllib.error
import urllib.request
from collections import Counter
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

from book import hrefs
from book.publish import VERSIONS_PAGE
from course.address import ADDRESSES
from course.paths import BUILT, ROOT
from course.repository import FORM, setting, site

# Where a crawl begins; all but the first may be missing.
SEEDS = ["index.html", "searchindex.js", "objects.inv", "sitemap.xml", "feed.xml"]
FILE_OF_REPOSITORY = re.compile(
    r"/(?:blob|edit|raw|tree)/[^/?#]+/([^?#]+)|[?&]urlpath=(?:lab/)?tree/([^&#]+)"
)


@dataclass
class Seen:
    """One file of the book: how it answered, where it leads, its anchors."""

    status: int
    depth: int
    found: list = field(default_factory=list)
    ids: set = None  # of a page; other files have no places


def read(address):
    """Return (status, kind, body) of an address."""
    try:
        with urllib.request.urlopen(address, timeout=30) as answer:
            return answer.status, answer.headers.get_content_type(), answer.read()
    except urllib.error.HTTPError as error:
        error.close()
        return error.code, "", b""


@dataclass
class Crawl:
    """A walk from `home`, which ends in a slash, over all that it leads to.

    `repository` is the setting of address.py: addresses of its site are the book's own,
    and addresses of its repository must name a file below `root`.
    """

    home: str
    repository: dict = None
    root: Path = ROOT
    seen: dict = field(default_factory=dict)  # address without anchor → Seen
    dead: dict = field(default_factory=dict)  # sentences, each once
    external: set = field(default_factory=set)  # addresses of other places
    count: int = 0  # of links that stay in the book or in its repository

    def run(self):
        """Follow every link, those near the first page first; return self."""
        self.site, self.ours = own_addresses(self.repository)
        for seed in SEEDS:
            self.look(self.home + seed, depth=0)
        if self.seen[self.home + "index.html"].status != 200:
            self.dead["there is no index.html"] = None
        queue = list(self.seen)
        for address in queue:  # it grows while it is walked
            for written in self.seen[address].found:
                for target in self.follow(address, written):
                    self.look(target, self.seen[address].depth + 1)
                    queue.append(target)
        return self

    def look(self, address, depth):
        """Fetch a file of the book, and note what is Seen there."""
        status, kind, body = read(address)
        name = urlsplit(address).path.rpartition("/")[2]
        self.seen[address] = Seen(status, depth, *hrefs.inside(name, kind, body))

    def follow(self, address, written):
        """Judge one link of a file; yield where it leads if that was not seen yet."""
        page = address.removeprefix(self.home)
        try:
            target, place = urldefrag(urljoin(address, written.strip()))
        except ValueError as error:
            self.dead[f"{page}: {written} is no address: {error}"] = None
            return
        bare = target.partition("?")[0]
        if self.site and f"{bare}/".startswith(self.site):
            bare = self.home + bare[len(self.site) :]
        if bare == self.home:
            bare += "index.html"
        if not bare.startswith(("http://", "https://")):
            return  # mailto, data, javascript
        if not bare.startswith(self.home):
            self.leave(page, target, written)
            return
        self.count += 1
        if bare not in self.seen:
            yield bare  # it is looked at before this goes on
        if bare == f"{self.home}{VERSIONS_PAGE}" and self.seen[bare].status == 404:
            return  # it stands in the published site alone
        if self.seen[bare].status != 200:
            self.dead[f"{page}: no file {written}"] = None
        elif self.seen[bare].ids is not None and unquote(place) not in (
            self.seen[bare].ids
        ):
            self.dead[f"{page}: no place {written}"] = None

    def leave(self, page, target, written):
        """Judge a link that leads out of the book."""
        if urlsplit(target)[:2] == urlsplit(self.home)[:2]:
            self.dead[f"{page}: {written} leaves the book"] = None
        elif not self.ours(target):
            self.external.add(target)
        else:
            self.count += 1
            if name := absent_file(target, self.root):
                said = f"{page}: {target} names {name}, which the repository has not"
                self.dead[said] = None

    def depths(self):
        """Return how many files were first reached at each depth."""
        return Counter(file.depth for file in self.seen.values() if file.status == 200)


def own_addresses(repository):
    """Return the address of the book's site, and a test for those of its repository."""
    if repository is None:
        return None, lambda address: False

    name = FORM.fullmatch(repository["url"])[1]

    def ours(address):
        found = (form.search(unquote(address)) for form in ADDRESSES)
        return any(match and match["who"] == name for match in found)

    return site(repository["url"]), ours


def absent_file(address, root):
    """Return the file that an address of the repository names, if there is none."""
    if match := FILE_OF_REPOSITORY.search(address):
        name = unquote(match[1] or match[2])
        return None if (root / name).exists() else name
    return None


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder below /book/, silently, without lists of a folder's files."""

    def translate_path(self, path):
        if not path.startswith("/book/"):
            return "/dev/null/outside"  # no such file
        return super().translate_path(path.removeprefix("/book"))

    def list_directory(self, path):
        self.send_error(404)

    def log_message(self, *arguments):
        pass


@contextmanager
def serve(folder):
    """Serve a folder on this machine; give its address."""
    handler = functools.partial(Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=[0.02], daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/book/"
        server.shutdown()


def crawl_folder(folder, **options):
    """Serve a built book and crawl it; return the Crawl."""
    with serve(folder) as home:
        return Crawl(home, **options).run()


def main(arguments=None):
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("book", nargs="?", default=str(BUILT))
    chosen = parser.parse_args(arguments)
    live = chosen.book.startswith(("http://", "https://"))
    if not live and not Path(chosen.book, "index.html").is_file():
        sys.exit(f"{chosen.book} holds no index.html; run `make book` first")

    there = nullcontext(chosen.book.rstrip("/") + "/") if live else serve(chosen.book)
    with there as home:
        done = Crawl(home, setting(ROOT)).run()
    depths = ", ".join(f"{n} at {d}" for d, n in sorted(done.depths().items()))
    print(
        f"{done.count} links to {sum(done.depths().values())} files, by depth: {depths}"
    )
    print("\n".join([*done.dead, f"{len(done.dead)} dead"]))
    print(f"{len(done.external)} links to other places were not followed")
    return int(bool(done.dead))


if __name__ == "__main__":
    sys.exit(main())
