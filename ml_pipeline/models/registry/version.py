from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Registered:
    """A registered version: ``name`` as facts, rollouts and policy know it, ``objection.detect/3``."""

    model: str
    number: int

    @classmethod
    def named(cls, name: str) -> "Registered":
        """Return the version called ``name``."""
        model, _, number = name.rpartition("/")
        return cls(model, int(number))

    @property
    def name(self) -> str:
        return f"{self.model}/{self.number}"
