-- What a task's gates spent is summed from its decisions at every gate.
CREATE INDEX decisions_gates ON decisions (task, mode, decided_at DESC) WHERE kind = 'gate';
