"""A configuration from YAML: the method decides what it may hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from SynthLogic.errors import ConfigError
from SynthLogic.methods.config import TrainConfig, explain
from SynthLogic.methods.register import method_named


def load_config(path: str | Path) -> TrainConfig:
    """Read a configuration from a YAML file.

    Raises:
        ConfigError: unreadable, not YAML, an unknown method or key, a value that cannot be; the message names
            the key.
    """
    path = Path(path)
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        reason = error.strerror or "unreadable"
        raise ConfigError(f"Configuration {path} cannot be read ({reason}); give a YAML file.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"Configuration {path} is not YAML; correct it: {' '.join(str(error).split())}"
        ) from error
    if not isinstance(content, dict):
        raise ConfigError(f"Configuration {path} holds no keys; see Resources/training for examples.")
    return parse_config(content)


def parse_config(content: dict[str, Any]) -> TrainConfig:
    """Check a configuration given as plain data.

    Raises:
        ConfigError: see ``load_config``.
    """
    if "method" not in content:
        raise ConfigError("Configuration key 'method' is missing; add it.")
    kind = method_named(content["method"]).family.config_class
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        raise ConfigError(explain(error)) from error
