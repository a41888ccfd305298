"""What the records say, long after: which version served a turn and why, what became of a version, who served when."""
