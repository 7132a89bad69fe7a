"""Why something was left out of a corpus: the closed list of stages and reason codes.

Every code is explained to users in docs/ledger.md; a test keeps the two in step.
"""

from enum import StrEnum


class Subject(StrEnum):
    """What a ledger row is about."""

    RECORD = "record"  # an input line that could not be used
    VIDEO = "video"
    SENTENCE = "sentence"
    CLIP = "clip"  # a long clip


class Stage(StrEnum):
    """The step that left the subject out, in the order of the data's way."""

    READ = "read"
    MERGE = "merge"
    PROBE = "probe"
    EDIT = "edit"
    DECODE = "decode"


class Reason(StrEnum):
    """Why the subject was left out."""

    # records: lines that could not be used
    MALFORMED = "malformed"
    INVALID_UTF8 = "invalid_utf8"
    DUPLICATE_ID = "duplicate_id"
    GROUP_UNKNOWN_CLIP = "group_unknown_clip"
    # sentences
    SPAN_REVERSED = "span_reversed"
    SPAN_PAST_END = "span_past_end"
    OVERLAP = "overlap"
    EMPTY_TEXT = "empty_text"
    TEXT_WITHOUT_CLIP = "text_without_clip"
    CLIP_WITHOUT_TEXT = "clip_without_text"
    RUN_TOO_SHORT = "run_too_short"
    CUT_REMAINDER = "cut_remainder"
    NOT_IN_GROUP = "not_in_group"
    GROUP_INCOMPLETE = "group_incomplete"
    GROUP_CONFLICT = "group_conflict"
    EDITED_OUT = "edited_out"
    # videos: nothing of it could be used
    NO_TEXT = "no_text"
    TRANSCRIPT_UNREADABLE = "transcript_unreadable"
    NO_LONG_CLIP = "no_long_clip"
    UNSAFE_URI = "unsafe_uri"
    MISSING = "missing"
    EMPTY_FILE = "empty_file"
    UNREADABLE = "unreadable"
    NO_VIDEO_STREAM = "no_video_stream"
    NO_FRAMES = "no_frames"
    LIMIT_EXCEEDED = "limit_exceeded"
    TIMEOUT = "timeout"
    DECODER_CRASHED = "decoder_crashed"
    ALL_CLIPS_DROPPED = "all_clips_dropped"
    # long clips
    FRAMES_DAMAGED = "frames_damaged"
    FRAMES_PAST_END = "frames_past_end"


#: Reasons that mean the source is broken or out of reach, as against filtered out by choice.
#: Videos dropped for one of these count against `max_failed`.
FAILURES = frozenset(
    {
        Reason.TRANSCRIPT_UNREADABLE,
        Reason.UNSAFE_URI,
        Reason.MISSING,
        Reason.EMPTY_FILE,
        Reason.UNREADABLE,
        Reason.NO_VIDEO_STREAM,
        Reason.NO_FRAMES,
        Reason.LIMIT_EXCEEDED,
        Reason.TIMEOUT,
        Reason.DECODER_CRASHED,
        Reason.ALL_CLIPS_DROPPED,
    }
)
