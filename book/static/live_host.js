// Brings the live figures of a page to life: no kernel, no request, also from a folder.
// Each box carries the state of a widget; its figure's script stands before this one.
(function () {
  "use strict";

  // What a figure sees of a widget in a notebook, without a kernel behind it.
  function pageModel(state) {
    const listeners = {};
    return {
      get: (key) => state[key],
      set(key, value) {
        state[key] = value;
        [...(listeners[`change:${key}`] ?? [])].forEach((listener) => listener());
      },
      save_changes() {},
      on(event, listener) {
        (listeners[event] ??= []).push(listener);
      },
      off(event, listener) {
        listeners[event] = (listeners[event] ?? []).filter((l) => l !== listener);
      },
    };
  }

  // The table that stands in the box stays until the figure is there.
  function mount(box) {
    const figure = window.attnFigures?.[box.dataset.figure];
    if (!figure || box.classList.contains("attn-mounted")) return;
    const el = document.createElement("div");
    el.className = "attn-mounted";
    el.dataset.figure = box.dataset.figure;
    el.model = pageModel(JSON.parse(box.dataset.state));
    document.body.append(el); // figures may measure themselves
    try {
      figure.render({ model: el.model, el });
      box.replaceWith(el);
    } catch (error) {
      el.remove();
      console.error(error);
    }
  }

  document.querySelectorAll(".attn-live[data-state]").forEach(mount);
})();
