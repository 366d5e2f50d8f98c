"""What knows the notebooks: `python -m course VERB`."""
