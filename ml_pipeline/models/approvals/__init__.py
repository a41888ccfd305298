"""Steps of a rollout that wait for a person: asked once, answered once, by name."""
