"""Bundles: a card and weights in a folder that MONAI can run, with the store they live in."""

from SynthLogic.bundles.bundle import Bundle, summary
from SynthLogic.bundles.card import (
    PLANES,
    Card,
    Channel,
    Coverage,
    DataSource,
    Figure,
    Licence,
    NetworkSpec,
    Plane,
    Precision,
    Spatial,
    Training,
)
from SynthLogic.bundles.choice import pick
from SynthLogic.bundles.store import (
    ConsentRequired,
    Imported,
    damaged,
    find,
    import_bundle,
    installed,
    remove,
    user_store,
)
from SynthLogic.bundles.write import write_bundle

__all__ = [
    "PLANES",
    "Bundle",
    "Card",
    "Channel",
    "ConsentRequired",
    "Coverage",
    "DataSource",
    "Figure",
    "Imported",
    "Licence",
    "NetworkSpec",
    "Plane",
    "Precision",
    "Spatial",
    "Training",
    "damaged",
    "find",
    "import_bundle",
    "installed",
    "pick",
    "remove",
    "summary",
    "user_store",
    "write_bundle",
]
