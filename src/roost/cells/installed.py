"""Which Phoenix is installed beside Roost, told without importing it."""

from importlib.metadata import PackageNotFoundError, version


def phoenix_version() -> str:
    """The installed one's, "" for none (attached cells only)."""
    try:
        return version("arize-phoenix")
    except PackageNotFoundError:
        return ""
