"""Drive a stock Firefox over WebDriver BiDi, with every other machine out of reach.

BiDi is a standard of the W3C, JSON over a web socket, and Firefox speaks it as shipped:
https://www.w3.org/TR/webdriver-bidi/
"""

import itertools
import json
import os
import re
import shutil
import subprocess
from contextlib import contextmanager

import websocket

EVENTS = [
    "log.entryAdded",
    "network.beforeRequestSent",
    "network.fetchError",
    "network.responseCompleted",
]

# A proxy that is not there: only this machine itself is reached without it.
SETTINGS = {
    "network.proxy.type": 1,
    "network.proxy.http": "127.0.0.1",
    "network.proxy.http_port": 9,
    "network.proxy.ssl": "127.0.0.1",
    "network.proxy.ssl_port": 9,
    "network.proxy.no_proxies_on": "127.0.0.1, localhost",
    "dom.w3c_touch_events.enabled": 1,
    "ui.prefersReducedMotion": 1,
}

# Requests for files of a folder raise no network event: the page itself tells.
WATCH = """() => {
    window.attnLost = [];
    window.addEventListener("error", (event) => {
        const from = event.target?.src ?? event.target?.href;
        if (from) window.attnLost.push(`failed ${from}`);
    }, true);
}"""

KEYS = {
    "Tab": "\ue004",
    "Enter": "\ue007",
    "Escape": "\ue00c",
    "Space": " ",
    "PageUp": "\ue00e",
    "PageDown": "\ue00f",
    "End": "\ue010",
    "Home": "\ue011",
    "ArrowLeft": "\ue012",
    "ArrowUp": "\ue013",
    "ArrowRight": "\ue014",
    "ArrowDown": "\ue015",
    "Backspace": "\ue003",
    "Delete": "\ue017",
}


def find_firefox():
    """Return the path of a Firefox: $FIREFOX, or one on the PATH, or None."""
    names = ["firefox-esr", "firefox"]
    return os.environ.get("FIREFOX") or next(
        filter(None, map(shutil.which, names)), None
    )


@contextmanager
def launch(path, profile):
    """Start a Firefox with a fresh profile in the folder `profile`; yield its Bidi."""
    settings = "".join(
        f"user_pref({json.dumps(name)}, {json.dumps(value)});\n"
        for name, value in SETTINGS.items()
    )
    (profile / "user.js").write_text(settings, encoding="utf-8")
    options = ["--headless", "--no-remote", "--remote-debugging-port", "0"]
    with (profile / "log.txt").open("w+", encoding="utf-8") as log:
        process = subprocess.Popen(
            [path, *options, "--profile", str(profile)], stdout=log, stderr=log
        )
        try:
            bidi = Bidi(wait_for_address(process, profile / "log.txt"))
            yield bidi
            bidi.send("browser.close")
            bidi.socket.close()
            process.wait(timeout=120)
        finally:
            process.kill()
            process.wait()


def wait_for_address(process, log, seconds=120):
    """Return the web socket that Firefox says it listens on."""
    for _ in range(10 * seconds):
        found = re.search(r"BiDi listening on (ws://\S+)", log.read_text())
        if found:
            return found[1]
        if process.poll() is not None:
            break
        try:
            process.wait(timeout=0.1)
        except subprocess.TimeoutExpired:
            continue
    raise RuntimeError(f"Firefox does not start: {log.read_text()}")


class Bidi:
    """A session: commands and their answers, and the events that come meanwhile."""

    def __init__(self, address):
        self.socket = websocket.create_connection(
            f"{address}/session", suppress_origin=True, timeout=120
        )
        self.numbers, self.events = itertools.count(1), []
        self.send("session.new", capabilities={})
        self.send("session.subscribe", events=EVENTS)
        self.send("script.addPreloadScript", functionDeclaration=WATCH)

    def send(self, method, **parameters):
        """Send a command and return its result; raise RuntimeError where it fails."""
        number = next(self.numbers)
        message = {"id": number, "method": method, "params": parameters}
        self.socket.send(json.dumps(message))
        while (answer := json.loads(self.socket.recv())).get("id") != number:
            self.events.append(answer)
        if answer["type"] == "error":
            raise RuntimeError(f"{method}: {answer['message']}")
        return answer["result"]


class Tab:
    """An open page, the hand that moves things in it, and what went wrong."""

    def __init__(self, bidi, home, *, width=1000, height=900):
        self.bidi, self.home = bidi, home
        self.context = bidi.send("browsingContext.create", type="tab")["context"]
        size = {"width": width, "height": height}
        self.send("browsingContext.setViewport", viewport=size)
        self.lost = []

    def send(self, method, **parameters):
        return self.bidi.send(method, context=self.context, **parameters)

    def goto(self, path):
        """Open a page below `home`, and wait until it is whole."""
        self.note_losses()
        self.send("browsingContext.navigate", url=self.home + path, wait="complete")

    def close(self):
        self.send("browsingContext.close")

    def evaluate(self, function, argument=None):
        """Return what a function of the page returns for one argument, both as JSON."""
        whole = f"async (text) => JSON.stringify(await ({function})(JSON.parse(text)))"
        done = self.bidi.send(
            "script.callFunction",
            functionDeclaration=whole,
            arguments=[{"type": "string", "value": json.dumps(argument)}],
            target={"context": self.context},
            awaitPromise=True,
        )
        if done["type"] == "exception":
            raise RuntimeError(done["exceptionDetails"]["text"])
        return json.loads(done["result"].get("value", "null"))

    def wait(self, milliseconds):
        self.evaluate("(ms) => new Promise((go) => setTimeout(go, ms))", milliseconds)

    def press(self, key):
        value = KEYS.get(key, key)
        keys = [{"type": way, "value": value} for way in ("keyDown", "keyUp")]
        self.act({"type": "key", "id": "keyboard", "actions": keys})

    def stroke(self, kind, points):
        """Press at the first point, move along the others, and let go."""
        ways = [
            {"type": "pointerMove", "x": round(x), "y": round(y), "duration": 30}
            for x, y in points
        ]
        ways.insert(1, {"type": "pointerDown", "button": 0})
        ways.append({"type": "pointerUp", "button": 0})
        pointer = {"pointerType": kind}
        self.act(
            {"type": "pointer", "id": kind, "parameters": pointer, "actions": ways}
        )

    def act(self, source):
        self.send("input.performActions", actions=[source])

    def note_losses(self):
        self.lost += self.evaluate("() => window.attnLost ?? []")

    def troubles(self):
        """Return what went wrong so far, in sentences."""
        self.wait(50)
        self.note_losses()
        mine = [e for e in self.bidi.events if self.context in json.dumps(e["params"])]
        found = (trouble(e["method"], e["params"], self.home) for e in mine)
        return [sentence for sentence in found if sentence] + self.lost


# Firefox sets a page while it arrives, and says this of a fraction that is half there;
# tests/book/test_mathml.py counts the children in every page that was built.
HALF_READ = "Invalid markup: Incorrect number of children for <"


def trouble(method, event, home):
    """Return what is wrong with one event, or None."""
    if method == "log.entryAdded":
        said = f"{event['type']}: {event['text']}"
        error = event["level"] == "error" and not event["text"].startswith(HALF_READ)
        return said if error else None
    address = event["request"]["url"]
    if method == "network.fetchError":
        return f"failed {address}"
    if method == "network.beforeRequestSent":
        known = address.startswith((home, "data:", "blob:", "about:"))
        return None if known else f"asks for {address}"
    status = event["response"]["status"]
    return f"{status} for {address}" if status >= 400 else None
