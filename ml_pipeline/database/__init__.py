"""Postgres: transactions, named SQL, migrations."""
