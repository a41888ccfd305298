"""Reads of Postgres for the agent; all of them honest where it is away."""
