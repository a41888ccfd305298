"""The projection once more, beside the live facts."""
