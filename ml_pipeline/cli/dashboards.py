"""``ml-pipeline dashboards``: the pages without Airflow around them."""

from typing import Annotated

import typer


def dashboards(port: Annotated[int, typer.Option(help="Of 127.0.0.1.")] = 8090) -> None:
    """Serve the pages on this machine, for its users alone: without Airflow there is no login in front of them."""
    import uvicorn

    from ml_pipeline.dashboards.app import create_app

    uvicorn.run(create_app(), host="127.0.0.1", port=port, log_level="warning")
