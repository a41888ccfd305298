"""What agents obey: models, experiments, kill switches; read, checked, kept on disk."""
