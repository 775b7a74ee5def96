"""s3gc: finds S3 objects that no database row refers to, and can bring any of them back."""

from s3gc_core.config import (
    Codec,
    Config,
    DatabaseConfig,
    GuardLimits,
    Mode,
    SourceConfig,
)
from s3gc_core.config_create import Settings, create_config
from s3gc_core.config_environment import create_config_from_env
from s3gc_core.config_file import find_config, load_config
from s3gc_core.config_template import CONFIG_TEMPLATE
from s3gc_core.errors import ConfigurationError, Problem

__all__ = [
    "CONFIG_TEMPLATE",
    "Codec",
    "Config",
    "ConfigurationError",
    "DatabaseConfig",
    "GuardLimits",
    "Mode",
    "Problem",
    "Settings",
    "SourceConfig",
    "create_config",
    "create_config_from_env",
    "find_config",
    "load_config",
]
