"""Words of our own records: no file's or patient's name can be told from them, so they always stay."""

from __future__ import annotations

# Not taken from the records' schema, which needs pydantic; a test holds that none is missing.
_KEYS = """
    authors bundle choice codec codec_bundle cohort content_hash created dataset_id device device_name files
    force frame hash ijk_to_ras image_hash inputs keep_parent_names kept_frame kind labels labels_hash
    labels_only layout licence model model_bundle name notice output packages pairs parents path platform
    position precision product record_version request seed shape slices spacing split step steps style style_a
    style_b styles synthetic t timings title vector version volumes_ml wall_mm warnings

    lv_cavity myocardium rv_cavity decode load paint prepare read restore write
    crossmodalsynth python torch monai numpy scipy SimpleITK pydantic
"""
KEYS = frozenset(_KEYS.split())
"""Keys of records, and of the manifest's request."""

_WORDS = """
    CrossModalSynth all cohort interpolate made paint named scan seed any line circle bids nnunet plain
    auto cpu cuda bf16 fp16 fp32 acdc mms
"""
WORDS = frozenset(_WORDS.split())
"""Texts that records choose among."""

__all__ = ["KEYS", "WORDS"]
