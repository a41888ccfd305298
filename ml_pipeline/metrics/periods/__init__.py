"""Days and weeks, merged from the rollups of hours."""
