"""One process of `loader.py`: makes batches as one contender does, and times them."""

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import psutil
import torch
import torch.nn.functional as F
from torch import Tensor

from longtake.library.clips import sample_generator
from longtake.model.data.loader import LoaderSettings, ShardLoader
from longtake.model.data.text import SentenceTokenizer
from longtake.model.data.transforms import CropRange, draw_crop
from longtake.schemas.records import Sentence

CONTENDERS = {
    "ours": "ours",
    "webdataset": 'webdataset, `.decode("rgb")`',
    "webdataset-window": 'webdataset, frames outside the window dropped, `.decode("rgb8")`',
    "decord": "decord, source videos",
    "decord-clips": "decord, clips of 3 frames per second and 240 lines",
}
SENTENCES, FRAMES, HEIGHT, WIDTH, TOKENS, SEED = 4, 8, 192, 320, 50, 0
_KEPT = 4  # samples that are compared with ours


class Sample(NamedTuple):
    """What a contender makes of a sample: frames (N, H, W, 3) in 0..255, or (3, N, H, W) in 0..1."""

    key: str
    frames: Tensor
    texts: list[str]


def plan(key: str, sentences: int, height: int, width: int) -> tuple[int, Any]:
    """The window and the crop that our loader draws for this sample in epoch 0."""
    rng = sample_generator(SEED, 0, key)
    start = int(rng.integers(sentences - SENTENCES + 1))
    return start, draw_crop(height, width, CropRange(), rng)


def start_of(key: str, sentences: int) -> int:
    """The window alone, for those who do not know the size of the pictures yet."""
    return int(sample_generator(SEED, 0, key).integers(sentences - SENTENCES + 1))


def cropped(frames: Tensor, key: str, sentences: int) -> Tensor:
    """(N, 3, h, w) of any kind, cut, resized and mirrored as ours are."""
    _, crop = plan(key, sentences, frames.shape[2], frames.shape[3])
    cut = frames[:, :, crop.top : crop.top + crop.height, crop.left : crop.left + crop.width]
    out = F.interpolate(cut, (HEIGHT, WIDTH), mode="bilinear", align_corners=False, antialias=True)
    return out.flip(3) if crop.flip else out


# -- contenders: each an iterator over samples -------------------------------------------------------------------------


def webdataset_samples(job: dict[str, Any], window_only: bool) -> Iterator[Sample]:
    """As an ordinary user reads shards: the whole tar in order, `.decode`, then a map."""
    import webdataset as wds

    def thin(sample: dict[str, Any]) -> dict[str, Any]:
        sentences = len(json.loads(sample["json"])["sentences"])
        start = start_of(sample["__key__"], sentences) * FRAMES
        names = sorted(name for name in sample if name.endswith("jpg"))
        kept = set(names[start : start + SENTENCES * FRAMES])
        return {name: value for name, value in sample.items() if name in kept or not name.endswith("jpg")}

    def make(sample: dict[str, Any]) -> Sample:
        key, record = sample["__key__"], sample["json"]
        sentences = len(record["sentences"])
        names = sorted(name for name in sample if name.endswith("jpg"))
        start = start_of(key, sentences)
        if not window_only:
            names = names[start * FRAMES : (start + SENTENCES) * FRAMES]
        frames = torch.from_numpy(np.stack([sample[name] for name in names])).permute(0, 3, 1, 2)
        out = cropped(frames, key, sentences)
        texts = [sentence["text"] for sentence in record["sentences"][start : start + SENTENCES]]
        return Sample(key, out if window_only else out.transpose(0, 1).contiguous(), texts)

    shards = sorted(str(path) for path in Path(job["corpus"], "shards").glob("*.tar"))
    data = wds.WebDataset(shards, shardshuffle=False)
    data = data.map(thin).decode("rgb8") if window_only else data.decode("rgb")
    yield from data.map(make)


def decord_samples(job: dict[str, Any], from_clips: bool) -> Iterator[Sample]:
    """As the official loader: open, `get_batch` of 8 frames of each of four clips, transform. It opens the file of each clip;
    of a source video, once, and decord scales while it decodes.
    """
    import decord

    from longtake.pipeline.merge.frame_times import frame_times_ms

    decord.bridge.set_bridge("torch")
    for key, video, spans in records(job):
        start = start_of(key, len(spans))
        window = spans[start : start + SENTENCES]
        if from_clips:
            stem = Path(video).stem.rsplit("-", 1)[0]
            parts = []
            for at, _ in window:
                reader = decord.VideoReader(f"{job['clips']}/{stem}.{at}.mp4", num_threads=1)
                parts.append(reader.get_batch([k * len(reader) // FRAMES for k in range(FRAMES)]))
            frames = torch.cat(parts)
        else:
            probe = decord.VideoReader(video, num_threads=1, width=_width(video), height=240)
            times = frame_times_ms([Sentence("", a, b, "") for a, b in window], FRAMES)
            shown = probe.get_frame_timestamp(np.arange(len(probe)))[:, 0] * 1000
            frames = probe.get_batch((np.searchsorted(shown, times, side="right") - 1).clip(0).tolist())
        out = cropped(frames.permute(0, 3, 1, 2), key, len(spans))
        yield Sample(key, out, [TEXT] * SENTENCES)


TEXT = "what is said while this is on screen, more or less"
_widths: dict[str, int] = {}


def _width(video: str) -> int:
    """Of the frames of this video at 240 lines; known beforehand in practice, so found out once for each source."""
    import av

    source = str(Path(video).resolve())
    if source not in _widths:
        with av.open(source) as container:
            context = container.streams.video[0].codec_context
            _widths[source] = round(context.width * 240 / context.height / 2) * 2
    return _widths[source]


def records(job: dict[str, Any]) -> list[tuple[str, str, list[tuple[int, int]]]]:
    """Key, source video and spans of each sample of the corpus, in its order: what a list of clips would hold."""
    import webdataset as wds

    shards = sorted(str(path) for path in Path(job["corpus"], "shards").glob("*.tar"))
    data = wds.WebDataset(shards, shardshuffle=False, select_files=lambda name: name.endswith("json"))
    found = []
    for sample in data:
        record = json.loads(sample["json"])
        path = next(Path(job["videos"]).glob(f"{record['video_id']}.*"))
        spans = [(sentence["start_ms"], sentence["end_ms"]) for sentence in record["sentences"]]
        found.append((sample["__key__"], str(path), spans))
    return found


def batches(samples: Iterator[Sample], size: int) -> Iterator[tuple[list[str], Tensor, Tensor, Tensor]]:
    """Keys, frames, token ids and mask; endlessly many, as the samples are."""
    tokenizer = SentenceTokenizer("uncased", TOKENS)
    while True:
        taken = [next(samples) for _ in range(size)]
        ids, mask = tokenizer([sample.texts for sample in taken])
        yield [sample.key for sample in taken], torch.stack([sample.frames for sample in taken]), ids, mask


# -- measuring ---------------------------------------------------------------------------------------------------------


def ours(job: dict[str, Any]) -> ShardLoader:
    """Our loader over the corpus."""
    settings = LoaderSettings(
        job["corpus"], "uncased", batch_size=job["batch"], sentences=SENTENCES, seed=SEED, workers=job["workers"],
        height=HEIGHT, width=WIDTH, tokens=TOKENS,
    )  # fmt: skip
    return ShardLoader(settings)


def endless(job: dict[str, Any]) -> Iterator[tuple[list[str], Tensor, Tensor, Tensor]]:
    """The batches of the contender, one epoch after the other."""
    name = job["contender"]
    if name == "ours":
        loader = ours(job)
        while True:
            for batch in loader:
                yield list(batch.keys), batch.frames, batch.ids, batch.mask

    def samples() -> Iterator[Sample]:
        while True:
            if name.startswith("webdataset"):
                yield from webdataset_samples(job, name.endswith("window"))
            else:
                yield from decord_samples(job, name.endswith("clips"))

    yield from batches(samples(), job["batch"])


def cpu() -> float:
    """CPU seconds of this process and its workers."""
    own = psutil.Process()
    return sum(sum(process.cpu_times()[:2]) for process in [own, *own.children(recursive=True)])


def compared(job: dict[str, Any], keys: list[str], frames: Tensor, ids: Tensor) -> tuple[float, bool]:
    """The mean difference of a contender's pictures from ours, in 1 / 255, and whether its tokens are ours."""
    loader, wanted = ours(job | {"workers": 0, "batch": 1}), keys[:_KEPT]
    mine = {batch.keys[0]: batch for batch in loader if batch.keys[0] in wanted}
    differs, same = [], True
    for number, key in enumerate(wanted):
        picture = frames[number].float()
        picture = (picture * 255).movedim(0, -1) if picture.shape[0] == 3 else picture
        picture = picture.movedim(1, -1) if picture.shape[1] == 3 else picture
        differs.append(float((picture - mine[key].frames[0].float()).abs().mean()))
        same = same and torch.equal(ids[number], mine[key].ids[0])
    return sum(differs) / len(differs), same


def run(job: dict[str, Any]) -> dict[str, Any]:
    """Make the batches, the first one untimed."""
    source = endless(job)
    keys, frames, ids, _ = next(source)
    differs, same = compared(job, keys, frames, ids)
    for _ in range(2 * job["workers"] + 1 if job["workers"] else 0):
        next(source)  # what workers made ahead in the meantime
    wall, spent = time.perf_counter(), cpu()
    made = sum(len(next(source)[0]) for _ in range(job["batches"]))
    wall, spent = time.perf_counter() - wall, cpu() - spent  # before the workers end, and what they took with them
    source.close()  # type: ignore[attr-defined]
    return {"samples": made, "wall": wall, "cpu": spent, "differs": differs, "same_tokens": same}


def flops() -> dict[str, int]:
    """Of one forward pass of both encoders of `base` for one sample, counted on the meta device."""
    from torch.utils.flop_counter import FlopCounterMode

    from longtake.model.network.lfvila import LFVila
    from longtake.model.network.sizes import BASE

    with torch.device("meta"):
        model = LFVila(BASE, stage=1).eval()
        video = torch.empty(1, 3, SENTENCES * FRAMES, HEIGHT, WIDTH)
        ids = torch.zeros(1, SENTENCES, TOKENS, dtype=torch.long)
    found = {}
    for name, action in (
        ("video", lambda: model.encode_video(video)),
        ("text", lambda: model.encode_text(ids, torch.ones_like(ids))),
    ):
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            action()
        found[name] = counter.get_total_flops()
    return found


def main(job_file: str, report_file: str) -> None:
    """Do the job in `job_file`, and write what it found to `report_file`."""
    job = json.loads(Path(job_file).read_text())
    torch.set_num_threads(1)
    report = flops() if job["contender"] == "flops" else run(job)
    Path(report_file).write_text(json.dumps(report))


if __name__ == "__main__":
    main(*sys.argv[1:])
