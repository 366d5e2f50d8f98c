"""Mend what the theme leaves in every built page.

Its script holds two thousand icons, half of the bytes of a first visit: those that no
page shows go. A first visit has no stored mode, of which the theme complains in the
console: it is told the mode that it takes then anyway. And the three icons of the
button of the mode carry titles, which the script turns into text that is no part of
the button's name: the titles go before the script can see them.
"""

import re

ICON = re.compile(
    r'(?:"([\w-]+)"|([\w$]+)):\[\d+,\d+,\[[^\]]*\],"[0-9a-f]+",'
    r'(?:"[^"]*"|\["[^"]*","[^"]*"\])\],?'
)
MODE = 'localStorage.getItem("mode") || "'
TITLE = re.compile(r'(<i class="theme-switch [^>]*?)\s+title="[^"]*"')


def mend(built):
    """Mend the pages below `built`, and the script of their icons."""
    used = set()
    for page in built.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        used |= set(re.findall(r"\bfa-([a-z0-9-]+)", text))
        text = TITLE.sub(r"\1", text.replace(f'{MODE}"', f'{MODE}auto"'))
        page.write_text(text, encoding="utf-8")
    script = built / "_static" / "scripts" / "fontawesome.js"
    if script.exists():
        text = script.read_text(encoding="utf-8")
        script.write_text(keep_icons(text, used), encoding="utf-8")


def keep_icons(text, used):
    """Return Font Awesome's script with the icons named in `used` alone."""
    return ICON.sub(lambda icon: icon[0] if (icon[1] or icon[2]) in used else "", text)
