"""Decoding: CPU seconds on one core for the same wanted frames of the same videos, ours against the others.

    python benchmarks/decode.py                    all videos, all contenders, then the tolerance curve
    python benchmarks/decode.py --video test_video.mp4 --video 720p30 --repeats 5
    python benchmarks/decode.py --calibrate        the constants of pipeline/plan/estimate.py instead

Every measurement is a fresh process bound to one core, one thread everywhere. Contenders that claim to be exact are held
to it: their frames must be those of a full sequential decode, by time and by picture, or this ends with exit code 1.
"""

import argparse
import os
import sys
import tempfile
from collections import defaultdict
from dataclasses import asdict
from pathlib import Path
from typing import Any

import av
import numpy as np
from contenders import CONTENDERS, Job
from material import SHORT_SIDE, Video, encoded, real_videos, veryfast
from measure import CACHE, RESULTS, Failed, child, machine, machine_line, markdown, write_results
from rich.console import Console
from rich.table import Table

#: (contender, kinds of videos, CPU seconds over ours at least). The floor's is an upper bound of ours over it.
TARGETS = (("decord", "youtube", 3.5), ("recipe", "youtube", 10.0), ("decord", "veryfast", 1.6))
FLOOR_TARGET = 1.15
TOLERANCES_MS = (0, 50, 100, 250, 500, 1000, 2000)
#: Contenders whose frames are not the ones asked for by design: no times to compare, pictures for information only.
_INEXACT = ("recipe", "recipe_240p")
#: Known failures of others, by (contender, file name): shown as such, without a ratio. Anything else is a fault of ours.
_HIDDEN = "counts VP8's hidden frames (packets that are decoded but not shown) as frames on screen"
KNOWN_WRONG = {
    ("decord", "av1-2018-06_550.webm"): "brings no AV1 decoder",
    ("decord", "Mammals.webm"): _HIDDEN,
    ("decord", "PolarMammals.webm"): _HIDDEN,
    ("torchcodec", "Mammals.webm"): _HIDDEN,
    ("torchcodec", "PolarMammals.webm"): _HIDDEN,
}
_FFMPEG = ("libavutil", "libavcodec", "libavformat", "libavfilter", "libavdevice", "libswscale", "libswresample")
_LEAST_PSNR = 28.0  # dB of the worst frame; scalers and colour conversions differ, JPEG adds its own
_VERYFAST_SECONDS = 120
_CALIBRATION_SIDES = (120, 240, 480)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--video", action="append", help="only those whose name contains this; may be repeated")
    parser.add_argument("--contender", action="append", choices=sorted(CONTENDERS))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--calibrate", action="store_true")
    parser.add_argument("--no-curve", action="store_true", help="leave the tolerance curve out")
    parser.add_argument("--quick", action="store_true", help="a smoke run: one short video, no repeats")
    parser.add_argument("--strict", action="store_true", help="exit code 1 also where a target is missed")
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    if options.quick:
        options.repeats, options.video = 1, options.video or ["the_last_man"]
    return options


def videos(options: argparse.Namespace) -> list[Video]:
    """What to measure: YouTube's own encodes first, then x264 veryfast, then the others."""
    found = real_videos()
    wanted = options.video
    if not options.quick:
        at = sum(video.kind == "youtube" for video in found)
        found[at:at] = veryfast(_VERYFAST_SECONDS)
    chosen = [v for v in found if not wanted or any(part in v.name for part in wanted)]
    if not chosen:
        raise Failed(f"no video is called like {' or '.join(wanted)}")
    return chosen


# -- one measurement ---------------------------------------------------------------------------------------------------


def job_of(video: Video, contender: str, **more: Any) -> Job:
    """The job of a contender on a video."""
    defaults = {"core": max(os.sched_getaffinity(0)), "warm_up": str(_warm_up()), "short_side": SHORT_SIDE}
    return Job(
        contender=contender, path=str(video.path), times_ms=video.times_ms, size=video.size,
        start_us=video.start_us, first_us=video.first_us,
        **defaults | more,
    )  # fmt: skip


def _warm_up() -> Path:
    return min((v.path for v in real_videos() if v.codec == "h264"), key=lambda path: path.stat().st_size)


def measure(jobs: dict[str, Job], repeats: int) -> dict[str, dict[str, Any]]:
    """For each job the run that took the least CPU, of `repeats` fresh processes; or its fault. Jobs take turns, so that
    all of them see the same machine.
    """
    reports: dict[str, dict[str, Any]] = {}
    for number in range(repeats):
        for name, job in jobs.items():
            if reports.get(name, {}).get("fault"):
                continue
            task = asdict(job) if not number else asdict(job) | {"keep": ""}
            try:
                report = child("contenders.py", task, _environment(job.contender)).report | {"fault": ""}
            except Failed as failure:
                reports[name] = {"fault": str(failure).strip().splitlines()[-1][:200]}
                continue
            report["cpu_of_repeats"] = [*reports.get(name, {}).get("cpu_of_repeats", []), round(report["cpu"], 4)]
            best = min(reports.get(name, report), report, key=lambda r: r["cpu"])
            reports[name] = best | {"cpu_of_repeats": report["cpu_of_repeats"]}
    return reports


def measure_ours(video: Video, repeats: int, **more: Any) -> dict[str, Any]:
    """Ours alone. Raises Failed."""
    report = measure({"ours": job_of(video, "ours", **more)}, repeats)["ours"]
    if report["fault"]:
        raise Failed(f"{video.name}: {report['fault']}")
    return report


def _environment(contender: str) -> dict[str, str]:
    """One thread for the numeric libraries; and for torchcodec, which brings no FFmpeg, that of PyAV, the one we use."""
    variables = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    bundled = Path(av.__file__).parents[1] / "av.libs"
    if contender != "torchcodec" or not bundled.is_dir():
        return variables
    links = CACHE / "ffmpeg-of-pyav"
    links.mkdir(parents=True, exist_ok=True)
    for name in _FFMPEG:
        for file in bundled.glob(f"{name}-*.so.*"):
            link = links / f"{name}.so.{file.name.split('.so.')[1].split('.')[0]}"
            link.unlink(missing_ok=True)
            link.symlink_to(file)
    paths = [str(links), str(bundled), os.environ.get("LD_LIBRARY_PATH", "")]
    return variables | {"LD_LIBRARY_PATH": ":".join(filter(None, paths))}


# -- the frames that are right -----------------------------------------------------------------------------------------


def truth(video: Video, kept: Path) -> tuple[list[int], Any]:
    """For each wanted time the time of the frame that a full sequential decode shows, and its picture."""
    report = child("contenders.py", asdict(job_of(video, "pyav", keep=str(kept))), _environment("pyav")).report
    return report["pts_ms"], _pictures(kept)


def _pictures(kept: Path) -> Any:
    """Luma of the pictures, one for each wanted time; float32 (n, height, width)."""
    with np.load(kept) as saved:
        rgb = saved["images"].astype(np.float32)
        return (rgb @ np.array([0.299, 0.587, 0.114], np.float32))[saved["index"]]


def psnr(pictures: Any, right: Any) -> Any:
    """Decibels, picture by picture."""
    error = np.square(pictures - right).mean(axis=(1, 2))
    return 10 * np.log10(255**2 / np.maximum(error, 1e-3))


def check(name: str, report: dict[str, Any], pictures: Any, right: tuple[list[int], Any]) -> dict[str, Any]:
    """Compare a contender's frames with the right ones; `fault` says what is wrong with them, "" if nothing is."""
    right_pts, right_pictures = right
    if pictures.shape != right_pictures.shape:
        return {"fault": f"{pictures.shape} pictures for {right_pictures.shape}"}
    found = psnr(pictures, right_pictures)
    facts = {"fault": "", "psnr_min": round(float(found.min()), 1), "psnr_mean": round(float(found.mean()), 1)}
    if name in _INEXACT:
        return facts
    wrong = [n for n, (a, b) in enumerate(zip(report["pts_ms"], right_pts, strict=True)) if a != b]
    unlike = np.flatnonzero(found < _LEAST_PSNR).tolist()
    if wrong:
        n = wrong[0]
        facts["fault"] = f"{len(wrong)} frames of other times, the first at {report['pts_ms'][n]} for {right_pts[n]} ms"
    elif unlike:
        facts["fault"] = f"{len(unlike)} other pictures, the first number {unlike[0]} at {found[unlike[0]]:.1f} dB"
    return facts


def compare(video: Video, names: list[str], repeats: int, console: Console) -> dict[str, Any]:
    """All contenders on one video."""
    with tempfile.TemporaryDirectory(prefix="longtake-frames-") as folder:
        right = truth(video, Path(folder, "truth.npz"))
        kept = {name: Path(folder, f"{name}.npz") for name in names}
        results = measure({name: job_of(video, name, keep=str(kept[name])) for name in names}, repeats)
        for name, report in results.items():
            if not report["fault"]:
                report.update(check(name, report, _pictures(kept[name]), right))
            console.print(f"  {name}: {_summary(report)}", highlight=False, markup=False)
    return {
        "video": video.name, "kind": video.kind, "codec": video.codec, "width": video.width, "height": video.height,
        "seconds": video.duration_ms / 1000, "wanted": len(video.times_ms), "size": video.size, "contenders": results,
    }  # fmt: skip


def _summary(report: dict[str, Any]) -> str:
    text = (
        f"{report['cpu']:.3f} CPU-s, PSNR {report['psnr_min']} / {report['psnr_mean']}" if "psnr_min" in report else ""
    )
    return " ".join(filter(None, [text, report["fault"] and f"WRONG: {report['fault']}"]))


# -- tables ------------------------------------------------------------------------------------------------------------


def ratio(result: dict[str, Any], contender: str) -> float | None:
    """CPU seconds of a contender over ours; None where either is wrong or missing."""
    ours, other = result["contenders"].get("ours"), result["contenders"].get(contender)
    if not ours or not other or ours["fault"] or other["fault"]:
        return None
    return float(other["cpu"] / ours["cpu"])


def verdicts(results: list[dict[str, Any]]) -> list[tuple[str, bool]]:
    """Each target with whether it is met, for every video it applies to."""
    found = []
    for contender, kind, least in TARGETS:
        for result in results:
            times = ratio(result, contender)
            if result["kind"] == kind and times is not None:
                found.append(
                    (f"{contender} {times:.2f}x ours on {result['video']}, at least {least:g}", times >= least)
                )
    for result in results:
        part = ratio(result, "floor")
        if part is not None and result["kind"] in ("youtube", "veryfast"):
            found.append(
                (f"{1 / part:.3f}x the floor on {result['video']}, at most {FLOOR_TARGET}", 1 / part <= FLOOR_TARGET)
            )
    return found


def table_rows(results: list[dict[str, Any]], names: list[str]) -> tuple[list[str], list[list[str]]]:
    """The main table: one row per video."""
    others = [name for name in names if name != "ours"]
    headings = ["video", "encoder", "source", "frames", "decoded", "ours, CPU-s", "+ JPEG", *others]
    rows = []
    for result in results:
        found = result["contenders"]
        ours, whole = found.get("ours", {}), found.get("pyav", {}).get("decoded")
        rows.append([
            result["video"], result["kind"], f"{result['codec']} {result['width']}x{result['height']}, {result['seconds']:.0f} s",
            str(result["wanted"]), f"{ours.get('decoded', '-')}" + (f" of {whole}" if whole else ""),
            f"{ours['cpu']:.3f}" if "cpu" in ours else "wrong", f"{ours['cpu_with_jpeg']:.3f}" if "cpu" in ours else "",
            *(_cell(result, name) for name in others),
        ])  # fmt: skip
    return headings, rows


def _cell(result: dict[str, Any], name: str) -> str:
    report, times = result["contenders"][name], ratio(result, name)
    if report["fault"]:
        return "wrong frames" if "cpu" in report else "fails"
    return f"{report['cpu']:.3f}" + (f" ({times:.2f}x)" if times else "")


def phase_rows(results: list[dict[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """Where our CPU time goes, beside the floor."""
    headings = ["video", "index", "decode", "scale", "encode", "rest", "floor's decode", "floor's scale"]
    rows = []
    for result in results:
        ours = result["contenders"].get("ours", {})
        if "cpu" in ours:
            phases = ours["phases"]
            rest = ours["cpu"] + phases["encode"] - sum(phases.values())
            floor = result["contenders"].get("floor", {}).get("phases", {})
            figures = [
                *(phases[name] for name in headings[1:5]),
                rest,
                *(floor.get(name) for name in ("decode", "scale")),
            ]
            rows.append([result["video"], *("-" if x is None else f"{x:.3f}" for x in figures)])
    return headings, rows


def show(title: str, headings: list[str], rows: list[list[str]], console: Console) -> str:
    """Print a table; returns it as Markdown under its title."""
    table = Table(title=title, title_justify="left")
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="right" if number else "left", overflow="fold")
    for row in rows:
        table.add_row(*row)
    console.print(table)
    return f"### {title}\n\n{markdown(headings, rows)}\n"


# -- tolerance ---------------------------------------------------------------------------------------------------------


def curve(video: Video, repeats: int) -> list[dict[str, Any]]:
    """CPU of ours against tolerance_ms. Raises Failed where a frame is further off than the tolerance."""
    points = []
    exact: list[int] = []
    for tolerance in TOLERANCES_MS:
        report = measure_ours(video, repeats, tolerance_ms=tolerance)
        exact = exact or report["pts_ms"]
        off = [abs(p - t) for p, t in zip(report["pts_ms"], video.times_ms, strict=True)]
        if any(o > tolerance and p != e for o, p, e in zip(off, report["pts_ms"], exact, strict=True)):
            raise Failed(f"{video.name}: a frame is {max(off)} ms off, with a tolerance of {tolerance} ms")
        points.append({
            "video": video.name, "tolerance_ms": tolerance, "cpu": report["cpu"], "cpu_with_jpeg": report["cpu_with_jpeg"],
            "decoded": report["decoded"], "mean_off_ms": round(sum(off) / len(off), 1), "max_off_ms": max(off),
        })  # fmt: skip
    return points


def curve_rows(points: list[dict[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """The curve as a table."""
    headings = ["video", "tolerance, ms", "CPU-s", "frames decoded", "mean off, ms", "max off, ms"]
    keys = ("tolerance_ms", "cpu", "decoded", "mean_off_ms", "max_off_ms")
    return headings, [[p["video"], *(f"{p[k]:.3f}" if k == "cpu" else f"{p[k]}" for k in keys)] for p in points]


# -- calibration of pipeline/plan/estimate.py -------------------------------------------------------------------------------


def calibrate(found: list[Video], repeats: int, console: Console) -> dict[str, Any]:
    """Costs per pixel: decoding by codec, scaling by source and written pixel (least squares), encoding, JPEG size."""
    samples = []
    for video in found:
        for side in _CALIBRATION_SIDES:
            report = measure_ours(video, repeats, short_side=side)
            scale = side / SHORT_SIDE
            phases, source = report["phases"], video.width * video.height
            span_frames = _frames_in(video)
            samples.append({
                "video": video.name, "codec": video.codec, "short_side": side, "source_pixels": source,
                "written_pixels": video.size[0] * video.size[1] * scale**2, "taken": report["distinct"],
                "decoded": report["decoded"], "decoded_share": report["decoded"] / span_frames,
                "jpeg_bytes": report["jpeg_bytes"], **{f"{name}_s": phases[name] for name in phases},
            })  # fmt: skip
        last = samples[-1]
        per_pixel = last["decode_s"] / last["decoded"] / last["source_pixels"] * 1e9
        console.print(f"  {video.name} ({video.codec}): {per_pixel:.2f} ns per decoded pixel", highlight=False)
    return {"constants": constants(samples), "samples": samples}


def _frames_in(video: Video) -> float:
    """Frames in the sentences of the video, by its average rate."""
    with av.open(str(video.path)) as container:
        rate = float(container.streams.video[0].average_rate or 0)
    return max(rate * (2 * video.times_ms[-1] - video.times_ms[-2]) / 1000, 1)


def constants(samples: list[dict[str, Any]]) -> dict[str, Any]:
    """The figures that estimate.py holds, over all samples."""
    decode: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for s in samples:
        decode[s["codec"]].append((s["decode_s"] * 1e9, s["decoded"] * s["source_pixels"]))
    taken = np.array([[s["taken"] * s["source_pixels"], s["taken"] * s["written_pixels"]] for s in samples])
    seconds = np.array([s["scale_s"] for s in samples])
    weight = 1 / np.maximum(seconds, 1e-4)  # relative errors: small files count like large ones
    by_source, by_written = np.linalg.lstsq(taken * weight[:, None], seconds * weight, rcond=None)[0] * 1e9
    written = taken[:, 1].sum()
    shares = {s["video"]: s["decoded_share"] for s in samples}
    return {
        "ns_per_decoded_pixel": {c: round(sum(t for t, _ in v) / sum(p for _, p in v), 2) for c, v in decode.items()},
        "ns_per_taken_source_pixel": round(float(by_source), 2),
        "ns_per_written_pixel_scale": round(float(by_written), 2),
        "ns_per_written_pixel_encode": round(sum(s["encode_s"] for s in samples) / float(written) * 1e9, 2),
        "jpeg_bytes_per_pixel_q90": {
            side: round(sum(s["jpeg_bytes"] for s in samples if s["short_side"] == side)
                        / sum(s["taken"] * s["written_pixels"] for s in samples if s["short_side"] == side), 3)
            for side in _CALIBRATION_SIDES
        },
        "index_us_per_packet_and_file": round(
            1e6 * sum(s["index_s"] for s in samples) / sum(s["decoded"] / max(s["decoded_share"], 0.01) for s in samples), 2
        ),
        "decoded_share": {name: round(share, 2) for name, share in shares.items()},
        "decoded_share_median": round(float(np.median(list(shares.values()))), 2),
    }  # fmt: skip


# -- all of it ---------------------------------------------------------------------------------------------------------


def benchmark(options: argparse.Namespace, console: Console, facts: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The comparison and the curve; the second result is what went wrong."""
    names = options.contender or list(CONTENDERS)
    chosen = videos(options)
    results = []
    for video in chosen:
        console.print(
            f"{video.name} ({video.kind}, {video.codec}, {len(video.times_ms)} frames wanted)", highlight=False
        )
        results.append(compare(video, names, options.repeats, console))
    text = show("CPU seconds to resized frames (times ours)", *table_rows(results, names), console)
    text += show("Where ours go, CPU seconds", *phase_rows(results), console)
    points = []
    if not options.no_curve and "ours" in names:
        for video in [v for v in chosen if v.kind in ("youtube", "veryfast")] or chosen[:1]:
            points += curve(video, options.repeats)
        text += show("Tolerance", *curve_rows(points), console)
    met = verdicts(results)
    for line, passed in met:
        console.print(f"{'pass' if passed else 'FAIL'}: {line}", style="green" if passed else "red", highlight=False)
        text += f"- {'pass' if passed else 'FAIL'}: {line}\n"
    path = write_results("decode", options.results, facts, {"videos": results, "curve": points})
    path.with_suffix(".md").write_text(text)
    console.print(machine_line(facts), style="dim")
    console.print(f"{path} and .md written")
    wrong = []
    for result in results:
        for name, report in result["contenders"].items():
            known = KNOWN_WRONG.get((name, result["video"]))
            if report["fault"] and known:
                console.print(
                    f"{name} on {result['video']}: {report['fault']}; it {known}", style="dim", highlight=False
                )
            elif report["fault"]:
                wrong.append(f"{name} on {result['video']}: {report['fault']}")
    return {"results": results}, wrong + ([line for line, passed in met if not passed] if options.strict else [])


def calibration(options: argparse.Namespace, console: Console, facts: dict[str, Any]) -> None:
    """`--calibrate`."""
    made = [] if options.quick else [encoded(codec, 30) for codec in ("h264", "hevc", "vp9", "av1")]
    pool = [v for v in real_videos() if not options.video or any(part in v.name for part in options.video)]
    found = calibrate(pool + made, options.repeats, console)
    for name, value in found["constants"].items():
        console.print(f"{name}: {value}", highlight=False)
    console.print(machine_line(facts), style="dim")
    console.print(f"{write_results('calibration', options.results, facts, found)} written")


def main() -> None:
    """Measure, print, write. Exit code 1 where frames are wrong."""
    options, console, facts = arguments(), Console(), machine()
    if options.calibrate:
        calibration(options, console, facts)
        return
    _, wrong = benchmark(options, console, facts)
    if wrong:
        raise Failed("\n".join(["These results do not hold:", *wrong]))


if __name__ == "__main__":
    try:
        main()
    except Failed as failure:
        sys.exit(str(failure))
