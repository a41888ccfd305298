"""Candidates: what is tried, what each kind sees, how the best is found and fitted. All of it exports to a bundle."""
