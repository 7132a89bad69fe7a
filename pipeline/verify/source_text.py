"""Check that the sentences of samples match their transcripts, which are read again as a plan reads them."""

from collections.abc import Iterator, Sequence

from longtake.pipeline.corpus.faults import short
from longtake.pipeline.explain.read import read_video
from longtake.pipeline.merge.whole_video import as_one_sentence
from longtake.schemas.config import CorpusConfig
from longtake.schemas.errors import CorpusError
from longtake.schemas.records import IndexEntry, Sentence, SourceVideo


def text_faults(entries: Sequence[IndexEntry], config: CorpusConfig) -> Iterator[tuple[IndexEntry, str]]:
    """Yield each difference between a sample and the transcript of its video, with the sample.

    For a caption by a model, the speech beside it is compared. Raises CorpusError, ConfigError or OSError if the transcript
    cannot be read.
    """
    reading = read_video(entries[0].clip.video.video_id, config)
    text = reading.text
    if text is None and config.source.text.hears and reading.drops:  # the recognised speech may have been deleted since
        raise CorpusError(reading.drops[0].detail)
    said = {sentence.clip_id: sentence for sentence, _ in text.sentences} if text is not None else {}
    if config.frames.uniform is not None and text is not None and said:
        yield from _whole_video_faults(entries, *as_one_sentence(text.video, list(said.values())))
        return
    for entry in entries:
        for sentence in entry.clip.sentences:
            wanted = said.get(sentence.clip_id)
            about = f"sentence {short(sentence.clip_id)}"
            if wanted is None:
                yield entry, f"{about}: the transcript has no such sentence"
            elif (own := sentence.text if sentence.asr is None else sentence.asr) != wanted.text:
                yield entry, f"{about}: its text is {short(own)}; the transcript has {short(wanted.text)}"
            elif sentence.start_ms != wanted.start_ms or sentence.end_ms > wanted.end_ms:
                span = f"{sentence.start_ms} to {sentence.end_ms} ms"
                yield entry, f"{about}: it is from {span}; the transcript has {wanted.start_ms} to {wanted.end_ms} ms"


def _whole_video_faults(
    entries: Sequence[IndexEntry], video: SourceVideo, wanted: Sentence
) -> Iterator[tuple[IndexEntry, str]]:
    """Yield the differences of samples of a whole video: the end of its sentence is that of the video, not of a transcript."""
    for entry in entries:
        if entry.clip.paragraph != wanted.text:
            yield entry, f"its text is {short(entry.clip.paragraph)}; the annotations have {short(wanted.text)}"
        if entry.clip.video.meta != video.meta:
            yield entry, f"its task is {short(entry.clip.video.meta)}; the annotations make it {short(video.meta)}"
