from ml_pipeline.settings import load_settings


def model_versions_link() -> dict[str, str]:
    """Return the entry of Airflow's navigation that opens the MLflow UI at the registered models."""
    return {
        "name": "Model versions (MLflow)",
        "href": f"{load_settings().mlflow_uri.rstrip('/')}/#/models",
        "destination": "nav",
        "category": "browse",
    }
