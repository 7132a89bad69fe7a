"""What is fuzzed with hypothesis: how to make each kind of input that nobody vouches for, and what must hold of the outcome.

tests/test_fuzz.py runs a bounded number of cases of each, always the same ones; `python tests/fuzz.py` runs new ones for long.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fuzz_mutation import edits
from fuzz_quick import (
    check_loops,
    check_manifest_line,
    check_subtitles,
    check_text_lines,
    check_words,
    manifest_lines,
    spoken,
    subtitle_files,
    text_lines,
    whisper_words,
)
from fuzz_tables import (
    cells,
    check_config,
    check_manifest_file,
    check_marker,
    check_plan_file,
    check_plan_row,
    check_status,
    configs,
    unfinished_output,
)
from fuzz_text import (
    ENCODINGS,
    METADATA,
    all_captions,
    check_captions,
    check_line,
    check_metadata,
    check_names,
    check_transcript,
    lines,
    names,
    transcripts,
)
from hypothesis import strategies as st

from longtake.schemas import tables


@dataclass(frozen=True)
class Target:
    """A kind of input: `check` takes what `make` draws, and raises where a promise is broken. `cases` are tried in CI."""

    make: st.SearchStrategy[Any]
    check: Callable[[Any], None]
    cases: int
    seconds: float = 3.0  # for one case; a few hundred kilobytes at most


TARGETS = {
    "transcripts": Target(
        st.tuples(st.sampled_from(transcripts()), edits, st.sampled_from(ENCODINGS), st.booleans()),
        check_transcript,
        800,
    ),
    "lines": Target(lines, check_line, 800),
    "captions": Target(
        st.tuples(st.sampled_from([all_captions(), b"{}"]), edits),
        check_captions,
        300,
    ),
    "metadata": Target(st.tuples(st.sampled_from(METADATA), edits), check_metadata, 400),
    "quick text": Target(text_lines, check_text_lines, 100),
    "quick manifest": Target(manifest_lines, check_manifest_line, 200),
    "quick subtitles": Target(subtitle_files, check_subtitles, 250),
    "quick words": Target(whisper_words, check_words, 250),
    "quick loops": Target(spoken, check_loops, 100),
    "names": Target(names, check_names, 200),
    # Two loads: the time PyYAML takes grows with the square of nested brackets, until Python's limit of recursion.
    "configs": Target(configs, check_config, 120, seconds=12),
    "plan rows": Target(st.dictionaries(st.sampled_from(tables.PLAN.names), cells, min_size=1, max_size=4), check_plan_row, 300),
    "manifest files": Target(edits, check_manifest_file, 150),
    "plan files": Target(edits, check_plan_file, 150),
    "markers": Target(edits, check_marker, 150),
    "status": Target(st.tuples(st.sampled_from(sorted(unfinished_output())), edits), check_status, 100),
}  # fmt: skip


def timed(target: Target) -> Callable[[Any], None]:
    """The check of a target, with the promise that it takes no longer than it may."""

    def check(case: Any) -> None:
        start = time.process_time()
        target.check(case)
        assert time.process_time() - start < target.seconds, "too slow"

    return check
