"""Whether a task needs retraining: triggers as data, one verdict a look, and the requests that start a run."""
