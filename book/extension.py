"""What Sphinx does for this book beside what Jupyter Book asks of it.

Each page is written once: its links, live figures and names for the search are put into
its tree, and its head and footer are told to the templates in book/templates.
"""

import re
from pathlib import Path

from docutils import nodes
from sphinx.errors import ExtensionError

from book import feed, formulas, icons, live, mathml, said
from book.facts import build_line, facts, source
from book.lite import site as lite
from book.sitemap import sitemap
from course import toc

TEMPLATES = Path(__file__).parent / "templates"
DRAWING = re.compile(
    r"chapters/drawings/\w+\.svg"
)  # stands in the page, in its colours
LINK = re.compile(r'href="(\w+)\.(?:ipynb|md)#')  # to the source of another page


class SearchName(nodes.title):
    """Another name of a section: the search knows it, the page does not show it."""


def skip(translator, node):
    """Show nothing of a node."""
    raise nodes.SkipNode


class Book:
    """What is known of the book while it is built; each method answers an event."""

    def __init__(self, root):
        self.root, self.now = root, facts(root)
        self.names = formulas.names_by_place(root)
        self.figures = set()  # frozen sets of names, one for each kind of page
        self.cards = {}

    def configure(self, app, config):
        """Tell Sphinx the address of the book, which follows from the repository's."""
        config.html_baseurl = self.now["home"]
        config.templates_path.append(str(TEMPLATES))

    def resolve(self, app, doctree, docname):
        """Put into a page what its source only asks for."""
        for node in list(doctree.findall(nodes.image)):
            if DRAWING.fullmatch(node["uri"]):
                svg = (self.root / node["uri"]).read_text(encoding="utf-8")
                node.replace_self(nodes.raw("", svg, format="html"))
        for node in list(doctree.findall(nodes.raw)):
            text = LINK.sub(r'href="\1.html#', node.astext())
            text = live.COPY.sub(lambda asked: self.copy(app, *asked.groups()), text)
            if text != node.astext():
                node.replace_self(nodes.raw("", text, format=node["format"]))
        if formulas.DOCUMENT in app.env.found_docs:
            add_names(doctree, docname, self.names.get(docname, {}))

    def copy(self, app, chapter, figure):
        """Return the very same box that stands in a chapter."""
        document = f"chapters/{chapter}"
        if document not in app.env.found_docs:
            raise ExtensionError(
                f"a live figure of {chapter} is asked for: no such page"
            )
        return live.box_of(app.env.get_doctree(document), chapter, figure)

    def describe(self, app, page, template, context, doctree):
        """Tell the templates what they say of a page; the first page has no tree."""
        heading, now = "", self.now
        if doctree is not None:
            heading = said.plain(next(doctree.findall(nodes.title)).astext())
            address = f"{now['home']}{page}.html"
            self.cards[page] = said.card(heading, opening(doctree), address, now)
            context["source"] = source(self.root, page)
            context["figures"] = self.script(doctree)
        address = f"{now['home']}{page}.html" if heading else now["home"]
        context |= {
            "now": now,
            "heading": heading,
            "address": address,
            "card": self.cards.get(page, {}),
            "report": said.report(page, now),
            "bibtex": said.bibtex(heading, address, now),
            "build_line": build_line(now),
        }
        if page == "index":
            context["card"] = self.cards[context["root_doc"]]

    def offer(self, app, page, template, context, doctree):
        """Offer to run a notebook in the page, before Binder and Colab."""
        if (self.root / f"{page}.ipynb").exists() and lite.runs_here(self.root):
            launch = next(
                group["buttons"]
                for group in context["header_buttons"]
                if group.get("label") == "launch-buttons"
            )
            launch.insert(0, lite.button(page, context["pathto"]))

    def script(self, doctree):
        """Return the name of the script for a page's live figures, "" for none."""
        figures = frozenset(name for name, _ in live.boxes(doctree))
        if not figures:
            return ""
        self.figures.add(figures)
        return live.script_name(figures)

    def first_page(self, app):
        """Add index.html."""
        yield "index", {}, "first.html"

    def finish(self, app, exception):
        """Write the files that are no pages, and lighten the script of the icons."""
        if exception:
            return
        built, config = Path(app.outdir), app.config
        live.write(built / "_static" / "figures", self.figures)
        log = (self.root / "CHANGELOG.md").read_text(encoding="utf-8")
        atom = feed.feed(log, self.now["title"], config.author, self.now["url"])
        (built / "feed.xml").write_text(atom, encoding="utf-8")
        places = sitemap(self.root, toc.pages(self.root), self.now["home"])
        (built / "sitemap.xml").write_text(places, encoding="utf-8")
        icons.lighten(built)


def opening(doctree, shortest=40):
    """Return the text of the first paragraph that says something, if there is one."""
    texts = (node.astext() for node in doctree.findall(nodes.paragraph))
    return next((text for text in texts if len(text) > shortest), "")


def add_names(doctree, docname, places):
    """Let the search know sections of a page by more names: id → names."""
    sections = {
        section["ids"][0]: section for section in doctree.findall(nodes.section)
    }
    for place, names in places.items():
        if place not in sections:
            raise ExtensionError(
                f"{formulas.DATA} says that {names[0]} is taught in {docname} below "
                f"#{place}, and there is no such heading"
            )
        title = sections[place][0].astext()
        sections[place] += [SearchName("", n) for n in names if n != title]


def setup(app):
    """Connect the book to Sphinx's events, in the order in which they come."""
    book = Book(Path(app.srcdir))
    app.add_node(SearchName, html=(skip, None))
    app.add_html_math_renderer("mathml", mathml.visit("inline"), mathml.visit("block"))
    app.connect("config-inited", book.configure)
    app.connect("doctree-resolved", book.resolve)
    app.connect("html-page-context", book.describe)
    app.connect("html-page-context", book.offer, priority=502)  # after the theme's
    app.connect("html-collect-pages", book.first_page)
    app.connect("build-finished", book.finish)
    return {"parallel_read_safe": True, "parallel_write_safe": False}
