"""Data Docs: pages of what Great Expectations found, a folder per judgement, plain HTML that needs no network.

Great Expectations renders the sections. Its own page around them fetches nine scripts and six styles from other hosts,
and its index is empty without them; ours fetches nothing.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ml_pipeline.vocabulary.interval import Interval

KEPT = 50
"""Judgements whose pages are kept: about two days of them, 10 MB."""
TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True, slots=True)
class Judgement:
    """``validations``: results of Great Expectations, in the order in which they are to be listed."""

    judged_at: datetime
    window: Interval
    validations: Sequence[Any]


def write_data_docs(folder: Path, judgement: Judgement) -> None:
    """Add the pages of ``judgement`` to the site in ``folder``, whole or not at all, and drop the oldest.

    Raises:
        OSError: if the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".", dir=folder) as unfinished:
        pages = Path(unfinished) / judgement.judged_at.strftime("%Y%m%dT%H%M%S%fZ")
        pages.mkdir()
        _write_judgement(pages, judgement)
        pages.rename(folder / pages.name)
        _write_list(Path(unfinished) / "index.html", folder).replace(folder / "index.html")


def _write_judgement(pages: Path, judgement: Judgement) -> None:
    suites = [_suite(validation) for validation in judgement.validations]
    about = _about(pages.name, judgement, suites)
    for suite, validation in zip(suites, judgement.validations, strict=True):
        _write(pages / suite["page"], "suite.html", about=about, suite=suite, sections=_sections(validation))
    _write(pages / "index.html", "judgement.html", about=about, suites=suites)
    (pages / "about.json").write_text(json.dumps(about), encoding="utf-8")


def _write_list(path: Path, folder: Path) -> Path:
    """Write the first page, newest judgement first; drop those beyond what is kept."""
    known = sorted(folder.glob("[0-9]*/about.json"), reverse=True)
    for old in known[KEPT:]:
        shutil.rmtree(old.parent, ignore_errors=True)
    judgements = [json.loads(about.read_text(encoding="utf-8")) for about in known[:KEPT]]
    _write(path, "judgements.html", judgements=judgements)
    return path


def _about(name: str, judgement: Judgement, suites: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    at = "%Y-%m-%d %H:%M"
    return {
        "name": name,
        "judged_at": judgement.judged_at.strftime(f"{at}:%S"),
        "start": judgement.window.start.strftime(at),
        "end": judgement.window.end.strftime(at),
        "checks": sum(suite["checks"] for suite in suites),
        "failed": sum(suite["failed"] for suite in suites),
    }


def _suite(validation: Any) -> dict[str, Any]:
    table, _, part = validation.suite_name.partition(".")
    counts = validation.statistics
    return {
        "title": f"{table}, its columns" if part == "schema" else table,
        "page": f"{validation.suite_name}.html",
        "checks": counts["evaluated_expectations"],
        "failed": counts["unsuccessful_expectations"],
        "results": [_check(result) for result in validation.results],
    }


def _check(result: Any) -> dict[str, Any]:
    """Return the check by the name under which verdicts tell it, which Great Expectations does not show."""
    config = result.expectation_config
    found = result.result
    return {
        "name": config.meta["name"],
        "severity": config.severity.value,
        "has_passed": result.success,
        "bad_rows": found.get("unexpected_count"),
        "rows": found.get("element_count"),
    }


def _sections(validation: Any) -> list[str]:
    """Return the HTML of each section but the first, which links to a page of its own index and folds queries away."""
    from great_expectations.render.renderer import ValidationResultsPageRenderer

    sections = ValidationResultsPageRenderer().render(validation).to_json_dict()["sections"]
    return [
        _view().render({"section": section, "section_loop": {"index": at}}) for at, section in enumerate(sections[1:])
    ]


def _write(path: Path, template: str, **values: Any) -> None:
    path.write_text(_pages().get_template(template).render(values), encoding="utf-8")


# Both compile each template once, which takes longer than all the pages of a judgement.


@cache
def _view() -> Any:
    from great_expectations.render.view import DefaultJinjaSectionView

    return DefaultJinjaSectionView()


@cache
def _pages() -> Any:
    from jinja2 import Environment, FileSystemLoader

    return Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True)
