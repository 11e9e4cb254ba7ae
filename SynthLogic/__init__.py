"""CrossModalSynth's library: volumes, bundles, translation, phantoms and training, without Qt or Slicer."""

__version__ = "0.1.0"
