"""The papers' experiments on simulated subjects, as commands: each writes its table beside the paper's."""
