"""Configuration: TOML files in, typed and frozen values out, every fault with file, line, column and remedy."""

from axis.config.fault import ConfigError, Fault
from axis.config.load import load_config, load_file
from axis.config.model import Config
from axis.config.registry import load_registry

__all__ = ["Config", "ConfigError", "Fault", "load_config", "load_file", "load_registry"]
