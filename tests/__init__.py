"""Everything that is checked, one folder a room."""
