"""All presets by name."""

from longtake.jobs.presets import lfvila, tasks
from longtake.jobs.presets.preset import Preset
from longtake.jobs.presets.tiny import TINY
from longtake.schemas.errors import ConfigError
from longtake.schemas.settings import did_you_mean

PRESETS: dict[str, Preset] = {preset.name: preset for preset in (TINY, lfvila.STAGE_1, lfvila.STAGE_2, *tasks.TASKS)}


def preset_named(name: str) -> Preset:
    """Return the preset of a name. Raises ConfigError for an unknown one."""
    if name not in PRESETS:
        raise ConfigError(
            f"--preset {name}: no such preset.{did_you_mean(name, PRESETS)} There are {', '.join(PRESETS)}."
        )
    return PRESETS[name]
