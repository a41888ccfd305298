"""A sales floor that never was: seeded conversations whose true probabilities are known. Always labelled simulated."""
