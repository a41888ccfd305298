from pathlib import Path

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"


def test_airflows_navigation_leads_to_the_model_versions(monkeypatch):
    monkeypatch.setenv("ML_PIPELINE_MLFLOW_URI", "http://127.0.0.1:5055/")
    monkeypatch.syspath_prepend(str(PLUGINS))
    from ml_pipeline_airflow_plugin import MLPipelinePlugin

    MLPipelinePlugin.on_load()

    (view,) = MLPipelinePlugin.external_views
    assert view["href"] == "http://127.0.0.1:5055/#/models"
    assert view["destination"] == "nav"


def test_there_is_one_plugin_file_and_its_name_collides_with_nothing():
    files = sorted(path.name for path in PLUGINS.glob("*.py"))

    assert files == ["ml_pipeline_airflow_plugin.py"]
