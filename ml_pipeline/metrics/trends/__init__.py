"""How metrics go: level, change against a week before, and the days since when a metric is at another level."""
