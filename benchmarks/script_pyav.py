# The peer of build.py: what a good engineer of this team writes in an hour with PyAV and webdataset, without a plan, a ledger,
# checks, resuming or isolation. Kept as it was written, so that it stays 60 lines.
# ruff: noqa
# fmt: off
"""What a good engineer writes today: sentences -> long clips -> frames -> webdataset shards. ~60 lines."""
import io, json, sys, multiprocessing as mp
from pathlib import Path
import av, webdataset as wds
from PIL import Image
GAP, LEAST, MOST, PER, SHORT, Q, PER_SHARD = 2000, 4, 16, 8, 240, 90, 64

def long_clips(sentences):
    run, runs = [], []
    for s in sorted(sentences, key=lambda s: s["start_ms"]):
        if run and s["start_ms"] - run[-1]["end_ms"] > GAP:
            runs.append(run); run = []
        run.append(s)
    for run in [*runs, run]:
        n = -(-len(run) // MOST) or 1
        size, extra = divmod(len(run), n)
        at = 0
        for i in range(n):
            k = size + (i < extra)
            if k >= LEAST:
                yield run[at:at + k]
            at += k

def grab(path, times):
    """The frame on screen at each time (ms, ascending): seek only where that skips something, else decode on."""
    with av.open(path) as c:
        s = c.streams.video[0]; s.thread_type = "NONE" if MODE_1T else "AUTO"
        start = c.start_time or 0
        w, h = s.width, s.height
        size = (round(w * SHORT / h / 2) * 2, SHORT) if w >= h else (SHORT, round(h * SHORT / w / 2) * 2)
        keys = sorted(p.pts for p in c.demux(s) if p.is_keyframe and p.pts is not None); c.seek(0)
        import bisect
        held, frames, out, at_key = None, None, {}, None
        tb = s.time_base
        for t in times:
            pts = int((t / 1000 + start / 1e6) / tb)
            i = bisect.bisect_right(keys, pts) - 1
            key = keys[max(i, 0)]
            if frames is None or held is None or key > held.pts:
                c.seek(key, stream=s); frames, held, nxt = c.decode(s), None, None
            while nxt is None or nxt.pts <= pts:
                if nxt is not None: held = nxt
                nxt = next(frames, None)
                if nxt is None: break
                if held is None: held = nxt
            f = held
            if f.pts not in out:
                b = io.BytesIO()
                f.reformat(*size, "rgb24").to_image().save(b, "JPEG", quality=Q)
                out[f.pts] = b.getvalue()
            yield out[f.pts]

MODE_1T = True
def work(record):
    out = []
    try:
        for clip in long_clips(record["sentences"]):
            times = [s["start_ms"] + (2 * k + 1) * (s["end_ms"] - s["start_ms"]) // (2 * PER) for s in clip for k in range(PER)]
            key = f"{record['video_id']}-{clip[0]['start_ms']:09d}-{clip[-1]['end_ms']:09d}"
            sample = {"__key__": key, "json": {"video_id": record["video_id"], "sentences": clip, "times": times},
                      "txt": " ".join(s["text"] for s in clip)}
            out.append(sample | {f"{i:03d}.jpg": j for i, j in enumerate(grab(record["path"], times))})
    except Exception as e:
        print(record["video_id"], e, file=sys.stderr)
    return out

if __name__ == "__main__":
    src, dst, workers = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    dst.mkdir(parents=True, exist_ok=True)
    records = [json.loads(l) for l in open(src)]
    for r in records: r["path"] = str(src.parent / r["uri"])
    with wds.ShardWriter(str(dst / "train-%06d.tar"), maxcount=PER_SHARD, verbose=0) as sink, mp.Pool(workers) as pool:
        for samples in pool.imap_unordered(work, records):
            for s in samples: sink.write(s)
