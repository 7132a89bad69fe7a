"""A CLIP model through sentence-transformers: texts and pictures in one space, loaded once per process."""

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import simplejpeg

from longtake.pipeline.embeddings.sentence_model import LIBRARIES, load_model
from longtake.pipeline.run.model_files import first_line
from longtake.pipeline.run.optional_models import OptionalModel
from longtake.schemas.errors import ConfigError

_SETTING = "filters.clip_model"
_BATCH = 64  # of texts, or of pictures
_DECIMALS = 4

Rows = npt.NDArray[np.floating[Any]]


class ClipModel:
    """A loaded model. One thread at a time uses it, so that memory holds only one batch. Raises ConfigError if it cannot be
    loaded, or reads no pictures."""

    def __init__(self, folder: str, device: str | None = None) -> None:
        self._model = load_model(folder, device, _SETTING)
        self._lock = threading.Lock()
        try:
            self.relevance(["text"], [simplejpeg.encode_jpeg(np.full((32, 32, 3), 128, np.uint8))])
        except Exception as error:  # a model of texts only, or one whose parts do not fit
            problem = first_line(error)
            raise ConfigError(
                f"{_SETTING} {folder}: not a model that compares texts with pictures: {problem}"
            ) from None

    def relevance(self, texts: Sequence[str], jpegs: Sequence[bytes]) -> float:
        """The mean cosine similarity, -1 to 1, of texts with their pictures: equally many per text, in the order of the texts.

        It is the cosine of CLIPScore (Hessel et al. 2021, arXiv:2104.08718), without the factor of 2.5 and the cut at 0. A text
        is cut off at the limit of the model: 77 tokens. Batches hold only these texts and pictures, and the result is rounded to
        4 decimals, so that it does not depend on anything else. Raises ValueError if it is not finite.
        """
        different = list(dict.fromkeys(jpegs))
        with self._lock:
            of_texts = self._encode(list(texts))
            of_pictures = self._encode([_picture(jpeg) for jpeg in different])
        at = [different.index(jpeg) for jpeg in jpegs]
        frames = of_pictures[at].reshape(len(texts), -1, of_pictures.shape[1])
        found = float(np.einsum("sd,sfd->sf", of_texts, frames).mean())
        if not np.isfinite(found):
            raise ValueError("the model's embedding is not finite")
        return round(found, _DECIMALS)

    def _encode(self, values: list[Any]) -> Rows:
        rows = self._model.encode(
            values, batch_size=_BATCH, normalize_embeddings=True, show_progress_bar=False, convert_to_numpy=True
        )
        return np.asarray(rows)


def _picture(jpeg: bytes) -> Any:
    from PIL import Image

    return Image.fromarray(simplejpeg.decode_jpeg(jpeg))


CLIP_MODEL = OptionalModel(_SETTING, ClipModel, (*LIBRARIES, "pillow"), owner="sentence-transformers")
