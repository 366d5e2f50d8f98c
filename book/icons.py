"""Keep of the theme's icons those that a page shows.

Its script holds two thousand, half of the bytes of a first visit.
"""

import re

ICON = re.compile(
    r'(?:"([\w-]+)"|([\w$]+)):\[\d+,\d+,\[[^\]]*\],"[0-9a-f]+",'
    r'(?:"[^"]*"|\["[^"]*","[^"]*"\])\],?'
)


def lighten(built):
    """Leave the icons that the pages below `built` name in Font Awesome's script."""
    script = built / "_static" / "scripts" / "fontawesome.js"
    texts = (page.read_text(encoding="utf-8") for page in built.rglob("*.html"))
    used = {name for text in texts for name in re.findall(r"\bfa-([a-z0-9-]+)", text)}
    text = keep_icons(script.read_text(encoding="utf-8"), used)
    script.write_text(text, encoding="utf-8")


def keep_icons(text, used):
    """Return Font Awesome's script with the icons named in `used` alone."""
    return ICON.sub(lambda icon: icon[0] if (icon[1] or icon[2]) in used else "", text)
