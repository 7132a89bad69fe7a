"""Search by meaning: a text becomes a vector by the model that made the vectors of the corpus' sentences."""

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from longtake.pipeline.browse.combine import SelectionError
from longtake.pipeline.embeddings.sentence_model import SENTENCE_MODEL
from longtake.schemas import storage
from longtake.schemas.config import CorpusConfig
from longtake.schemas.errors import ConfigError, MissingExtraError
from longtake.schemas.layout import Layout


class MeaningSearch:
    """Makes vectors of texts with the sentence model of `config`, which is loaded for the first text. The model comes from the
    configuration of this machine, never from the corpus. Safe for many threads."""

    def __init__(self, layout: Layout, config: CorpusConfig) -> None:
        self._layout, self._config = layout, config

    def vector(self, text: str) -> npt.NDArray[np.float32]:
        """The vector of a text, of unit length. Raises SelectionError if the model is not that of the corpus' vectors, or cannot
        be had."""
        try:
            own = SENTENCE_MODEL.digest(self._config).encode()
            for path in storage.list_files(self._layout.embeddings, ".parquet")[:1]:
                with storage.open_table(path) as stream:
                    made = (pq.read_schema(stream).metadata or {}).get(b"model")
                if made != own:
                    raise SelectionError(
                        "the sentences were embedded by another model than coherence.model of --config; plan again with "
                        "--save-embeddings"
                    )
            found = SENTENCE_MODEL.get(self._config).encode([text], 1)[0].astype(np.float32)
        except (ConfigError, MissingExtraError) as error:
            raise SelectionError(f"no search by meaning: {error}") from None
        length = float(np.linalg.norm(found))
        if not np.isfinite(length) or not length:
            raise SelectionError("the model finds no meaning in that text")
        return np.asarray(found / length, np.float32)

    @property
    def is_there(self) -> bool:
        """Whether the configuration names a model."""
        return SENTENCE_MODEL.asked(self._config)
