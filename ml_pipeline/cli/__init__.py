"""``ml-pipeline …``: what people type."""

import sys

import typer

from ml_pipeline.cli import stack
from ml_pipeline.cli.acts import acts
from ml_pipeline.cli.alerts import alerts
from ml_pipeline.cli.approve import approve, decline
from ml_pipeline.cli.as_of import as_of
from ml_pipeline.cli.dashboards import dashboards
from ml_pipeline.cli.databases import databases
from ml_pipeline.cli.events import events
from ml_pipeline.cli.explain import explain
from ml_pipeline.cli.metrics import metrics
from ml_pipeline.cli.outcomes import outcomes
from ml_pipeline.cli.quality import quality
from ml_pipeline.cli.rates import rates
from ml_pipeline.cli.rebuild import rebuild
from ml_pipeline.cli.replay import replay
from ml_pipeline.cli.retention import retention
from ml_pipeline.cli.retraining import retraining
from ml_pipeline.cli.rollback import lift_bar, rollback
from ml_pipeline.cli.rollouts import rollouts
from ml_pipeline.cli.run import run
from ml_pipeline.cli.status import status
from ml_pipeline.cli.switch import switch
from ml_pipeline.cli.trends import trends
from ml_pipeline.errors import PipelineError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.command()(run)
app.command()(stack.stop)
app.command()(stack.reset)
app.command()(approve)
app.command()(as_of)
app.command()(decline)
app.command()(databases)
app.command()(dashboards)
app.command()(rates)
app.command()(rebuild)
app.command()(replay)
app.command()(retention)
app.command()(rollback)
app.command()(rollouts)
app.command()(lift_bar)
app.command()(status)
app.command()(switch)
app.command()(trends)
app.add_typer(acts, name="acts")
app.add_typer(alerts, name="alerts")
app.add_typer(events, name="events")
app.add_typer(explain, name="explain")
app.add_typer(metrics, name="metrics")
app.add_typer(outcomes, name="outcomes")
app.add_typer(quality, name="quality")
app.add_typer(retraining, name="retraining")


@app.callback()
def _about() -> None:
    """Continuous learning for conversational sales agents."""


def main() -> None:
    """Run the command line; an error of ours is a message and exit code 1."""
    try:
        app()
    except PipelineError as error:
        typer.echo(f"ml-pipeline: {error}", err=True)
        sys.exit(1)
