"""Where the repository and the book are: the setting `repository` of _config.yml.

Needs PyYAML and nothing else, since the jobs that publish install nothing else.
"""

import re

from course.toc import config

PLACEHOLDER = "https://github.com/attention-course/attention-course"
FORM = re.compile(r"https://github\.com/([A-Za-z0-9-]+/\w[\w.-]*)")
BRANCH = re.compile(r"\w[\w.-]*")
COMMIT = re.compile(r"[0-9a-f]{7,40}")


class AddressError(ValueError):
    """Says what is wrong with an address, and what one looks like."""


def checked(url, branch="main", commit=None):
    """Return the setting for an address; raise AddressError where it is malformed."""
    form = FORM.fullmatch(url.removesuffix("/").removesuffix(".git"))
    if not form:
        raise AddressError(
            f"the address must look like https://github.com/you/fork, got {url!r}"
        )
    if not BRANCH.fullmatch(branch):
        raise AddressError(
            f"the branch must be a name without a slash, such as main, got {branch!r}"
        )
    if commit and not COMMIT.fullmatch(commit):
        raise AddressError(f"a commit is 7 to 40 digits of 0-9 and a-f, got {commit!r}")
    return {"url": form[0], "branch": branch} | ({"commit": commit} if commit else {})


def setting(root):
    """Return url, branch and, where there is one, commit, as _config.yml names them."""
    named = config(root)["repository"]
    return checked(named["url"], str(named["branch"]), named.get("commit"))


def site(url):
    """Return the address at which GitHub Pages shows the book; it ends in a slash."""
    owner, name = FORM.fullmatch(url)[1].split("/")
    home = f"https://{owner.lower()}.github.io/"
    return home if home == f"https://{name.lower()}/" else f"{home}{name}/"
