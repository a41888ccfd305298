"""Puts events on disk, keeps their account, and moves them into Postgres."""
