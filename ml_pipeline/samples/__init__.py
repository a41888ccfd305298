"""Public dialogue sets: read from a path, replayed through the online module. Never fetched from a network."""
