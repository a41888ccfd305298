"""Reads the caller's predictions, makes ours, and says who answers."""
