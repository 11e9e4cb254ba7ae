"""A configuration from YAML: the method decides what it may hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from SynthLogic.errors import ConfigError
from SynthLogic.methods.config import TrainConfig, explain
from SynthLogic.methods.register import method_named


class _Once(yaml.SafeLoader):
    """YAML in which a key stands once: of two, one would silently be ignored."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """As in any loader, with a look at the keys as they are written."""
        node = super().compose_mapping_node(anchor)
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == "tag:yaml.org,2002:merge":
                continue
            if (key.tag, key.value) in seen:
                problem = f"key {key.value!r} stands twice"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
            seen.add((key.tag, key.value))
        return node


def load_config(path: str | Path) -> TrainConfig:
    """Read a configuration from a YAML file.

    A file may name another as ``base``, from its own folder, and holds what differs: mappings are merged key
    by key, anything else (a list too) replaces what the base says.

    Raises:
        ConfigError: unreadable, not YAML, an unknown method or key, a value that cannot be; the message names
            the key.
    """
    return parse_config(_with_base(Path(path), ()))


def _with_base(path: Path, above: tuple[Path, ...]) -> dict[str, Any]:
    if path.resolve() in above:
        raise ConfigError(f"Configuration {path} is its own base; remove 'base' from one of the files.")
    content = _read(path)
    base = content.pop("base", None)
    if base is None:
        return content
    if not isinstance(base, str):
        raise ConfigError(f"Configuration {path} needs the name of one file as 'base'.")
    return _merged(_with_base(path.parent / base, (*above, path.resolve())), content)


def _merged(base: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in change.items():
        old = merged.get(key)
        merged[key] = _merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def _read(path: Path) -> dict[str, Any]:
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _Once)
    except OSError as error:
        reason = error.strerror or "unreadable"
        raise ConfigError(f"Configuration {path} cannot be read ({reason}); give a YAML file.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"Configuration {path} is not YAML; correct it: {' '.join(str(error).split())}"
        ) from error
    if not isinstance(content, dict):
        raise ConfigError(f"Configuration {path} holds no keys; see Resources/training for examples.")
    return content


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
