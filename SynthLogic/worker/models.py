"""Tasks about bundles: list, verify, import, remove."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from SynthLogic.bundles import Bundle

Data = dict[str, Any]


def listed() -> Data:
    """All installed bundles with their cards, and folders that hold no readable one; needs no torch."""
    from SynthLogic.bundles import damaged, installed

    return {"bundles": [_summary(bundle) for bundle in installed()], "damaged": damaged()}


def verify(name: str | None = None) -> Data:
    """Check hashes, card, licence and weights of one bundle, or of all."""
    from SynthLogic.bundles import damaged, installed, look_up
    from SynthLogic.errors import BundleError

    results = dict(damaged()) if name is None else {}
    for bundle in installed() if name is None else [look_up(name)]:
        try:
            bundle.verify()
        except BundleError as error:
            results[bundle.name] = str(error)
        else:
            results[bundle.name] = ""
    rows = [{"name": key, "ok": not why, "message": why} for key, why in sorted(results.items())]
    return {"bundles": rows}


def import_(source: str, trust: bool = False, consent: bool = False) -> Data:
    """Bring a folder or zip into the user's store.

    Raises:
        ConsentRequired: show its ``notice`` and call again with ``consent``.
        TrustRequired: ask, and call again with ``trust``.
    """
    from SynthLogic.bundles import import_bundle

    imported = import_bundle(source, trust=trust, consent=consent)
    return {**_summary(imported.bundle), "status": imported.status, "message": imported.message}


def remove(name: str) -> Data:
    """Remove an imported bundle."""
    from SynthLogic.bundles import remove as remove_bundle

    remove_bundle(name)
    return {"name": name, "message": f"Bundle {name!r} was removed."}


def _summary(bundle: Bundle) -> Data:
    from SynthLogic.bundles import summary, user_store

    return {
        **summary(bundle),
        # Whether a window that has only a scan to give can offer it.
        "scan_alone": bundle.card.scan_alone,
        "removable": bundle.folder.parent == user_store(),
        "card": bundle.card.model_dump(mode="json"),
    }


__all__ = ["import_", "listed", "remove", "verify"]
