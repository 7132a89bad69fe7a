"""Named switches for the differences between Longtake and the released LF-VILA code.

A switch that is on reproduces the released code (microsoft/XPretrain, commit c37c904). `CORRECTED`, the default, has all off;
`OFFICIAL` (`compat="official"`) has all on. docs/lfvila.md says why each is off by default.
"""

from dataclasses import dataclass, fields
from typing import Literal

Preset = Literal["corrected", "official"]


@dataclass(frozen=True)
class Compat:
    """A set of switches. Each field is one behaviour of the released code; True reproduces it."""

    # Video encoder
    global_map_as_local: bool = False  # clip features come from the final map, which has seen every clip
    windows_cross_clips: bool = False  # temporal windows below the tap may join frames of two clips
    attend_to_padding: bool = False  # zeros appended to fill a window are keys and values
    soft_shift_mask: bool = False  # -100 between the regions of a shifted window, not a true exclusion
    unclipped_bias_index: bool = False  # bias index of a clipped window: the first rows of the full window's index
    misplaced_patch_padding: bool = False  # sizes that patches do not divide: wrong axes tested, time padded for width
    reshaped_clips: bool = False  # frames fall into clips by reshape; the pooling window never shrinks

    # Text encoder
    padding_in_start_token: bool = False  # sentences that are all padding count in the start token's mean
    padding_in_positions: bool = False  # paragraph positions count padding: 0 .. M*L-1
    padded_sentence_features: bool = False  # sentences that are all padding have features and take part in MTC
    frozen_parts_drop_out: bool = False  # stage 2: dropout stays active in the frozen text layers
    unit_normal_sentence_tables: bool = False  # sentence segment and position tables start as N(0, 1), not N(0, 0.2)

    # Losses
    own_clip_negatives: bool = False  # MTC: the first "other" negative is a clip of the sample itself
    ties_by_first_and_last: bool = False  # MTC: only the first and the last value are checked for a tie
    nan_without_labels: bool = False  # a mean over no label is NaN, not 0
    mismatch_within_half: bool = False  # video-text matching: mismatches roll within the first half of the batch
    mlm_accuracy_of_all_rows: bool = False  # MLM accuracy counts the mismatched rows that the loss ignores
    mlm_mean_per_rank: bool = False  # MLM: mean over the labels of each rank alone

    # Training data
    last_window_never_drawn: bool = False  # the window of a sample's last sentences is never trained on
    one_crop_for_all: bool = False  # crops of ratio 3/4 to 4/3, which fit no 16:9 picture: the middle 4:3 every time


CORRECTED = Compat()
OFFICIAL = Compat(**{field.name: True for field in fields(Compat)})


def compat_of(name: Preset | Compat) -> Compat:
    """Return the set of switches with this name; a set of switches is returned unchanged."""
    if isinstance(name, Compat):
        return name
    presets = {"corrected": CORRECTED, "official": OFFICIAL}
    if name not in presets:
        raise ValueError(f"compat is {name!r}; it must be one of {sorted(presets)}")
    return presets[name]
