"""Bundles: a card and weights in a folder that MONAI can run, with the store they live in."""

from SynthLogic.bundles.bundle import Bundle, summary
from SynthLogic.bundles.card import Card, Task
from SynthLogic.bundles.card_parts import (
    Ancestor,
    Channel,
    Coverage,
    DataSource,
    Figure,
    LabelChannel,
    Licence,
    NetworkSpec,
    Precision,
    Spatial,
    Style,
    Training,
)
from SynthLogic.bundles.card_types import PLANES, Plane
from SynthLogic.bundles.choice import pick, pick_task
from SynthLogic.bundles.store import (
    ConsentRequired,
    Imported,
    damaged,
    find,
    import_bundle,
    installed,
    look_up,
    remove,
    user_store,
)
from SynthLogic.bundles.write import rewrite_bundle, write_bundle

__all__ = [
    "PLANES",
    "Ancestor",
    "Bundle",
    "Card",
    "Channel",
    "ConsentRequired",
    "Coverage",
    "DataSource",
    "Figure",
    "Imported",
    "LabelChannel",
    "Licence",
    "NetworkSpec",
    "Plane",
    "Precision",
    "Spatial",
    "Style",
    "Task",
    "Training",
    "damaged",
    "find",
    "import_bundle",
    "installed",
    "look_up",
    "pick",
    "pick_task",
    "remove",
    "rewrite_bundle",
    "summary",
    "user_store",
    "write_bundle",
]
