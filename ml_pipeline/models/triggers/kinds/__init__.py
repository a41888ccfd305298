"""One kind of trigger a file. Each reads a ``Standing`` and nothing else."""
