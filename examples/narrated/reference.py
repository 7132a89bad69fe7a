"""What a model could reach on the test set that knew only some of what the scenes show.

    python examples/narrated/reference.py            # a row for each; compare with results/ablation.md

An ideal observer compares what it knows of a video with what it knows of a paragraph; where that is equal, scores are tied, and
ties count as in longtake evaluate. As a bag, it does not know the order of the scenes.
"""

from itertools import permutations

import torch
from generate import story

from longtake.model.retrieval.metrics import rank

KNOWN = {"colour": (0,), "shape": (1,), "motion": (2,), "colour and shape": (0, 1), "all three": (0, 1, 2)}


def observer(known: tuple[int, ...], ordered: bool, videos: int = 400, seed: int = 0) -> dict[str, float]:
    """R@1, order R@1 and alignment of the observer that knows these parts of the triples, from 0 to 1."""
    seen = [
        [tuple(scene.triple[part] for part in known) for scene in story(number, "test", seed, 1)]
        for number in range(videos)
    ]
    shown = [scenes if ordered else sorted(scenes) for scenes in seen]
    scores = torch.tensor([[float(a == b) for b in shown] for a in shown])
    r1 = float(rank(scores, torch.eye(videos, dtype=torch.bool)).recall(1).mean())
    orders = list(permutations(range(4)))
    told = torch.tensor([[float(not ordered or [s[i] for i in order] == s) for order in orders] for s in seen])
    right = torch.zeros_like(told, dtype=torch.bool)
    right[:, 0] = True
    aligned = [1 / scenes.count(scene) for scenes in seen for scene in scenes]
    return {
        "R@1": r1,
        "order R@1": float(rank(told, right).recall(1).mean()),
        "alignment": sum(aligned) / len(aligned),
    }


def main() -> None:
    """Print a Markdown table."""
    print("| knows | R@1 | order R@1 | alignment |\n|---|---|---|---|")
    for name, known in KNOWN.items():
        for ordered in (False, True):
            cells = [f"{100 * value:.1f}" for value in observer(known, ordered).values()]
            print(f"| {name}, {'in order' if ordered else 'as a bag'} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
