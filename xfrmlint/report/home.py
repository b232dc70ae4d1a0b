"""Where the project lives: [project.urls] of pyproject.toml, as installed, is the one place."""

from functools import cache

# The labels of PyPI, lower case: https://packaging.python.org/en/latest/specifications/well-known-project-urls/
_HOMES = ("homepage", "source", "repository")
_RULES = "rules"


@cache
def urls() -> dict[str, str]:
    """Return the addresses that the installed metadata has, by their labels in lower case."""
    from importlib.metadata import PackageNotFoundError, metadata

    try:
        listed = metadata("xfrmlint").get_all("Project-URL") or []
    except PackageNotFoundError:
        return {}
    pairs = (entry.partition(",") for entry in listed)
    return {label.strip().lower(): url.strip() for label, _, url in pairs if url.strip()}


def home() -> str:
    """Return the project's address, empty where it has none."""
    return next((urls()[label] for label in _HOMES if label in urls()), "")


def page_of(kind: str) -> str:
    """Return the address of what is written about a type, or the project's, or nothing."""
    rules = urls().get(_RULES, "")
    return f"{rules}#{kind.lower()}" if rules else home()
