"""The list of the book's external links, each with its last check.

`python -m book.crawl --list` writes the list from the built book and keeps what is
known; `python -m book.crawl --external` asks every address once and writes the date.
A workflow does the second each week. Only the standard library is needed for it.
"""

import concurrent.futures
import datetime
import http.client
import os
import sys
import time
import urllib.error
import urllib.request
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

NAME = "tests/book/external_links.md"
PATH = Path(__file__).resolve().parents[1] / NAME
HEAD = """\
# External links of the book

Each once, with the pages where it stands and its last check. Written by commands, not
by hand: `python -m book.crawl --list` after a change of the book's links, and
`python -m book.crawl --external`, each week, by the workflow `weekly`.
*Refuses robots* means that the server is there and answers readers only.

| address | stands in | last check | result |
| --- | --- | --- | --- |
"""
UNCHECKED = ("never", "not checked yet")
HEADERS = {"User-Agent": "link check of a course (each page once a week)"}
REFUSES = {401, 402, 403, 405, 406, 418, 429, 451, 999}
PAUSE, TIMEOUT = 3.0, 20.0  # seconds: between two questions to one host, for an answer
TRIES = 3


@dataclass(frozen=True)
class Link:
    """One external address, where it stands, and its last check."""

    address: str
    pages: str
    date: str = UNCHECKED[0]
    result: str = UNCHECKED[1]

    def is_bad(self, before=None):
        """Say whether readers meet a dead link; silence counts from the second week."""
        silent = self.result.startswith("no answer")
        return self.result.startswith("dead") or (
            silent and before is not None and before.result.startswith("no answer")
        )


def parse(path=PATH):
    """Return the links of the list by address, in its order."""
    found = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("| <"):
            address, *rest = (cell.strip() for cell in line.strip("|").split("|"))
            found[address[1:-1]] = Link(address[1:-1], *rest)
    return found


def merged(external, count, path=PATH):
    """Return the links of a book of `count` pages, with what the list knows of them."""
    known = parse(path) if path.exists() else {}
    found = {}
    for address in sorted(external):
        pages = sorted(page.removesuffix(".html") for page in external[address])
        # The first page only leads to the second, and has no footer.
        where = "every page" if len(pages) >= count - 1 > 1 else ", ".join(pages)
        address = address.replace("|", "%7C")
        found[address] = replace(known.get(address, Link(address, "")), pages=where)
    return found


def write(found, path=PATH):
    """Write the list; the old one stays until the new one is whole."""
    links = found.values()
    rows = (f"| <{x.address}> | {x.pages} | {x.date} | {x.result} |" for x in links)
    new = path.with_name(f".{path.name}.new")
    new.write_text(HEAD + "\n".join(rows) + "\n", encoding="utf-8", newline="\n")
    os.replace(new, path)


def ask(address, method):
    """Return (status, what to say) of one question; status 0 where nobody answers."""
    request = urllib.request.Request(address, method=method, headers=HEADERS)
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
            return answer.status, ""
    except urllib.error.HTTPError as error:
        error.close()
        return error.code, ""
    except (OSError, http.client.HTTPException) as error:
        said = str(getattr(error, "reason", error)) or type(error).__name__
        return 0, said.replace("|", "/").replace("\n", " ")[:80]


def result_of(address, *, tries=TRIES, pause=PAUSE):
    """Return what became of an address: HEAD first, then GET, and again later."""
    for attempt in range(tries):
        time.sleep(pause * (2**attempt - 1))
        for method in ("HEAD", "GET"):  # some servers know no HEAD
            status, said = ask(address, method)
            if 200 <= status < 400:
                return f"fine ({status})"
        if status in REFUSES:
            return f"refuses robots ({status})"
        if 400 <= status < 500:
            return f"dead ({status})"
    return f"no answer ({said or status})"


def by_host(addresses):
    """Return the addresses of each host."""
    hosts = defaultdict(list)
    for address in addresses:
        hosts[urlsplit(address).netloc].append(address)
    return hosts


def is_offline(hosts):
    """Say whether no host at all can be reached."""
    first = [addresses[0] for addresses in hosts.values()]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = pool.map(ask, first, ["HEAD"] * len(first))
        return not any(status for status, _ in answers)


def check_all(path=PATH, *, today=None, pause=PAUSE):
    """Ask every address of the list and write it anew; return the exit status.

    Hosts are asked side by side, each one question at a time. Without a network the
    list stays as it is: status 2.
    """
    before = parse(path)
    today = today or datetime.date.today().isoformat()
    hosts, results = by_host(before), {}
    if is_offline(hosts):
        print(f"no network: none of {len(hosts)} hosts answers; the list is unchanged")
        return 2

    def one_host(addresses):
        for address in addresses:
            results[address] = result_of(address, pause=pause)
            done = f"{len(results)}/{len(before)}"
            print(f"{done} {address}: {results[address]}", file=sys.stderr, flush=True)
            time.sleep(pause)

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(one_host, hosts.values()))
    now = {a: replace(x, date=today, result=results[a]) for a, x in before.items()}
    write(now, path)
    bad = [link for a, link in now.items() if link.is_bad(before[a])]
    print("\n".join(f"{x.address}: {x.result}, in {x.pages}" for x in bad))
    print(f"{len(now)} external links checked, {len(bad)} dead")
    return int(bool(bad))
