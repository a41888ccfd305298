"""Every error the pipeline raises on purpose. A message says what, which value, and what to do."""


class PipelineError(Exception):
    """Base of all errors raised by this package."""


class SettingsError(PipelineError):
    """A setting has a value that cannot be used."""


class SourceError(PipelineError):
    """A source of conversations cannot be read."""


class DialogueError(SourceError):
    """One conversation of a source is malformed; the others go through."""


class StackError(PipelineError):
    """A part of the embedded stack cannot be started or died."""


class DatabaseError(PipelineError):
    """Postgres cannot be reached or refuses what was asked."""


class BundleError(PipelineError):
    """A model bundle is altered, foreign, or does not answer its own sample."""


class TrainingError(PipelineError):
    """A model cannot be trained from the data at hand."""


class RefusalError(PipelineError):
    """What the agent offered cannot be recorded; the message is the reason under which it is counted."""


class BatchRefusedError(DatabaseError):
    """Postgres understood a batch of events and will not have it: some record in it is broken."""


class PolicyError(PipelineError):
    """A policy snapshot is broken, of an unknown schema, or older than the one in force. Counted under ``reason``."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class RegistryError(PipelineError):
    """The model registry (MLflow) cannot be reached or refuses what was asked."""


class ArtifactError(RegistryError):
    """A model file in the registry is altered, foreign or of a type that is not ours; it was not loaded."""


class RolloutError(PipelineError):
    """A version could not be moved from one state of its rollout to the next; the message names it and what to do."""


class HistoryError(PipelineError):
    """The records hold nothing of what was asked; the message says what they do hold."""


class RuleError(PipelineError):
    """An alert rule cannot be read or judged; the message names the rule and what is wrong."""
