"""Where the files that ship with the product lie, in a clone as in an installed wheel."""

from pathlib import Path


def resource_folder() -> Path:
    """Folder ``Resources``: beside the package in a clone, inside it when installed from a wheel."""
    inside = Path(__file__).parent / "Resources"
    return inside if inside.is_dir() else Path(__file__).parent.parent / "Resources"
