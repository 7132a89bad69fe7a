"""The meaning of each reason code, in the words of docs/ledger.md; a test compares the two."""

MEANINGS = {
    "age_gated": "The site asks for the age of the viewer.",
    "all_clips_dropped": "Every one of its long clips was dropped in decoding; each has a row of its own.",
    "all_clips_filtered": (
        "Every one of its long clips was left out by a filter, as a duplicate or by a curator; each has a row"
        " of its own."
    ),
    "asr_failed": "The speech recognition failed on its sound; the detail has the model's error.",
    "asr_low_confidence": (
        "The recognition of its speech was less sure than one of `source.text.min_logprob`, `max_no_speech`, "
        "`max_compression` and `min_language` allows; the detail has the score."
    ),
    "black_frames": "More of its frames are black than `filters.max_black` (stage decode, as the next two).",
    "boilerplate": "Credits of a subtitler, or a courtesy that recognition made up; the detail says which.",
    "chapters_unreadable": "The chapters of a video cannot be read; it is merged as if it had none.",
    "clipped": "A cue starts before the video does; the detail says when. It was clipped to 0.",
    "clip_without_text": "A clip of a video record has no line in the text file, or no text of its own.",
    "clock_restarted": (
        "The clock of the file restarts or jumps, as where segments of a stream were joined: its parts follow one "
        "another, as players show them."
    ),
    "cut_remainder": "Its run is too long for one long clip, and this sentence fits into none of its pieces.",
    "decoder_crashed": "The decoder's process died on it, twice; the detail names the signal.",
    "drm": "The streams are encrypted for licensed players.",
    "duplicate_id": (
        "The video id or clip id occurs again. Of several, the one whose content sorts first is used, so the "
        "order of the lines does not matter."
    ),
    "duplicate_video": (
        "Another video shows the same pictures; the detail says in which share of the frames compared and "
        "names the one that stays."
    ),
    "edited_out": "A person removed it from the plan.",
    "elongated": "The picture of the source is longer than `filters.max_aspect` times its height.",
    "empty_file": "The file has 0 bytes.",
    "empty_text": "No text is left after tags and white space are removed.",
    "evaluation_overlap": (
        "It is from a video, or holds a text, of one of the evaluation sets in `duplicates.evaluation`."
    ),
    "exact_duplicate": "Another long clip has the same words; the detail names the one that stays.",
    "fast_speech": "More words per second of speech than `filters.max_words_per_second`.",
    "few_words": (
        "Fewer words per sentence than `filters.min_words_per_sentence`. Here and below, the detail has the "
        "score and the threshold; a threshold itself passes."
    ),
    "forbidden": "The server or site refuses it (HTTP 401, 403), or asks for an account.",
    "frames_damaged": "A frame it needs is in a damaged stretch of the video. Sound stretches are used.",
    "frames_past_end": "It needs a frame more than 250 ms after the last one there is (a truncated file).",
    "frozen_frames": "A larger share of its frames stands still in one stretch than `filters.max_frozen`.",
    "geo_blocked": "The site does not show the video in this country (or HTTP 451).",
    "group_conflict": "The group shares a clip, or its whole span, with a group that was used.",
    "group_incomplete": (
        "The group names clips that are missing, or of several videos, or two that start at the same time."
    ),
    "group_unknown_clip": "A line of the groups file names a clip that no usable sentence has.",
    "hdr": "The source is HDR (PQ or HLG), and `frames.hdr` is `drop`.",
    "invalid_utf8": "The bytes are not UTF-8, or not of `source.text.encoding`.",
    "irrelevant": "Its sentences fit their frames less than `filters.min_relevance` (stage decode).",
    "limit_exceeded": (
        "Beyond one of the `limits` of the configuration, or narrower than 16:1; a remote source also where "
        "it is larger than `limits.scratch_bytes`."
    ),
    "little_speech": "Nobody speaks for a larger share of it than `filters.max_non_speech`.",
    "live": "A live stream, or a video that has not begun or is still being processed.",
    "loop": "A cue that only repeats a phrase that was said just before, `clean.loops` times or more.",
    "low_resolution": "The source is smaller than `filters.min_short_side`.",
    "malformed": (
        "The line is not JSON, a field is missing or of the wrong type, or a time cannot be read. The detail "
        "names file, line and fault."
    ),
    "members_only": "The site shows the video to members or subscribers only.",
    "missing": (
        "There is no such file, or no such bucket; in a folder of videos, there is only an unfinished download."
    ),
    "near_duplicate": (
        "Another long clip has nearly the same words; the detail has the similarity and names the one that stays."
    ),
    "network": "No connection, or one that broke or hardly moved, up to the last attempt.",
    "no_audio": (
        "The source has no sound in which speech could be recognised. Of a long clip: less of its speech than "
        "`filters.min_audio` lies where the source has an audio stream."
    ),
    "no_captions": "No captions in `fetch.languages` and in a format of `source.text`; the video was fetched.",
    "no_frames": "There is a video stream and not one frame can be decoded (header only, encrypted).",
    "no_long_clip": "None of its sentences is part of a long clip.",
    "no_media": "Nothing that can be fetched was found at the URL; the detail has the words of the site.",
    "no_space": "The disk was full while the remote source was copied to scratch space below `TMPDIR`.",
    "no_speech": ("Nothing that was said was recognised: in the whole source, or in the span of a clip without text."),
    "no_text": "No usable sentence.",
    "no_video_stream": "Only sound, or only a cover picture.",
    "not_compared": (
        "The frames of the video cannot be hashed, or show fewer than 4 different pictures: "
        "`duplicates.videos` does not look for it."
    ),
    "not_embedded": "The embedding model failed on a text of the video; it is merged without coherence.",
    "not_heard": (
        "A transcript was to be compared with the sound, and the speech could not be recognised; it is used as it is."
    ),
    "not_in_group": "Groups are used, and none names it.",
    "not_rewritten": (
        "A long clip has no captions and keeps what was said; the detail has what was wrong with the model's "
        "answer, and its start."
    ),
    "not_scored": (
        "The CLIP model failed on a long clip (`subject_id` is its key); it has no `score_relevance`, and stays."
    ),
    "odd_rotation": "The file asks for a rotation that is no quarter turn; the nearest quarter turn was taken.",
    "other_color": "The colour signalling of its source is none of `filters.color`.",
    "other_language": "Its language is none of `filters.languages`, or not sure enough (`min_language`).",
    "other_licence": "Its licence is none of `fetch.licences`, or none is stated. It was not fetched.",
    "other_speech": (
        "Its transcript agrees with its sound less than `source.text.min_agreement`: it may belong to another"
        " video. As a `note`: the speech was recognised instead."
    ),
    "out_of_memory": (
        "Decoding took more than `limits.memory_bytes`, or the system, being out of memory, killed the "
        "decoder's process on it twice."
    ),
    "other_encoding": "The transcript is not UTF-8; the detail says how it was read.",
    "overlap": ('Another sentence starts at the same time and lasts longer; see "Overlapping sentences" in format.md.'),
    "personal_data": "It holds an e-mail address, a phone or card number, and `filters.pii` is `drop`.",
    "private": "The site says that the video is private.",
    "profanity": "More of its words are in the list than `filters.max_profanity`.",
    "rate_limited": (
        "The server or site said that it is asked too often (HTTP 429, or a page that wants to see "
        "a person), up to the last attempt."
    ),
    "rejected": (
        "A curator rejected it (`--decisions`); the detail says who, when and why. As a `note`: rejected in "
        "another corpus that was merged, and not to come back from a third."
    ),
    "removed": "The site says that the video is gone, or the server that there is no such page (HTTP 404, 410).",
    "repetition": "More of its text is said twice than `filters.max_repetition`.",
    "rolling_caption": "A cue that shows again what the one before it shows, and nothing new.",
    "run_too_short": "It is part of a run of fewer than `merge.min_sentences` sentences.",
    "server_error": "The server failed (HTTP 5xx, 408), up to the last attempt.",
    "several_files": (
        "Several files fit a video, and no setting says which to use; or one before it could not be read. The detail names "
        "the one that is used."
    ),
    "several_videos": "The URL is a playlist, a channel or a page with several videos.",
    "shape_changed": (
        "The shape of the picture changes in the video, and a frame it needs has another shape than the first one."
        " Nothing is squeezed."
    ),
    "short_clip": "It is shorter than `filters.min_seconds`.",
    "said_at_once": (
        "Another cue at the same time says the same, or says it in another language; the detail names the cue"
        " that stays."
    ),
    "slides": "More of its frames are still pictures that follow each other than `filters.max_slides`.",
    "sound_tag": "A cue that holds nothing but sound tags, as [Music].",
    "source_changed": (
        "As a note: the file is not the one that the plan looked at; the one that is there now was decoded. "
        "As a video or long clip: the file changed while it was decoded."
    ),
    "span_past_end": "The span ends more than 250 ms after the video.",
    "span_reversed": "The span ends before or when it starts, or starts before 0.",
    "speaker_label": "A cue that holds nothing but a speaker label, as `>>`.",
    "strange_characters": "Fewer of its characters are allowed than `filters.min_characters`.",
    "stream_chosen": (
        "The file has several video streams; the detail says which was taken: the default one, of several the "
        "largest, never a single picture."
    ),
    "taken_down": (
        "A person took the video out of the finished corpus (`longtake takedown`); the detail of the video's "
        "row is the note."
    ),
    "text_without_clip": "The text file names a clip that no video record has.",
    "timeout": (
        "Decoding took longer than `limits.decode_seconds`, or the recognition of its speech longer than "
        "`limits.speech_seconds` for ten minutes of sound, and was killed."
    ),
    "times_repaired": (
        "The file's own times run backwards, or it has none of showing: frames have the times at which ffmpeg "
        "shows them, in the order in which they are put out."
    ),
    "transcript_unreadable": (
        "Its transcript file exists and cannot be read. As a `note`: the speech was recognised instead."
    ),
    "transcript_without_video": (
        "An entry of a file with the captions of all videos, for a video that no record names; or a transcript in a folder "
        "of videos, beside none with its name."
    ),
    "truncated": "Fewer bytes, or fewer seconds, came than were promised, up to the last attempt.",
    "unreachable": (
        "Its storage still did not answer after several attempts (timeouts, broken connections, 429, 5xx)."
    ),
    "unreadable": "No container that is known, or it cannot be demuxed, also not after one attempt to remux it.",
    "unsafe_uri": "Its id cannot be part of a file name, or its uri has a scheme that is not used (file, gs, s3).",
    "unsafe_url": (
        "Not http or https, or an address that is not public, at first, after a redirect, or inside a page or playlist."
    ),
    "wrong_duration": "The file lasts longer than the site says.",
}
