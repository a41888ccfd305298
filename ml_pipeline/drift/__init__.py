"""Has something changed? One detector one file, windows, references, verdicts."""
