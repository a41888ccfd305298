"""What docs/rollouts.md tells is what ships."""

import re
from pathlib import Path

import msgspec

from ml_pipeline.models.rollouts.standing import State
from ml_pipeline.settings import Settings

GUIDE = (Path(__file__).resolve().parents[2] / "docs/rollouts.md").read_text(encoding="utf-8")
SETTINGS = {name for name in Settings.__struct_fields__ if name.startswith(("rollout_", "holdback_"))}


def table(heading: str) -> dict[str, str]:
    """Return the second cell of each row of the table under ``heading``, by what the first names."""
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \|", GUIDE.split(f"## {heading}\n")[1].split("\n## ")[0], re.MULTILINE)
    return {name: cell.strip() for name, cell in rows}


def test_the_guide_tells_of_every_state_and_no_other():
    assert set(table("States")) == set(State)


def test_the_guide_tells_every_setting_with_its_default():
    told, shipped = table("Settings"), Settings()
    steps = ", ".join(f"{step.share:.0%}: {step.min_matured}".replace("%", " %") for step in shipped.rollout_steps)

    assert told == {name: str(getattr(shipped, name)) for name in SETTINGS} | {"rollout_steps": steps}


def test_the_settings_in_the_guide_can_be_read():
    (snippet,) = re.findall(r"```toml\n(.*?)```", GUIDE, re.DOTALL)

    settings = msgspec.toml.decode(snippet, type=Settings)

    assert [step.share for step in settings.rollout_steps] == [0.1, 0.5]
    assert settings.approvals[0].kinds == ("canary", "champion")


def test_the_commands_in_the_guide_exist():
    from ml_pipeline.cli import app

    names = {
        command.name or command.callback.__name__.replace("_", "-")
        for command in app.registered_commands
        if command.callback
    }
    groups = {str(group.name) for group in app.registered_groups}

    assert set(re.findall(r"`ml-pipeline ([\w-]+)", GUIDE)) <= names | groups
