"""Why something was dropped: the closed list of stages and reason codes.

docs/ledger.md explains every code to users; a test compares the two.
"""

from enum import StrEnum


class Subject(StrEnum):
    """What a ledger row is about."""

    RECORD = "record"  # an input line that could not be used
    VIDEO = "video"
    SENTENCE = "sentence"
    CLIP = "clip"  # a long clip
    NOTE = "note"  # nothing was dropped, but a video or long clip was not treated as asked


class Stage(StrEnum):
    """The step that dropped the subject, in pipeline order."""

    FETCH = "fetch"  # from the web, before a corpus is planned
    READ = "read"
    CLEAN = "clean"
    MERGE = "merge"
    PROBE = "probe"
    FILTER = "filter"
    CAPTION = "caption"
    EDIT = "edit"
    DECODE = "decode"
    TAKEDOWN = "takedown"  # of a finished corpus


class Reason(StrEnum):
    """Why the subject was dropped."""

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
    ROLLING_CAPTION = "rolling_caption"
    SAID_AT_ONCE = "said_at_once"
    SOUND_TAG = "sound_tag"
    SPEAKER_LABEL = "speaker_label"
    BOILERPLATE = "boilerplate"
    LOOP = "loop"
    TRANSCRIPT_WITHOUT_VIDEO = "transcript_without_video"
    TEXT_WITHOUT_CLIP = "text_without_clip"
    CLIP_WITHOUT_TEXT = "clip_without_text"
    RUN_TOO_SHORT = "run_too_short"
    CUT_REMAINDER = "cut_remainder"
    NOT_IN_GROUP = "not_in_group"
    GROUP_INCOMPLETE = "group_incomplete"
    GROUP_CONFLICT = "group_conflict"
    EDITED_OUT = "edited_out"
    # notes
    SEVERAL_FILES = "several_files"
    OTHER_ENCODING = "other_encoding"
    CLIPPED = "clipped"
    CHAPTERS_UNREADABLE = "chapters_unreadable"
    NOT_HEARD = "not_heard"
    NOT_EMBEDDED = "not_embedded"
    NOT_REWRITTEN = "not_rewritten"
    NOT_COMPARED = "not_compared"
    NOT_SCORED = "not_scored"
    STREAM_CHOSEN = "stream_chosen"
    CLOCK_RESTARTED = "clock_restarted"
    TIMES_REPAIRED = "times_repaired"
    ODD_ROTATION = "odd_rotation"
    NO_CAPTIONS = "no_captions"
    # videos: no part could be used
    NO_TEXT = "no_text"
    NO_SPEECH = "no_speech"
    ASR_FAILED = "asr_failed"
    OTHER_SPEECH = "other_speech"
    TRANSCRIPT_UNREADABLE = "transcript_unreadable"
    NO_LONG_CLIP = "no_long_clip"
    UNSAFE_URI = "unsafe_uri"
    MISSING = "missing"
    UNREACHABLE = "unreachable"
    NO_SPACE = "no_space"
    EMPTY_FILE = "empty_file"
    UNREADABLE = "unreadable"
    NO_VIDEO_STREAM = "no_video_stream"
    NO_FRAMES = "no_frames"
    HDR = "hdr"
    LIMIT_EXCEEDED = "limit_exceeded"
    TIMEOUT = "timeout"
    DECODER_CRASHED = "decoder_crashed"
    OUT_OF_MEMORY = "out_of_memory"
    SOURCE_CHANGED = "source_changed"
    ALL_CLIPS_DROPPED = "all_clips_dropped"
    ALL_CLIPS_FILTERED = "all_clips_filtered"
    TAKEN_DOWN = "taken_down"
    # videos: not fetched
    RATE_LIMITED = "rate_limited"
    SERVER_ERROR = "server_error"
    NETWORK = "network"
    TRUNCATED = "truncated"
    PRIVATE = "private"
    REMOVED = "removed"
    GEO_BLOCKED = "geo_blocked"
    AGE_GATED = "age_gated"
    MEMBERS_ONLY = "members_only"
    LIVE = "live"
    DRM = "drm"
    FORBIDDEN = "forbidden"
    NO_MEDIA = "no_media"
    SEVERAL_VIDEOS = "several_videos"
    UNSAFE_URL = "unsafe_url"
    OTHER_LICENCE = "other_licence"
    WRONG_DURATION = "wrong_duration"
    # long clips and videos: a curator rejected them
    REJECTED = "rejected"
    # long clips: dropped by a threshold
    ASR_LOW_CONFIDENCE = "asr_low_confidence"
    FEW_WORDS = "few_words"
    FAST_SPEECH = "fast_speech"
    REPETITION = "repetition"
    LITTLE_SPEECH = "little_speech"
    OTHER_LANGUAGE = "other_language"
    STRANGE_CHARACTERS = "strange_characters"
    PROFANITY = "profanity"
    PERSONAL_DATA = "personal_data"
    OTHER_COLOR = "other_color"
    LOW_RESOLUTION = "low_resolution"
    ELONGATED = "elongated"
    SHORT_CLIP = "short_clip"
    NO_AUDIO = "no_audio"
    BLACK_FRAMES = "black_frames"
    FROZEN_FRAMES = "frozen_frames"
    SLIDES = "slides"
    IRRELEVANT = "irrelevant"
    # long clips: duplicates, or part of an evaluation set
    EXACT_DUPLICATE = "exact_duplicate"
    NEAR_DUPLICATE = "near_duplicate"
    DUPLICATE_VIDEO = "duplicate_video"
    EVALUATION_OVERLAP = "evaluation_overlap"
    # long clips: their frames cannot be decoded
    FRAMES_DAMAGED = "frames_damaged"
    FRAMES_PAST_END = "frames_past_end"
    SHAPE_CHANGED = "shape_changed"


#: Reasons that mean the source is broken or out of reach, not filtered out by choice.
#: Videos dropped for one of these count against `max_failed`.
FAILURES = frozenset(
    {
        Reason.TRANSCRIPT_UNREADABLE,
        Reason.ASR_FAILED,
        Reason.UNSAFE_URI,
        Reason.MISSING,
        Reason.UNREACHABLE,
        Reason.NO_SPACE,
        Reason.EMPTY_FILE,
        Reason.UNREADABLE,
        Reason.NO_VIDEO_STREAM,
        Reason.NO_FRAMES,
        Reason.LIMIT_EXCEEDED,
        Reason.TIMEOUT,
        Reason.DECODER_CRASHED,
        Reason.OUT_OF_MEMORY,
        Reason.SOURCE_CHANGED,
        Reason.ALL_CLIPS_DROPPED,
    }
)

#: Reasons that mean an input line is no record at all. If there are too many such lines, `max_failed` stops the job.
UNREADABLE = frozenset({Reason.MALFORMED, Reason.INVALID_UTF8})
