"""All models of a configuration, by the name under which a plan keeps the digest of their files."""

from typing import Any

from longtake.pipeline.embeddings.clip_model import CLIP_MODEL
from longtake.pipeline.embeddings.sentence_model import SENTENCE_MODEL
from longtake.pipeline.plan.captions.model import CAPTION_MODEL
from longtake.pipeline.run.optional_models import OptionalModel
from longtake.pipeline.speech.model import SPEECH_MODEL
from longtake.pipeline.text.sentences.punctuation_model import PUNCTUATION_MODEL

MODELS: dict[str, OptionalModel[Any]] = {
    "model": SENTENCE_MODEL,
    "clip_model": CLIP_MODEL,
    "captions_model": CAPTION_MODEL,
    "sentences_model": PUNCTUATION_MODEL,
    "speech_model": SPEECH_MODEL,
}
