"""What a segment's name says it is: plain English, and the short forms of common data sets."""

from __future__ import annotations

import re

from SynthLogic.hearts.labels import HeartLabel

LV, MYO, RV = HeartLabel.LV_CAVITY, HeartLabel.MYOCARDIUM, HeartLabel.RV_CAVITY

_CAVITY = "bp bloodpool cav cavity chamber lumen endo endocardium endocardial"
_WALL = "myo myoc myocard myocardium myocardial"
# Words, and what each of them says; what is not listed says nothing.
_MEANINGS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("left lt", ("left",)),
    ("right rt", ("right",)),
    ("ventricle ventricles ventricular ventriculus", ("ventricle",)),
    ("lv", ("left", "ventricle")),
    ("rv", ("right", "ventricle")),
    (_WALL, ("myocardium",)),
    ("wall muscle", ("wall",)),
    (" ".join(f"lv{end}" for end in ("m", *_WALL.split())), ("left", "ventricle", "myocardium")),
    (" ".join(f"rv{end}" for end in ("m", *_WALL.split())), ("right", "ventricle", "myocardium")),
    (" ".join(f"lv{end}" for end in ("c", *_CAVITY.split())), ("left", "ventricle")),
    (" ".join(f"rv{end}" for end in ("c", *_CAVITY.split())), ("right", "ventricle")),
    ("papillary papillaries pap trabecula trabeculae trabeculation trabeculations", ("in cavity",)),
    ("scar scars infarct infarcts infarction fibrosis edema oedema mvo noreflow", ("in wall",)),
    ("septum septal", ("in wall",)),
    # None of the three, whatever else the name says.
    ("la ra atrium atria atrial auricle appendage aorta aortic artery arterial vein venous", ("other",)),
    ("valve leaflet outflow inflow lvot rvot tract thrombus clot coronary apex device lead", ("other",)),
    ("epi epicardium epicardial lvepi rvepi pericardium pericardial fat effusion fluid", ("other",)),
    ("brain cerebral lateral third fourth horn lung liver background", ("other",)),
)
_WORDS = {word: meanings for words, meanings in _MEANINGS for word in words.split()}


def by_name(name: str) -> tuple[HeartLabel | None, bool]:
    """The label that a name stands for or None, and whether it is a part that is merged into it.

    "LV", "left ventricle", "LVC", "LV blood pool" are the LV cavity; "Myo", "LVM", "heart_myocardium" the
    myocardium; papillary muscles belong to the cavity, scars and the septum to the myocardium. Case,
    punctuation, numbers and camel case do not matter.
    """
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z]{2})(?=[A-Z][a-z]{2})", " ", name)
    words = re.sub(r"[^a-z]+", " ", spaced.lower()).split()
    said = {meaning for word in words for meaning in _WORDS.get(word, ())}
    if "ventricle" in said:
        said |= {side for side, letter in (("left", "l"), ("right", "r")) if letter in words}
    right = "right" in said
    if "other" in said or (right and "left" in said):
        return None, False
    if "in cavity" in said:
        return (RV if right else LV), True
    # The wall of the right ventricle is no structure here.
    if "in wall" in said:
        return (None, False) if right else (MYO, True)
    if "myocardium" in said or {"wall", "ventricle"} <= said:
        return (None if right else MYO), False
    if "ventricle" in said and (right or "left" in said):
        return (RV if right else LV), False
    return None, False
