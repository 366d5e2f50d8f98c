// Before the notebook opens: can this browser run it? While it starts: how far is it?
// Where something is missing, a sentence says what, and what else can be done.
(function () {
  "use strict";

  const SOON = 4; // seconds after which Python's files are asked for, whether there
  const LATE = 60; // seconds after which a start is late
  const script = document.currentScript;
  const root = new URL("./", script.src); // of the application
  const path = new URLSearchParams(location.search).get("path") ?? "";
  const name = path.split("/").pop();
  const ELSE = "You can open the notebook elsewhere:";
  const began = performance.now();
  let box, diagnosed, ended, listed;

  // What is said

  function element(tag, text, attributes = {}) {
    const made = document.createElement(tag);
    made.textContent = text;
    for (const [key, value] of Object.entries(attributes)) {
      made.setAttribute(key, value);
    }
    return made;
  }

  function link(text, href, more = {}) {
    const item = document.createElement("li");
    item.append(element("a", text, { href, ...more }));
    return item;
  }

  function ways() {
    const list = document.createElement("ul");
    const page = path.replace(/\.ipynb$/, ".html");
    list.append(
      link("Binder", script.dataset.binder + path),
      link("Colab", script.dataset.colab + path),
      link("download it", new URL(`files/${path}`, root).href, { download: name }),
      link("back to the page", new URL(`../${page}`, root).href),
    );
    return list;
  }

  function place(alone) {
    if (!box) {
      box = element("div", "", { id: "attn-start", role: "status" });
      const around = alone ? document.createElement("main") : document.body;
      if (alone) {
        around.append(element("h1", "No notebook here"));
        document.body.append(around);
      }
      around.append(box);
    }
    box.hidden = false;
    return box;
  }

  // The seconds that run are seen; what is read aloud is the sentence, once.
  function say(sentence, seconds = "") {
    if (ended) return;
    if (place().firstChild?.firstChild.textContent !== sentence) {
      const line = element("p", "");
      line.append(element("span", sentence), element("span", "", { "aria-hidden": true }));
      box.replaceChildren(line);
    }
    box.firstChild.lastChild.textContent = seconds;
  }

  function close() {
    if (box) box.hidden = true;
  }

  // A problem stays in sight until the reader closes it.
  function tell(sentence, { instead = ELSE, closes = true } = {}) {
    ended = true;
    const parts = [element("p", sentence)];
    if (instead) parts.push(element("p", instead), ways());
    if (closes) {
      const button = element("button", "Close", { type: "button" });
      button.addEventListener("click", close);
      parts.push(button);
    }
    place(!closes).replaceChildren(...parts);
    box.dataset.problem = "";
  }

  // Before

  function hindrance() {
    if (!location.protocol.startsWith("http")) {
      return "A notebook runs in the page only where a server shows the book: " +
        "`make serve` starts one.";
    }
    if (typeof WebAssembly !== "object" || typeof Worker !== "function") {
      return "This browser runs no WebAssembly, and Python in the page is made of it " +
        "(some browsers switch it off for safety; any current one has it).";
    }
    if (!/^[\w./-]+\.ipynb$/.test(path)) {
      return "The address names no notebook.";
    }
    return null;
  }

  async function isThere() {
    try {
      return (await fetch(new URL(`files/${path}`, root))).ok;
    } catch {
      return false;
    }
  }

  function keeps() {
    return new Promise((answer) => {
      try {
        const request = indexedDB.open("attn-start");
        request.onerror = () => answer(false);
        request.onsuccess = () => {
          request.result.close();
          indexedDB.deleteDatabase("attn-start");
          answer(true);
        };
      } catch {
        answer(false);
      }
    });
  }

  // While it starts

  // Name → hash of each file of Python's.
  function files() {
    listed ??= fetch(new URL("files.json", root)).then((answer) => answer.json());
    return listed;
  }

  // Is each of them there? Nothing is fetched for it.
  async function look() {
    for (const file of Object.keys(await files())) {
      const address = new URL(file, root);
      const answer = await fetch(address, { method: "HEAD" }).catch(() => null);
      await answer?.text(); // it is empty; unread, it would count as broken off
      if (!answer?.ok) return missing(file);
    }
    return false;
  }

  // Each is read once more, from the browser's cache, and checked.
  async function diagnose() {
    diagnosed ??= (async () => {
      for (const [file, integrity] of Object.entries(await files())) {
        const address = new URL(file, root);
        try {
          const answer = await fetch(address, { integrity, cache: "force-cache" });
          await answer.arrayBuffer();
          if (!answer.ok) return missing(file);
        } catch {
          const answer = await fetch(address, { cache: "no-store" }).catch(() => null);
          return answer?.ok ? wrong(file) : missing(file);
        }
      }
      return false;
    })();
    return diagnosed;
  }

  function missing(file) {
    tell(`A file is missing on this server, or it cannot be reached: ${file}. ` +
      "Without it this notebook does not run here; reload the page to try again.");
    return true;
  }

  function wrong(file) {
    tell(`A file is not the one that belongs to this book: ${file}. It was changed ` +
      "or cut on its way; reload the page without the cache to try again.");
    return true;
  }

  function failed(event) {
    const from = event.target?.src ?? event.target?.href;
    if (from && from.startsWith(root.href)) {
      if (from.endsWith(".js")) missing(from.slice(root.href.length).split("?")[0]);
    } else if (/Loading (CSS )?chunk/.test(event.reason?.message ?? "")) {
      const chunk = event.reason.request ?? event.reason.message;
      missing(String(chunk).replace(root.href, ""));
    } else if (event.reason) {
      diagnose();
    }
  }

  function isReady() {
    const widget = window.jupyterapp?.shell?.currentWidget;
    return widget?.sessionContext?.session?.kernel?.status === "idle";
  }

  function watch() {
    let late = false;
    setTimeout(() => ended || look(), SOON * 1000);
    const timer = setInterval(async () => {
      const seconds = Math.round((performance.now() - began) / 1000);
      if (isReady()) {
        clearInterval(timer);
        if (late) close();
        say("Python is ready.");
        if (!(await diagnose())) setTimeout(() => ended || close(), 4000);
      } else if (seconds >= LATE && !late) {
        late = true;
        if (!(await diagnose()) && !ended) {
          tell(`Python has not started in ${LATE} seconds. On a slow machine it may ` +
            "still come; this message goes when it is there.");
        }
      } else {
        say("Python starts in your browser. The first visit takes longest; you can " +
          "read meanwhile.", ` ${seconds} s`);
      }
    }, 1000);
  }

  // The colours are those that the reader chose in the book.
  function configure() {
    const place = document.getElementById("jupyter-config-data");
    const config = JSON.parse(place.textContent);
    let theme = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
    try {
      theme = localStorage.getItem("theme") ?? theme;
    } catch {
      // No storage: the colours are the system's.
    }
    const themes = "@jupyterlab/apputils-extension:themes";
    config.settingsOverrides = {
      ...config.settingsOverrides,
      [themes]: { theme: theme === "dark" ? "JupyterLab Dark" : "JupyterLab Light" },
    };
    place.textContent = JSON.stringify(config);
  }

  // Called by the page's own script: the application is loaded when this says so.
  window.attnStart = async function (load) {
    if (document.readyState === "loading") {
      await new Promise((go) => document.addEventListener("DOMContentLoaded", go));
    }
    const reason = hindrance();
    if (reason) return tell(reason, { closes: false });
    if (!(await isThere())) {
      return tell(`There is no notebook ${path} on this server.`, { closes: false });
    }
    addEventListener("error", failed, true);
    addEventListener("unhandledrejection", failed);
    watch();
    await load();
    configure();
    if (!(await keeps())) {
      tell("This browser keeps nothing for this page, as in some private windows: what " +
        "you write is gone once the tab is closed. Save it with File, then Download.", {
        instead: "",
      });
    }
  };
})();
