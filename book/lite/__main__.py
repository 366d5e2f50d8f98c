"""Make what runs notebooks in the page, once: python -m book.lite (`make lite`).

It is kept in ~/.cache/attention-course/lite (ATTENTION_LITE_CACHE names another place);
`make book` puts it beside the pages. Where its files cannot be had, a sentence says so,
and the book is built without.
"""

from book.lite import app


def main():
    """Make it, or say why it is not there; that stops no build."""
    try:
        app.make()
    except app.LiteError as error:
        print(f"Notebooks will not run in the page: {error}. All else is as always.")


if __name__ == "__main__":
    main()
