"""Contact sheets of kept samples: random ones, and the best and worst by each measure."""

import io
from collections.abc import Iterator, Mapping, Sequence

from PIL import Image

from longtake.pipeline.audit.database import Database
from longtake.pipeline.audit.frames import is_shard_name
from longtake.pipeline.audit.result import Picture, Sheet, SheetGroup, SheetSentence
from longtake.pipeline.corpus.find_sample import FoundSample, read_entry, read_files
from longtake.schemas.errors import CorpusError
from longtake.schemas.keys import is_sample_key
from longtake.schemas.layout import frame_member
from longtake.schemas.records import IndexEntry, LongClip

_HEIGHT, _WIDTH, _QUALITY = 96, 200, 62  # of the pictures on a sheet
_PER_SENTENCE = 2
_MAX_SENTENCES = 16
_RANDOM, _EXTREME = 6, 3
_INDEX = "'index/*.parquet'"
_SPOKEN = "list_sum(list_transform(sentences, lambda s: s.end_ms - s.start_ms)) / 1000.0"
#: name, title, expression, and whether it needs a measure from audit/frames.
_MEASURES = (
    ("coherence", "coherence", "coherence", False),
    ("relevance", "relevance of texts to frames", "score_relevance", False),
    ("words-per-second", "words per second of speech", f"n_words / ({_SPOKEN})", False),
    ("duration", "duration", "(end_ms - start_ms) / 1000.0", False),
    ("brightness", "brightness of frames", "brightness", True),
    ("motion", "motion in frames", "motion", True),
)


def kept(database: Database, seed: int, pixels: bool) -> Iterator[SheetGroup]:
    """Yield groups of contact sheets of kept samples. With `pixels`, audit/frames has brightness and motion of samples."""
    total = int(database.value("SELECT count(*) FROM 'index/*.parquet'"))
    sql = f"""SELECT key, shard FROM {_INDEX}
ORDER BY md5('{seed}:' || key), key LIMIT {_RANDOM}"""
    yield _group(
        database, "kept-random", "Drawn at random", f"{min(_RANDOM, total)} of {total:,} samples, seed {seed}.", sql
    )
    for name, title, value, measured in _MEASURES:
        if measured and not pixels:
            continue
        source = f"SELECT key, shard, {value} AS value FROM {_INDEX}"
        if measured:
            source = f"SELECT key, shard, {value} AS value FROM 'audit/frames/*.parquet'"
        for end, order in (("lowest", "ASC"), ("highest", "DESC")):
            sql = f"""SELECT key, shard, value FROM ({source})
WHERE value IS NOT NULL ORDER BY value {order}, key LIMIT {min(_EXTREME, max(1, total // 2))}"""
            group = _group(
                database, f"kept-{name}-{end}", f"{end.capitalize()} {title}", f"The {end} {title}.", sql, title
            )
            if group.sheets:
                yield group


def _group(database: Database, name: str, title: str, why: str, sql: str, measure: str = "") -> SheetGroup:
    sheets = []
    for key, shard, *value in database.rows(sql):
        facts = ((measure, f"{value[0]:.4g}"),) if value else ()
        sheets.append(sheet_of(database, str(key), str(shard), facts))
    return SheetGroup(name, title, why, tuple(sheets), database.printed(sql))


def sheet_of(database: Database, key: str, shard: str, facts: Sequence[tuple[str, str]] = ()) -> Sheet:
    """The contact sheet of a sample. If its frames cannot be read, the note says why."""
    layout = database.layout
    if not is_sample_key(key) or not is_shard_name(shard):
        raise CorpusError(
            f"{layout.index}: {key!r} in {shard!r} is not a sample. Check the corpus with: longtake verify"
        )
    entry = read_entry(layout, FoundSample(shard, key, 0))
    try:
        files, sound = read_files(layout, entry)
        note = "" if sound else "Its data in the shard is not what the index says."
    except OSError as error:
        files, note = {}, f"Its frames cannot be read: {error}"
    return draw(entry.clip, _jpegs(entry, files), entry.frame_pts_ms, (*facts, *facts_of(entry)), note)


def _jpegs(entry: IndexEntry, files: Mapping[str, bytes]) -> dict[int, bytes]:
    total = len(entry.clip.frame_times_ms)
    named = {n: f"{entry.clip.key}.{frame_member(n, total)}" for n in range(total)}
    return {n: files[name] for n, name in named.items() if name in files}


def facts_of(entry: IndexEntry) -> tuple[tuple[str, str], ...]:
    """The facts in the head of a kept sample's sheet."""
    clip, source = entry.clip, entry.source
    found = [
        ("split", clip.split),
        *clip_facts(clip),
        ("source", f"{source.width} x {source.height}, {source.fps:.4g} fps"),
    ]
    return (*found, *((name.replace("_", " "), f"{value:.4g}") for name, value in entry.frame_scores))


def clip_facts(clip: LongClip) -> list[tuple[str, str]]:
    """The facts of a long clip that are known before its frames are decoded."""
    found = [("duration", f"{(clip.end_ms - clip.start_ms) / 1000:.1f} s"), ("words", f"{clip.n_words:,}")]
    if clip.coherence is not None:
        found.append(("coherence", f"{clip.coherence:.3f}"))
    if clip.language:
        found.append(("language", clip.language))
    return [*found, ("licence", clip.video.license or "none")]


def draw(
    clip: LongClip,
    jpegs: Mapping[int, bytes],
    taken_ms: Sequence[int],
    facts: Sequence[tuple[str, str]],
    note: str = "",
) -> Sheet:
    """The sheet of a long clip: some frames of each sentence, made small. `jpegs` has frames by number."""
    per = max(len(clip.frame_times_ms) // max(len(clip.sentences), 1), 1)
    chosen = sorted({per * n // _PER_SENTENCE for n in range(_PER_SENTENCE)})
    sentences = []
    for number, sentence in enumerate(clip.sentences[:_MAX_SENTENCES]):
        pictures = []
        for n in [number * per + offset for offset in chosen] if jpegs or not note else ():
            if n < len(clip.frame_times_ms):
                taken = taken_ms[n] if n < len(taken_ms) else None
                pictures.append(Picture(small(jpegs.get(n, b"")), clip.frame_times_ms[n], taken))
        sentences.append(SheetSentence(sentence.start_ms, sentence.end_ms, sentence.text, tuple(pictures)))
    if len(clip.sentences) > _MAX_SENTENCES:
        note = f"{note} {len(clip.sentences) - _MAX_SENTENCES} more sentences are not shown.".strip()
    return Sheet(
        clip.key, clip.video.video_id, clip.video.url, clip.start_ms, clip.end_ms, tuple(sentences), tuple(facts), note
    )


def small(jpeg: bytes) -> bytes | None:
    """A small JPEG of a frame; None if it is damaged."""
    try:
        with Image.open(io.BytesIO(jpeg), formats=["JPEG"]) as picture:
            picture.draft("RGB", (_WIDTH, _HEIGHT))
            image = picture.convert("RGB")
            image.thumbnail((_WIDTH, _HEIGHT), Image.Resampling.LANCZOS)
            out = io.BytesIO()
            image.save(out, "JPEG", quality=_QUALITY, optimize=True)
            return out.getvalue()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
