"""What `pytest --nbval` needs wherever it starts: see tests/notebooks/once.py."""

pytest_plugins = ["tests.notebooks.once"]
