"""The Model Updater: freezes training sets, trains candidates, judges them, publishes what passed."""
