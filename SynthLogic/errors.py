"""What can go wrong for a user. Every message is one sentence that also says what to do."""


class SynthError(Exception):
    """A foreseen failure; its text is shown to the user as it is. ``exit_code`` is the command line's."""

    exit_code = 2


class InputError(SynthError):
    """The scan cannot be read or must not be translated."""


class BundleError(SynthError):
    """A bundle's card, weights, hash or licence is not in order."""


class DeviceError(SynthError):
    """The device or precision asked for does not exist here, or has too little memory."""


class OutputError(SynthError):
    """The result cannot be written where it was asked for."""


class ConfigError(SynthError):
    """A configuration, request or record does not say what it must."""


class TrainingError(SynthError):
    """Training cannot go on; what was trained so far is kept."""


class Cancelled(SynthError):
    """The user cancelled; nothing was written."""

    exit_code = 130
