"""The rollups once more, beside the live ones."""
