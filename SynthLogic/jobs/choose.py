"""Which bundle runs a request."""

from __future__ import annotations

from typing import Literal

from SynthLogic.bundles import Bundle, find, pick, pick_task
from SynthLogic.errors import BundleError
from SynthLogic.jobs.requests import TranslateRequest


def choose_bundle(
    request: TranslateRequest, bundle: Bundle | None = None, *, labels: bool = False
) -> tuple[Bundle, str]:
    """The bundle to run, its files verified, and one sentence why.

    Args:
        request: names an installed bundle, or none for the best one.
        bundle: one that was opened from a folder; it must have the name that the request gives.
        labels: whether the scan comes with a label map; none that needs one is the best one otherwise.

    Raises:
        BundleError: none fits, it translates another way, or a file of it is not what the card says.
    """
    if bundle is not None:
        if request.model not in (None, bundle.card.name):
            raise BundleError(
                f"The request names bundle {request.model!r}, not {bundle.card.name!r}; name the same."
            )
        why = f"{bundle.card.name} {bundle.card.version} was asked for."
    elif request.model is not None:
        bundle = find(request.model)
        why = f"{bundle.card.name} {bundle.card.version} was asked for."
    else:
        bundle, why = pick(request.source, request.target, labels=labels)
    card = bundle.card
    card.expect("translate")
    # A bundle that was asked for may take what it likes, an MR of another contrast too; the scan is checked.
    if card.output.modality != request.target:
        raise BundleError(
            f"Bundle {card.name!r} makes {card.output.modality} from {card.input.modality}, "
            f"not {request.target}; choose another bundle or target."
        )
    bundle.verify_files()
    return bundle, why


Task = Literal["paint", "label-vae"]


def choose_for(task: Task, name: str | None = None, bundle: Bundle | None = None) -> tuple[Bundle, str]:
    """The bundle for a task on hearts, its files verified, and one sentence why.

    Args:
        task: of the bundle's card.
        name: of an installed bundle, or None for the best one.
        bundle: one that was opened from a folder; taken instead.

    Raises:
        BundleError: none fits, it is made for another task, or a file of it is not what the card says.
    """
    if bundle is None and name is None:
        bundle, why = pick_task(task)
    else:
        bundle = bundle or find(str(name))
        why = f"{bundle.card.name} {bundle.card.version} was asked for."
    bundle.card.expect(task)
    bundle.verify_files()
    return bundle, why


__all__ = ["choose_bundle", "choose_for"]
