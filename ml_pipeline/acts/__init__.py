"""What customers do in their turns: told by the agent's own events, else read by frozen models and by rules."""
