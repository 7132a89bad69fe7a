"""The temporal-order test: does a video lie nearer to its paragraph than to the same sentences in another order?

    python examples/narrated/order.py RUN CORPUS [SPLIT]

For each sample of four sentences, all 24 orders of its sentences are encoded as paragraphs, and ranked by their similarity to the
vector of the whole video. What cannot see order gets what chance gets, since ties count as they do in longtake evaluate.
"""

import sys
from itertools import permutations

import torch

from longtake.model.data.loader import LoaderSettings, ShardLoader
from longtake.model.network.lfvila import LFVila
from longtake.model.retrieval.evaluation import evaluating
from longtake.model.retrieval.metrics import rank
from longtake.model.weights.checkpoint import load_model


def order_test(model: LFVila, loader: ShardLoader) -> dict[str, float]:
    """`order/r1`: how often the right order comes first of all (chance 1/24 for four sentences). `order/pairwise`: how often it
    beats one of the others, over all others (chance 1/2; ties count half). The loader must be one for evaluation."""
    orders = list(permutations(range(loader.settings.sentences)))
    scores = []
    with evaluating(model), torch.inference_mode():
        for batch in loader:
            video = model.encode_video(batch.video(), batch.ids.shape[1]).video
            texts = [
                model.encode_text(batch.ids[:, order], batch.mask[:, order]).paragraph for order in map(list, orders)
            ]
            scores.append(torch.einsum("bc,pbc->bp", video.double(), torch.stack(texts).double()).float())
    found = torch.cat(scores)
    right = torch.zeros_like(found, dtype=torch.bool)
    right[:, 0] = True  # permutations start with the order itself
    ranks = rank(found, right)
    beaten = 1 - (ranks.above + ranks.ties / 2) / (len(orders) - 1)
    return {
        "order/r1": float(ranks.recall(1).mean()),
        "order/chance_r1": 1 / len(orders),
        "order/pairwise": float(beaten.double().mean()),
        "order/samples": float(len(found)),
    }


def main() -> None:
    """Command line."""
    run, corpus, *split = sys.argv[1:]
    model, card = load_model(run)
    size = card.size
    settings = LoaderSettings(
        corpus, card.tokenizer, *split, training=False, sentences=size.clips, frames_per_sentence=size.frames_per_clip,
        height=size.height, width=size.width, tokens=card.tokens,
    )  # fmt: skip
    for name, value in order_test(model, ShardLoader(settings)).items():
        print(f"{name:18} {value:.4f}")


if __name__ == "__main__":
    main()
