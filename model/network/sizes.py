"""Sizes of a model: `TINY` trains on a laptop, `COMPACT` fits Swin-T and BERT-base, `BASE` is the paper's model."""

from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal


class Bounds:
    """Limits of a number or of the length of a tuple. They hold for sizes from a configuration or the header of a weights file.

    pydantic reads such sizes, and gets its schema from the method below. A model made in code needs only torch.
    """

    def __init__(self, **limits: Any) -> None:
        self.limits = limits

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> dict[str, Any]:
        """Return the schema of the annotated type with these limits: ge, le, gt, lt, max_length, allow_inf_nan."""
        return {**handler(source), **self.limits}


# The upper limits are for forged headers: without them a header could name a model that takes forever to make.
Count = Annotated[int, Bounds(ge=1, le=1 << 20)]
Layers = Annotated[int, Bounds(ge=1, le=128)]
Rate = Annotated[float, Bounds(ge=0, le=1)]
Weight = Annotated[float, Bounds(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Bounds(gt=0, allow_inf_nan=False)]
Window = tuple[Count, Count, Count]  # frames, rows, columns

# Rows and columns of the max-pooling window. The final map of a 192 x 320 video has 3 x 5 tokens; pooling makes 2 x 3.
POOL = (2, 3)
HTWA_WINDOWS: tuple[Window, ...] = ((2, 3, 5), (4, 3, 5), (8, 3, 5), (16, 3, 5), (16, 3, 5), (32, 3, 5))


@dataclass(frozen=True)
class VideoSize:
    """The video encoder. depths, heads, windows, stages: one entry per layer. Layer i is `embed_dim * 2 ** stages[i]` wide."""

    embed_dim: Count
    depths: Annotated[tuple[Layers, ...], Bounds(max_length=16)]
    heads: tuple[Count, ...]
    windows: tuple[Window, ...] = HTWA_WINDOWS
    stages: tuple[Annotated[int, Bounds(ge=0, le=16)], ...] = (0, 1, 2, 2, 2, 3)
    merges: tuple[int, ...] = (0, 1, 4)  # layers that end with a 2x2 patch merge
    patch: Window = (1, 8, 8)
    channels: Count = 3
    mlp_ratio: Positive = 4.0
    qkv_bias: bool = True
    patch_norm: bool = True
    local_window: Count = 8  # the local tap lies before the first layer whose temporal window is longer
    temporal_shift: bool = False
    drop_path: Rate = 0.2
    bias_std: Positive = 0.02  # relative position biases, as in Swin

    def __post_init__(self) -> None:
        lengths = {len(self.depths), len(self.heads), len(self.windows), len(self.stages)}
        if len(lengths) != 1:
            raise ValueError("depths, heads, windows and stages need one entry per layer each")
        for layer, heads in enumerate(self.heads):
            if self.width(layer) % heads:
                raise ValueError(
                    f"the width of layer {layer}, {self.width(layer)}, is not a multiple of its {heads} heads"
                )

    def width(self, layer: int) -> int:
        """Channels inside a layer."""
        return self.embed_dim << self.stages[layer]

    @property
    def out_width(self) -> int:
        """Channels of the final map."""
        return self.width(-1)

    @property
    def tap(self) -> int | None:
        """The local map is taken before this layer; None if no window is longer than `local_window`."""
        return next((i for i, window in enumerate(self.windows) if window[0] > self.local_window), None)


@dataclass(frozen=True)
class TextSize:
    """One BERT stack: layers 0..sentence_layers-1 read one sentence, ..paragraph_layers-1 the paragraph, the rest fuse."""

    hidden: Count
    layers: Layers
    heads: Count
    intermediate: Count
    sentence_layers: Count
    paragraph_layers: Count  # where the paragraph layers end, counted from the first layer
    vocabulary: Count = 30522
    positions: Count = 512
    token_types: Count = 2
    segments: Count = 8  # most sentences of a paragraph
    norm_eps: Positive = 1e-12
    padding_id: Annotated[int, Bounds(ge=0)] = 0
    dropout: Rate = 0.1
    init_std: Positive = 0.02  # linear layers, as in BERT: made for widths near 1024
    table_std: Positive = 0.2  # tables of sentences and positions: with 0.02 the order of sentences hardly shows

    def __post_init__(self) -> None:
        if self.hidden % self.heads:
            raise ValueError(f"hidden size {self.hidden} is not a multiple of {self.heads} heads")
        if self.padding_id >= self.vocabulary:
            raise ValueError(f"padding_id {self.padding_id} is not in a vocabulary of {self.vocabulary}")
        if not 0 < self.sentence_layers <= self.paragraph_layers <= self.layers:
            raise ValueError("0 < sentence_layers <= paragraph_layers <= layers does not hold")


@dataclass(frozen=True)
class LossSettings:
    """Weights and temperatures of the losses (of the first four: values of the released configuration, facts 4)."""

    contrast: Literal["info_nce", "sigmoid"] = "info_nce"
    temperature: Positive = 0.05
    learn_temperature: bool = False  # info_nce: start at `temperature`, and learn it; sigmoid always does
    contrast_weight: Weight = 1.0
    mtc_temperature: Positive = 0.05
    mtc_weight: Weight = 0.25  # 0 switches MTC off
    mtc_keys: Count = 2
    mtc_values: Count = 2
    mtc_others: Annotated[int, Bounds(ge=0)] = 3
    mlm_weight: Weight = 1.0
    matching_weight: Weight = 10.0
    matching_negatives: Literal["next", "hard"] = "next"  # hard: videos that the contrast takes for similar

    pixels_weight: Weight = 0.0  # stage 1; 0: nothing is hidden
    pixels_share: Annotated[float, Bounds(gt=0, lt=1)] = 0.3  # of the squares of a picture that are hidden
    pixels_block: Count = 32  # pixels along a side of a square

    def __post_init__(self) -> None:
        if self.learn_temperature and self.temperature < 0.01:
            raise ValueError(
                f"temperature {self.temperature:g}: learn_temperature learns none below 0.01; start from there"
            )


@dataclass(frozen=True)
class ModelSize:
    """A whole model and the clips it is made for. Other frame counts, clip counts and picture sizes work too."""

    video: VideoSize
    text: TextSize
    losses: LossSettings = field(default_factory=LossSettings)
    clips: Count = 4
    frames_per_clip: Count = 8
    height: Count = 192
    width: Count = 320

    def __post_init__(self) -> None:
        if self.video.out_width != self.text.hidden:
            raise ValueError(f"video width {self.video.out_width} and text width {self.text.hidden} must be equal")

    def pooled_grid(self, whole_patches_only: bool = False) -> tuple[int, int]:
        """Return the rows and columns of tokens per frame that the fusion layers see (clip_pooling.frame_tokens).

        `whole_patches_only`: pixels that do not fill a patch are cut off, as in the released code.
        """
        missing = 0 if whole_patches_only else 1
        rows, columns = (
            (pixels + missing * (patch - 1)) // patch
            for pixels, patch in zip((self.height, self.width), self.video.patch[1:], strict=True)
        )
        for _ in self.video.merges:
            rows, columns = -(-rows // 2), -(-columns // 2)
        return rows - min(rows, POOL[0]) + 1, columns - min(columns, POOL[1]) + 1

    def with_losses(self, losses: LossSettings) -> "ModelSize":
        """Return the same model with other losses."""
        return replace(self, losses=losses)


BASE = ModelSize(
    video=VideoSize(embed_dim=128, depths=(2, 2, 14, 2, 2, 2), heads=(4, 8, 16, 16, 16, 32)),
    text=TextSize(hidden=1024, layers=24, heads=16, intermediate=4096, sentence_layers=8, paragraph_layers=12),
)
COMPACT = ModelSize(
    video=VideoSize(embed_dim=96, depths=(2, 2, 2, 2, 2, 2), heads=(3, 6, 12, 12, 12, 24), drop_path=0.1),
    text=TextSize(hidden=768, layers=12, heads=12, intermediate=3072, sentence_layers=4, paragraph_layers=6),
)
# TINY has no pretrained weights, so fresh ones must tell inputs apart. At width 128 and with BERT's 0.02, first tokens hardly
# depend on their words; with Swin's biases, frames hardly depend on their order (figures: examples/narrated).
TINY = ModelSize(
    video=VideoSize(embed_dim=16, depths=(1, 1, 2, 2, 2, 2), heads=(1, 2, 4, 4, 4, 8), drop_path=0.0, bias_std=1.0),
    text=TextSize(
        hidden=128, layers=4, heads=2, intermediate=512, sentence_layers=1, paragraph_layers=2, init_std=0.09
    ),
    height=96,
    width=160,
)
SIZES = {"tiny": TINY, "compact": COMPACT, "base": BASE}
