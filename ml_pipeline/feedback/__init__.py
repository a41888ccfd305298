"""The feedback loop: predictions against what happened, and the kinds of error they made."""
