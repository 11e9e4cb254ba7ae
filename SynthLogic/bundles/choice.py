"""Which installed bundle to take when the user named none."""

from __future__ import annotations

import re

from SynthLogic.bundles.bundle import Bundle
from SynthLogic.bundles.card import DOES, Task
from SynthLogic.bundles.card_types import version_key
from SynthLogic.bundles.store import find, installed
from SynthLogic.errors import BundleError

# The bundles that ship, which are taken where several could be.
_SHIPPED: dict[Task, str] = {"label-vae": "heart-labels-vae", "paint": "heart-labels-to-mr"}
_WITH_LABELS = " with a label map"
# First word of a figure's name, in the order in which they decide; +1 where more is better.
_FIGURES = {"mae": -1, "ssim": 1, "psnr": 1, "rmse": -1, "mse": -1, "dice": 1}


def pick(
    modality_in: str, modality_out: str, anatomy: str | None = None, *, labels: bool = False
) -> tuple[Bundle, str]:
    """The best installed bundle for that direction, and one sentence why.

    Bundles whose anatomy matches go first, then the better value of the first figure that all of them report
    on the same test set, then the higher version, then the name: the same store always gives the same answer.

    Args:
        modality_in: "CT" or "MR".
        modality_out: "CT" or "MR".
        anatomy: what the scan shows, if known, for example "thorax".
        labels: whether the scan comes with a label map. Bundles that translate one along are only then
            thought of, and no others.

    Raises:
        ConsentRequired: the licence of the best is restricted and was not agreed to.
        BundleError: none is installed for that direction; the sentence lists what is.
    """
    everything = [b for b in installed() if b.card.task == "translate"]
    rivals = [
        b
        for b in everything
        if (b.card.input.modality, b.card.output.modality) == (modality_in, modality_out)
        and (bool(b.card.masks) if labels else b.card.scan_alone)
    ]
    direction = f"{modality_out} from {modality_in}{_WITH_LABELS if labels else ''}"
    if not rivals:
        known = ", ".join(f"{b.name} ({_direction(b)})" for b in everything)
        raise BundleError(f"No installed bundle makes {direction}; installed: {known or 'none'}. Import one.")
    reasons = []
    if len(rivals) == 1:
        reasons.append(f"the only installed bundle that makes {direction}")
    matching = [b for b in rivals if anatomy and _words(anatomy) & _words(b.card.coverage.anatomy)]
    if matching:
        rivals = matching
        reasons.append(f"made for {rivals[0].card.coverage.anatomy}")
    elif anatomy:
        reasons.append(f"none is made for {anatomy}")
    figure = _comparable(rivals) if len(rivals) > 1 else None
    # Stable sorts, from the last criterion to the first; ``installed`` is in the order of names.
    rivals = sorted(rivals, key=lambda b: version_key(b.version), reverse=True)
    best = min(rivals, key=lambda b: _score(b, figure))
    if figure is not None:
        name, units, on = figure
        value = f"{_value(best, figure):.4g} {units}".strip()
        reasons.append(f"its {name} of {value} on {on} is the best of {len(rivals)}")
    elif len(rivals) > 1:
        reasons.append(f"the highest version of {len(rivals)} whose figures cannot be compared")
    return find(best.name), f"{best.name} {best.version} was chosen: {'; '.join(reasons)}."


def pick_task(task: Task) -> tuple[Bundle, str]:
    """The installed bundle for a task other than translating, and one sentence why.

    The one that ships goes first (of it, as of every bundle, the newest version is the installed one), then
    the highest version, then the name.

    Raises:
        ConsentRequired: its licence is restricted and was not agreed to.
        BundleError: none is installed for that task.
    """
    rivals = [b for b in installed() if b.card.task == task]
    if not rivals:
        raise BundleError(f"No installed bundle {DOES[task]}; import one.")
    # Stable sorts; ``installed`` is in the order of names.
    rivals.sort(key=lambda b: version_key(b.version), reverse=True)
    best = min(rivals, key=lambda b: b.name != _SHIPPED.get(task))
    if len(rivals) == 1:
        why = f"the only installed bundle that {DOES[task]}"
    elif best.name == _SHIPPED.get(task):
        why = f"the program's own of {len(rivals)} that could"
    else:
        why = f"the highest version of {len(rivals)}"
    return find(best.name), f"{best.name} {best.version} was chosen: {why}."


def _direction(bundle: Bundle) -> str:
    card = bundle.card
    return f"{card.output.modality} from {card.input.modality}{_WITH_LABELS if card.masks else ''}"


_Key = tuple[str, str, str]


def _comparable(bundles: list[Bundle]) -> _Key | None:
    common = set.intersection(*({(f.name, f.units, f.on) for f in b.card.figures} for b in bundles))
    order = list(_FIGURES)
    known = [key for key in common if _first_word(key[0]) in _FIGURES]
    return min(known, key=lambda key: (order.index(_first_word(key[0])), key), default=None)


def _score(bundle: Bundle, figure: _Key | None) -> float:
    return 0.0 if figure is None else -_FIGURES[_first_word(figure[0])] * _value(bundle, figure)


def _value(bundle: Bundle, key: _Key) -> float:
    return next(f.value for f in bundle.card.figures if (f.name, f.units, f.on) == key)


def _first_word(name: str) -> str:
    return (re.findall(r"[a-z]+", name.lower()) or [""])[0]


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.lower()))
