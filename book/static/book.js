// Mends what the theme leaves undone for keyboards and screen readers. No module and no
// request: the pages work from a folder.
(function () {
  "use strict";

  const SCROLLABLE =
    "pre, div.math, .pst-scrollable-table-container, .output, " +
    ".cell_output:has(> img)";

  function remove(attribute, selector) {
    document.querySelectorAll(selector).forEach((element) => {
      element.removeAttribute(attribute);
    });
  }

  // What a button shows must be part of its name: the label of the search field hides
  // its text.
  function mendNames() {
    remove("aria-label", ".search-button-field, details > summary");
  }

  // The book's name in the sidebar stands outside every landmark, and the list of
  // references carries roles that ARIA has given up.
  function mendRoles() {
    remove("role", ".citation-list, .citation");
    const brand = document.querySelector(".bd-sidebar-primary .navbar-brand");
    if (!brand) return;
    brand.parentElement.setAttribute("role", "navigation");
    brand.parentElement.setAttribute("aria-label", "Home");
  }

  // What scrolls sideways can be reached with the keyboard; what fits is no extra stop.
  function mendScrolling() {
    document.querySelectorAll(SCROLLABLE).forEach((box) => {
      if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
      else box.removeAttribute("tabindex");
    });
  }

  // On paper every box is open; afterwards each is as it was.
  function openForPrint() {
    document.querySelectorAll(".bd-article details:not([open])").forEach((box) => {
      box.open = true;
      box.dataset.openedForPrint = "";
    });
  }

  function closeAfterPrint() {
    document.querySelectorAll("details[data-opened-for-print]").forEach((box) => {
      box.open = false;
      delete box.dataset.openedForPrint;
    });
  }

  // A notebook runs in the page where a server shows it: a folder gives no modules.
  function offerToRun() {
    const served = location.protocol.startsWith("http");
    document.documentElement.classList.toggle("attn-served", served);
  }

  function start() {
    offerToRun();
    mendNames();
    mendRoles();
    mendScrolling();
    const article = document.querySelector(".bd-article");
    if (article) new ResizeObserver(mendScrolling).observe(article);
    // Again, whenever the theme writes them later: it does, once its tips are ready.
    new MutationObserver(mendNames).observe(document.body, {
      subtree: true,
      attributeFilter: ["aria-label"],
    });
    window.addEventListener("load", mendScrolling);
    window.addEventListener("beforeprint", openForPrint);
    window.addEventListener("afterprint", closeAfterPrint);
  }

  start();
})();
