"""The quality gate: Great Expectations over the facts that changed, and a verdict per hour. Trust is data."""
