"""What the gate keeps."""

from pathlib import Path

from alembic import op

revision = "0019"
down_revision = "0017"


def upgrade() -> None:
    """Run the statements beside this file; they are frozen, sql/schema.sql moves on."""
    op.get_bind().exec_driver_sql(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8").replace("%", "%%"))
