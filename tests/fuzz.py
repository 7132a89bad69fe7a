"""Fuzzing for long: `python tests/fuzz.py --minutes 30`. New cases each time; a finding is printed, and its input kept.

Exit code 1 if there is a finding. tests/test_fuzz.py is the bounded run of the same things.
"""

import argparse
import random
import sys
import time
import traceback
from pathlib import Path

from fuzz_corpus import fuzz_corpus
from fuzz_targets import TARGETS, timed
from fuzz_video import fuzz_video
from hypothesis import HealthCheck, given, seed as seeded, settings

_CASES = 400  # of a hypothesis target between two looks at the clock
_FILES = {"videos": fuzz_video, "corpora": fuzz_corpus}


def fuzz_target(name: str, seconds: float, seed: int) -> tuple[int, str]:
    """Try new cases for so long, or until one fails; how many were tried, and what failed, shrunk."""
    target, tried, until = TARGETS[name], 0, time.monotonic() + seconds
    run = settings(max_examples=_CASES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    while time.monotonic() < until:
        try:
            seeded(seed + tried)(run(given(target.make)(timed(target))))()
        except Exception:
            return tried, traceback.format_exc()
        tried += _CASES
    return tried, ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10, help="of all targets together (default 10)")
    parser.add_argument("--only", choices=[*TARGETS, *_FILES], action="append", help="one target; can be given again")
    parser.add_argument("--seed", type=int, default=None, help="repeats a run, as far as it got in its time")
    parser.add_argument("--keep", type=Path, default=Path("fuzz-findings"), help="where inputs that failed are kept")
    options = parser.parse_args()
    seed = random.SystemRandom().randrange(1 << 32) if options.seed is None else options.seed
    names = options.only or [*TARGETS, *_FILES]
    # Files cost the most, and find the most: half of the time is theirs.
    weights = {name: len(TARGETS) / len(_FILES) if name in _FILES else 1 for name in names}
    failed = 0
    print(f"seed {seed}")
    for name in names:
        seconds = 60 * options.minutes * weights[name] / sum(weights.values())
        if name in _FILES:
            found = _FILES[name](options.keep, until=time.monotonic() + seconds, seed=seed)
            tried, told = sum(found.outcomes.values()), "\n".join(found.bad)
            print(f"{name}: {tried:,} cases: {dict(found.outcomes)}")
        else:
            tried, told = fuzz_target(name, seconds, seed)
            print(f"{name}: {tried:,} cases")
        if told:
            failed += 1
            print(told)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
