"""Starts and stops the embedded parts under one supervisor."""
