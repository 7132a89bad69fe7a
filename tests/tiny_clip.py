"""A CLIP model of a few thousand random weights, in the two forms in which sentence-transformers keeps one."""

import json
from pathlib import Path
from typing import Any


def tiny_clip(folder: Path, seed: int = 0, legacy: bool = False, **vision: Any) -> Path:
    """Save the model to `folder`. `legacy`: as clip-ViT-B-32 lies on the Hugging Face Hub, its files in a folder of their own."""
    import torch
    from tokenizers.pre_tokenizers import ByteLevel
    from transformers import CLIPConfig, CLIPModel, CLIPProcessor, CLIPTokenizer
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    letters = sorted(ByteLevel.alphabet())
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    end = len(tokens) - 1
    size = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    text = size | {"vocab_size": len(tokens), "max_position_embeddings": 77}
    text |= {"bos_token_id": end - 1, "eos_token_id": end, "pad_token_id": end}
    config = CLIPConfig(
        text_config=text, vision_config=size | {"image_size": 32, "patch_size": 8} | vision, projection_dim=16
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = CLIPModel(config)
    tokenizer = CLIPTokenizer(vocab={token: i for i, token in enumerate(tokens)}, merges=[], model_max_length=77)
    pictures = CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    files = folder / "0_CLIPModel" if legacy else folder
    model.save_pretrained(files)
    CLIPProcessor(image_processor=pictures, tokenizer=tokenizer).save_pretrained(files)
    if legacy:
        module = {"idx": 0, "name": "0", "path": "0_CLIPModel", "type": "sentence_transformers.models.CLIPModel"}
        (folder / "modules.json").write_text(json.dumps([module]))
        return folder
    from sentence_transformers import SentenceTransformer

    SentenceTransformer(str(files), device="cpu", local_files_only=True).save(str(files))
    return folder
