from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from ml_pipeline.dashboards.app import create_app


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    docs = tmp_path / "docs"
    monkeypatch.setenv("ML_PIPELINE_DATA_DOCS", str(docs))
    return docs


@pytest.fixture
def written(folder: Path) -> Path:
    (folder / "20261101T100000Z").mkdir(parents=True)
    (folder / "index.html").write_text("all judgements")
    (folder / "20261101T100000Z" / "turns.rows.html").write_text("what was found")
    (folder / "20261101T100000Z" / "about.json").write_text("{}")
    (folder.parent / "secret.html").write_text("secret")
    (folder / ".hidden").mkdir()
    (folder / ".hidden" / "secret.html").write_text("secret")
    return folder


def test_before_the_first_judgement_the_page_says_what_writes_it(folder):
    answer = TestClient(create_app()).get("/data-docs/")

    assert answer.status_code == 200
    assert "check_data_quality" in answer.text


def test_the_pages_are_served_and_nothing_in_them_may_run_or_be_fetched(written):
    client = TestClient(create_app())

    first = client.get("/data-docs")
    page = client.get("/data-docs/20261101T100000Z/turns.rows.html")

    assert (first.text, first.url.path) == ("all judgements", "/data-docs/")
    assert client.get("/data-docs/index.html").text == "all judgements"
    assert page.text == "what was found"
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy


@pytest.mark.parametrize(
    "path",
    [
        "20261101T100000Z/about.json",
        "20261101T100000Z/missing.html",
        "20261101T100000Z/..%2F..%2Fsecret.html",
        "..%2Fsecret.html",
        "%2e%2e/secret.html",
        ".hidden/secret.html",
        "%2Fetc/passwd.html",
        "20261101T100000Z/%00.html",
    ],
)
def test_nothing_outside_the_folder_is_served(written, path):
    answer = TestClient(create_app(), raise_server_exceptions=False).get(f"/data-docs/{path}")

    assert answer.status_code == 404
    assert "secret" not in answer.text
