"""The shards are for everybody: plain webdataset reads them, with no code of ours in the process."""

import json
import subprocess
import sys
import textwrap
from pathlib import Path

from sources import Video, build, manifest, source_set, spoken

READER = """
import io, json, sys
import webdataset
from PIL import Image

samples = []
for url in sys.argv[1:]:
    dataset = webdataset.WebDataset(url, shardshuffle=False).decode("pil")
    for sample in dataset:
        frames = [name for name in sample if name.endswith(".jpg")]
        described = sample["json"]
        assert described["key"] == sample["__key__"]
        assert frames == [f"{i:03d}.jpg" for i in range(len(described["frame_pts_ms"]))]
        assert all(sample[f].size == tuple(described["frame_size"])[::-1] for f in frames)
        assert sample["txt"] == " ".join(s["text"] for s in described["sentences"])
        samples.append([sample["__key__"], len(frames)])
ours = [name for name in sys.modules if name.split(".")[0] == "longtake"]
assert not ours, ours
print(json.dumps(samples))
"""


def test_plain_webdataset_reads_a_corpus(tmp_path: Path) -> None:
    videos = [Video(f"v{i}", spoken(5, 900 * i)) for i in range(3)]
    sources = source_set(tmp_path, videos, shards={"samples": 2})
    build(sources)
    shards = manifest(sources.output)["shards"]
    last = len(shards) - 1
    (tmp_path / "reader.py").write_text(textwrap.dedent(READER))
    done = subprocess.run(
        [sys.executable, tmp_path / "reader.py", f"{sources.output}/shards/train-{{000000..{last:06d}}}.tar"],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    samples = json.loads(done.stdout)
    assert len(samples) == sum(shard["samples"] for shard in shards) == 6
    assert sum(frames for _, frames in samples) == sum(shard["frames"] for shard in shards)
