"""The log and its projection to facts."""
