"""The course run where its readers run it: `python -m replay PLACE`."""
