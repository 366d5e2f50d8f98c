"""What takes longer than a chapter may: each script writes what it measured as JSON."""
