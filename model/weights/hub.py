"""Models to and from the Hugging Face hub: one safetensors file with its card in the header, and a README.md for people.

The names are those of huggingface_hub's PyTorchModelHubMixin. Its files are others: ours hold all that `longtake evaluate` and
`embed` need, and nothing is ever unpickled.
"""

import os
import tempfile
from collections.abc import Mapping
from dataclasses import fields

from longtake.model.network.lfvila import LFVila
from longtake.model.weights.checkpoint import MODEL, CheckpointError, ModelCard, load_model, save_model
from longtake.schemas import storage

README = "README.md"


def from_pretrained(name: str, revision: str | None = None, token: str | None = None) -> LFVila:
    """Load a model; its card is `model.card`.

    Args:
        name: a run of `longtake train`, a folder or file of weights (a path or URI), or a repository on the hub.
        revision: branch, tag or commit of a repository.
        token: for private repositories; None: as huggingface_hub finds it.

    Returns:
        The model, on the CPU, in evaluation mode.

    Raises:
        CheckpointError: there is none, or it is damaged.
    """
    if storage.is_remote(name) or storage.exists(name):
        return load_model(name)[0]
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    try:
        return load_model(hf_hub_download(name, MODEL, revision=revision, token=token))[0]
    except CheckpointError:
        raise
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise CheckpointError(f"{name}: neither a local model nor one on the hub: {reason}") from None


def save_pretrained(
    model: LFVila, folder: str, metrics: Mapping[str, float] | None = None, licence: str | None = None
) -> None:
    """Write weights and README.md to a folder (a path or URI).

    Args:
        model: with its card, as loaded; one made in code gets the card of its size, with the uncased tokenizer.
        folder: where to; it is created.
        metrics: what it reaches, by name, for the README.
        licence: of the weights, as on the hub: apache-2.0. The data's licence may decide it.

    Returns:
        Nothing. Raises CheckpointError if writing fails.
    """
    card = card_of(model)
    save_model(storage.join(folder, MODEL), model, card)
    storage.write_bytes(storage.join(folder, README), model_page(card, metrics or {}, licence).encode())


def push_to_hub(
    model: LFVila,
    repository: str,
    metrics: Mapping[str, float] | None = None,
    licence: str | None = None,
    private: bool = True,
    token: str | None = None,
) -> str:
    """Write a model to a repository on the hub, in one commit.

    Args:
        model: see `save_pretrained`.
        repository: OWNER/NAME; it is created if it does not exist.
        metrics: see `save_pretrained`.
        licence: see `save_pretrained`.
        private: whether a new repository is private.
        token: one that may write; None: as huggingface_hub finds it.

    Returns:
        The address of the commit. Errors are those of huggingface_hub.
    """
    from huggingface_hub import HfApi

    api = HfApi(token=token)
    with tempfile.TemporaryDirectory() as folder:
        save_pretrained(model, folder, metrics, licence)
        name = api.create_repo(repository, private=private, exist_ok=True).repo_id
        files = os.path.join(folder, "")
        return str(api.upload_folder(repo_id=name, folder_path=files, commit_message="LF-VILA by Longtake").commit_url)


def card_of(model: LFVila) -> ModelCard:
    """Return the card of a model."""
    return model.card or ModelCard(model.size, model.stage, model.compat, task=model.head)


def model_page(card: ModelCard, metrics: Mapping[str, float], licence: str | None) -> str:
    """Return the README.md of a model: what it is, on which corpora it was trained, what it reaches, how to load it."""
    size, compat = card.size, card.compat
    switches = [field.name for field in fields(compat) if getattr(compat, field.name)]
    facts = {
        "trained for": card.task.kind if card.task else f"pre-training, stage {card.stage}",
        "corpora": "; ".join(card.corpora) or "not recorded",
        "frames": f"{size.clips} clips of {size.frames_per_clip} frames, {size.height} x {size.width} pixels",
        "video": f"widths from {size.video.embed_dim} to {size.video.out_width}, blocks {'-'.join(map(str, size.video.depths))}",
        "text": f"{size.text.layers} layers of {size.text.hidden}, {card.tokens} tokens a sentence, tokenizer {card.tokenizer}",
        "compat": ", ".join(switches) or "corrected",
    }
    head = ["---", "library_name: longtake", "tags: [video-text-retrieval, lf-vila]"]
    head += [f"license: {_plain(licence)}"] if licence else []
    lines = [*head, "---", "", "# LF-VILA, trained with Longtake", "", "| | |", "|---|---|"]
    lines += [f"| {name} | {_plain(text)} |" for name, text in facts.items()]
    if metrics:
        lines += ["", "| metric | value |", "|---|---|"]
        lines += [f"| {_plain(name)} | {value:.4g} |" for name, value in sorted(metrics.items())]
    code = ["```python", "from longtake.model import LFVila", "", 'model = LFVila.from_pretrained("OWNER/NAME")', "```"]
    return "\n".join([*lines, "", *code]) + "\n"


def _plain(text: str) -> str:
    """Return a text that can be nothing but text in a cell of Markdown: names of corpora come from strangers."""
    kept = "".join(c if c.isprintable() else " " for c in text)
    return "".join(f"\\{c}" if c in "\\`*_[]<>|#!" else c for c in kept)
