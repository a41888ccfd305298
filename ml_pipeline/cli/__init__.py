"""``ml-pipeline …``: what people type."""

import typer

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def _about() -> None:
    """Continuous learning for conversational sales agents."""


def main() -> None:
    """Run the command line."""
    app()
