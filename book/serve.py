"""Serve the built book on this machine only, and open it in the browser.

python -m book.serve [--port 8000] [--folder _build/html] [--no-open]
"""

import argparse
import errno
import functools
import http.server
import os
import sys
import webbrowser
from pathlib import Path

from course.paths import ROOT


def server(folder, port):
    """Return a server of this folder, that listens; exit where it cannot."""
    if not (folder / "index.html").exists():
        sys.exit(f"There is no book in {folder}; run `make book` first")
    handler = functools.partial(
        http.server.SimpleHTTPRequestHandler, directory=str(folder)
    )
    try:
        return Server(("127.0.0.1", port), handler)
    except OverflowError:
        sys.exit(f"A port is a number from 0 to 65535, got {port}")
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            sys.exit(
                f"Port {port} is in use, perhaps by an earlier `make serve`; end that, "
                f"or choose another port: make serve PORT={port + 1}"
            )
        sys.exit(f"Port {port} cannot be used ({error.strerror}); choose another one")


class Server(http.server.ThreadingHTTPServer):
    """Does not share its port, which some systems would allow."""

    allow_reuse_address = os.name == "posix"  # elsewhere it would let two servers in


def has_window():
    """Say whether a browser's window can be shown: not over ssh, say."""
    desktop = sys.platform in ("darwin", "win32")
    return desktop or bool(
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    )


def main(arguments=None):
    """Run the command line until Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=8000, help="0: any free one")
    parser.add_argument("--folder", type=Path, default=ROOT / "_build" / "html")
    parser.add_argument("--no-open", action="store_true", help="open no browser")
    options = parser.parse_args(arguments)
    with server(options.folder.resolve(), options.port) as running:
        address = f"http://127.0.0.1:{running.server_port}/"
        print(f"The book is at {address} until you press Ctrl-C", flush=True)
        if has_window() and not options.no_open:
            webbrowser.open(address)
        try:
            running.serve_forever()
        except KeyboardInterrupt:
            print()


if __name__ == "__main__":
    main()
