"""A finished corpus for torch: `ClipDataset` and what it yields."""

try:
    from longtake.library.clips import Clip, collate_clips
    from longtake.library.dataset import ClipDataset, ClipLoader
    from longtake.library.shards import LoaderError
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f"longtake.torch needs {error.name}. Install it with: pip install 'longtake[train]'", name=error.name
    ) from None

__all__ = ["Clip", "ClipDataset", "ClipLoader", "LoaderError", "collate_clips"]
