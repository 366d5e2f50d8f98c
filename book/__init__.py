"""All that makes pages from the notebooks."""
