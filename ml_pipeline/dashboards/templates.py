from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined


def render(name: str, **values: Any) -> str:
    """Return the template ``name`` filled in; values are escaped, a missing one is an error."""
    return _templates().get_template(name).render(**values)


@cache
def _templates() -> Environment:
    loader = PackageLoader("ml_pipeline.dashboards")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
