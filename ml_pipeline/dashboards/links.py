from ml_pipeline.settings import load_settings

PREFIX = "/ml-pipeline"
"""Where Airflow mounts the pages."""


def links() -> list[dict[str, str]]:
    """Return the entries of Airflow's navigation that lead to our pages and to the MLflow UI."""
    return [
        {
            "name": "Live",
            "href": f"{PREFIX}/live",
            "destination": "nav",
            "category": "browse",
            "url_route": "ml-pipeline-live",
        },
        {
            "name": "Data Docs",
            "href": f"{PREFIX}/data-docs/",
            "destination": "nav",
            "category": "browse",
            "url_route": "ml-pipeline-data-docs",
        },
        {
            "name": "Model versions (MLflow)",
            "href": f"{load_settings().mlflow_uri.rstrip('/')}/#/models",
            "destination": "nav",
            "category": "browse",
        },
    ]
