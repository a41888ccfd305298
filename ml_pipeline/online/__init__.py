"""The island: what the agent imports. Never waits for a network, never raises into a call, never loses an event."""
