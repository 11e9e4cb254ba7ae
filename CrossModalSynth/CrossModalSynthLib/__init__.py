"""The parts of the module: one panel per task, the worker's Qt side, installation, sample data."""
