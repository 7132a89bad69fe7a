"""Prints what speech recognition will cost: `longtake plan --dry-run`."""

from rich.console import Console

from longtake.jobs.build.plan import expected_videos
from longtake.jobs.build.report import cpu_time
from longtake.jobs.build.request import BuildRequest
from longtake.jobs.terminal import print_line
from longtake.pipeline.read.speech_cost import SpeechCost, speech_cost
from longtake.pipeline.run.runner import is_local, slots_per_process
from longtake.pipeline.run.slots import cores
from longtake.schemas.config import CorpusConfig
from longtake.schemas.printable import printable
from longtake.schemas.wording import duration, plural


def print_speech_cost(request: BuildRequest, console: Console) -> None:
    """Print hours of sound and of work for the speech that is not recognised yet. Raises ConfigError."""
    config, options = request.config, request.options()
    slots = slots_per_process(options, request.workers) if is_local(options) else 0
    cost = speech_cost(config, expected_videos(config), slots)
    for line in _lines(cost, config, slots or (cores() if is_local(options) else 0)):
        print_line(console, printable(line))


def _lines(cost: SpeechCost, config: CorpusConfig, slots: int) -> list[str]:
    about = "" if cost.looked_at == cost.of else "about "
    length = f"{cost.sound_s / 3600:,.1f} h" if cost.sound_s >= 3600 else duration(cost.sound_s)
    lines = [f"Speech to recognise: {about}{plural(cost.videos, 'video')} of {cost.of:,}, {about}{length} of sound."]
    if cost.looked_at < cost.of:
        lines.append(f"Estimated from {plural(cost.looked_at, 'video')}.")
    if not cost.videos:
        return lines
    if not cost.sound_s:
        return [*lines, "By their headers, none of them has sound."]
    if cost.rate is None or cost.hours is None:
        return [*lines, "No rate: none of the longest sources could be tried. Plan to see why."]
    if config.source.text.device_class == "cpu":
        wall = f", {duration(cost.hours * 3600 / slots)} in {plural(slots, 'slot')}" if slots else ""
        work = f"{cpu_time(cost.hours)}{wall}"
    else:
        work = f"{duration(cost.hours * 3600)} of a GPU"
    trial = f"{cost.trial_s:.0f} s of video {cost.trial}"
    return [
        *lines,
        f"That takes about {work}: {1 / cost.rate:,.1f} times real time, measured on {trial} on this machine.",
    ]
