"""Notebooks that run in the page: JupyterLite with Pyodide, beside the book's pages."""
