"""`longtake fetch` against a real server that fails in every way that servers of videos do: what became of each URL."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import av
import pytest
import yaml
from media import FFMPEG, encode
from sources import DEMO, MAMMALS, REPOSITORY, Record, command, ledger, leftovers, longtake_here
from web import Handler, Web, first, serving

from longtake.schemas import storage

SUBTITLES = (DEMO / "subs" / "mammals.en.vtt").read_bytes()
SLOW_S = 1.0


def config_of(folder: Path, **fetch: Any) -> Path:
    """A configuration that fetches `links.txt` and reads what comes."""
    settings = {
        "name": "web",
        "output": "out/web",
        "source": {
            "videos": "videos.jsonl",
            "uri": "videos/{video_id}.mp4",
            "text": {"format": "vtt", "path": "subs/{video_id}.vtt"},
            "fetch": {
                "urls": "links.txt",
                "allow_private": ["127.0.0.1/32"],
                "backoff_seconds": 0.05,
                "attempts": 3,
                "concurrency": 4,
                "per_host": 4,
                **fetch,
            },
        },
    }
    path = folder / "corpus.yaml"
    path.write_text(yaml.safe_dump(settings))
    return path


def links(folder: Path, *lines: str | Record) -> None:
    text = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    (folder / "links.txt").write_text("\n".join(text) + "\n")


def manifest(folder: Path) -> dict[str, Record]:
    rows = [json.loads(line) for line in (folder / "videos.jsonl").read_text().splitlines()]
    assert [row["video_id"] for row in rows] == sorted(row["video_id"] for row in rows)
    return {row["video_id"]: row for row in rows}


def record(folder: Path, video_id: str) -> Record:
    found: Record = json.loads((folder / "fetched" / "records" / f"{video_id}.json").read_text())
    return found


def duration_of(path: Path) -> float:
    with av.open(str(path)) as container:
        return float(container.duration or 0) / 1e6


def drip(data: bytes) -> Any:
    """Send a byte now and then, without end."""

    def act(handler: Handler, _: int) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "video/mp4")
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        for byte in data:
            handler.wfile.write(bytes([byte]))
            handler.wfile.flush()
            time.sleep(0.2)

    return act


def lengths(data: bytes, more: int) -> Any:
    """Promise `more` bytes than there are, fewer if it is negative."""

    def act(handler: Handler, _: int) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "video/mp4")
        handler.send_header("Content-Length", str(len(data) + more))
        handler.end_headers()
        handler.wfile.write(data[: len(data) + min(more, 0)])
        handler.close_connection = True

    return act


def answers(*statuses: int, then: bytes = b"", **headers: str) -> Any:
    """Answer with these statuses, one after the other, then send a file; without a file, the last status again and again."""

    def act(handler: Handler, number: int) -> None:
        if number > len(statuses) and then:
            handler.send_file(then)
        else:
            handler.answer(statuses[min(number, len(statuses)) - 1], b"the server's words", **headers)

    return act


def to(url: str) -> Any:
    return lambda handler, _: handler.answer(302, Location=url)


@dataclass
class Run:
    """The folder of a finished run, the server it asked, one that nobody may ask, and what was printed."""

    folder: Path
    web: Web
    private: Web
    output: str

    def rows(self, video_id: str) -> list[tuple[str, str]]:
        return [
            (row["reason"], row["detail"]) for row in ledger(self.folder / "fetched") if row["video_id"] == video_id
        ]


@pytest.fixture(scope="module")
def clip() -> bytes:
    """A video of four seconds with sound; its index comes first, as on the web."""
    return encode("web.mp4", audio=True, extra=["-movflags", "+faststart"]).read_bytes()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, clip: bytes) -> Iterator[Run]:
    folder = tmp_path_factory.mktemp("fetch")
    with ExitStack() as stack:
        web, private = stack.enter_context(serving()), stack.enter_context(serving("127.0.0.2"))
        away = private.url("/secret.mp4", "127.0.0.2")
        private.files["/secret.mp4"] = clip
        site(web, clip, away, folder / "site")
        lines: list[str | Record] = ["# a comment", ""]
        ids = [
            *(
                "plain",
                "cut",
                "no-ranges",
                "other-file",
                "always-cut",
                "missing",
                "refused",
                "asked-to-wait",
                "always-429",
            ),
            *(
                "asked-for-long",
                "busy",
                "broken",
                "drip",
                "too-long",
                "too-short",
                "no-length",
                "to-private",
                "round",
                "empty",
            ),
            *("not-video", "big", "two-redirects", "wants-cookie", "to-nothing"),
        ]
        lines += [{"video_id": name, "url": web.url(f"/{name}.mp4"), "meta": {"mine": name}} for name in ids]
        lines += [
            {"video_id": name, "url": web.url(f"/{name}.html")} for name in ("page", "nothing", "two", "page-private")
        ]
        lines += [
            {"video_id": "hls", "url": web.url("/hls/all.m3u8")},
            {"video_id": "dash", "url": web.url("/dash/all.mpd")},
        ]
        lines += [{"video_id": "hls-private", "url": web.url("/private.m3u8")}]
        lines += [{"video_id": "hls-hole", "url": web.url("/hole/all.m3u8")}]
        lines += [
            {"video_id": "page", "url": web.url("/page.html"), "z": 1},
            away,
            "ftp://127.0.0.1/x.mp4",
            "no url",
            '{"broken',
        ]
        lines += [
            {"video_id": "../up", "url": web.url("/plain.mp4")},
            {"video_id": "own", "uri": "mine.mp4", "clip": [], "x": 1},
        ]
        links(folder, *lines)
        (folder / "cookies.txt").write_text(
            "# Netscape HTTP Cookie File\n127.0.0.1\tFALSE\t/\tFALSE\t0\tpass\thush-hush-7\n"
        )
        config = config_of(
            folder, max_wait_seconds=2, answer_seconds=SLOW_S, max_bytes=4 << 20, redirects=3, cookies="cookies.txt"
        )
        done = longtake_here("fetch", str(config))
        assert done.returncode == 0, done.stderr
        yield Run(folder, web, private, done.stdout + done.stderr)


def site(web: Web, clip: bytes, away: str, folder: Path) -> None:
    """Fill the server."""
    half = len(clip) // 2
    web.files |= {"/plain.mp4": clip, "/subs.vtt": SUBTITLES, "/page.mp4": MAMMALS.read_bytes(), "/empty.mp4": b""}
    web.files["/page.html"] = (
        b"<!doctype html><title>A talk</title><video src='page.mp4'>"
        b"<track kind=captions srclang=de src=de.vtt><track kind=captions srclang=en src=subs.vtt></video>"
    )
    web.files["/nothing.html"] = b"<!doctype html><title>No video</title><p>Words only."
    web.files["/two.html"] = (
        b"<!doctype html><title>Two</title><video src='plain.mp4'></video><video src='page.mp4'></video>"
    )
    web.files["/page-private.html"] = f"<!doctype html><title>x</title><video src='{away}'></video>".encode()
    web.files["/private.m3u8"] = f"#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n{away}\n#EXT-X-ENDLIST\n".encode()
    web.files["/not-video.mp4"] = b"\x89PNG\r\n\x1a\n" + bytes(2000)
    web.files["/big.mp4"] = bytes(5 << 20)
    web.acts |= {
        "/cut.mp4": first(clip, half),
        "/no-ranges.mp4": lambda handler, n: handler.send_file(clip, half if n == 1 else None, with_ranges=False),
        "/other-file.mp4": lambda handler, n: handler.send_file(
            clip if n > 1 else bytes(5000), 4000 if n == 1 else None, f'"{n}"'
        ),
        "/always-cut.mp4": lambda handler, n: handler.send_file(clip, 1000),
        "/missing.mp4": answers(404),
        "/refused.mp4": answers(403),
        "/asked-to-wait.mp4": answers(429, then=clip, Retry_After="1"),
        "/always-429.mp4": answers(429, Retry_After="0"),
        "/asked-for-long.mp4": answers(429, Retry_After="3600"),
        "/busy.mp4": answers(503, 500, then=clip),
        "/broken.mp4": answers(500),
        "/drip.mp4": drip(clip),
        "/too-long.mp4": lengths(clip, 5000),
        "/too-short.mp4": lengths(clip, -half),
        "/no-length.mp4": without_length(clip),
        "/to-private.mp4": to(away),
        "/round.mp4": to("/round.mp4"),
        "/to-nothing.mp4": to("http://[::1"),
        "/two-redirects.mp4": to("/one-redirect.mp4"),
        "/one-redirect.mp4": to("/plain.mp4"),
        "/wants-cookie.mp4": lambda handler, _: (
            handler.send_file(clip) if "pass=hush-hush-7" in handler.headers.get("Cookie", "") else handler.answer(401)
        ),
    }
    for form, name, more in (
        ("hls", "all.m3u8", ["-hls_playlist_type", "vod", "-hls_time", "20"]),
        ("dash", "all.mpd", []),
    ):
        (folder / form).mkdir(parents=True)
        source = ["-v", "error", "-i", str(MAMMALS), "-c", "copy", "-f", form, *more]
        subprocess.run([FFMPEG, *source, name], check=True, cwd=folder / form)
        for path in (folder / form).iterdir():
            web.files[f"/{form}/{path.name}"] = path.read_bytes()
            if form == "hls" and not path.name.endswith("2.ts"):
                web.files[f"/hole/{path.name}"] = path.read_bytes()


def without_length(data: bytes) -> Any:
    def act(handler: Handler, _: int) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "video/mp4")
        handler.send_header("Connection", "close")
        handler.end_headers()
        handler.wfile.write(data)
        handler.close_connection = True

    return act


def test_every_url_ends_in_one_place(run: Run) -> None:
    failed = {row["video_id"] for row in ledger(run.folder / "fetched") if row["subject"] == "video"}
    fetched = set(manifest(run.folder))
    assert not failed & fetched
    lines = (run.folder / "links.txt").read_text().splitlines()
    records = [row for row in ledger(run.folder / "fetched") if row["subject"] == "record"]
    assert len(failed) + len(fetched) + len(records) == len(
        [line for line in lines if line and not line.startswith("#")]
    )
    summary = json.loads((run.folder / "fetched" / "_fetch.json").read_text())
    assert summary["videos"] == len(failed) + len(fetched) and sum(summary["failed"].values()) == len(failed)
    assert not leftovers(run.folder)


@pytest.mark.parametrize(
    ("video_id", "reason", "says"),
    [
        ("missing", "removed", "HTTP 404: Not Found"),
        ("refused", "forbidden", "HTTP 403"),
        ("always-429", "rate_limited", "HTTP 429: Too Many Requests (attempt 3 of 3)"),
        ("asked-for-long", "rate_limited", "asks to wait 3600 s"),
        ("broken", "server_error", "HTTP 500: Internal Server Error (attempt 3 of 3)"),
        ("always-cut", "truncated", "attempt 3 of 3"),
        ("too-short", "truncated", "the file ends after"),
        ("too-long", "truncated", "the connection ended after"),
        ("drip", "network", "fetch.min_bytes_per_second"),
        ("to-private", "unsafe_url", "127.0.0.2 is a private address"),
        ("page-private", "unsafe_url", "127.0.0.2 is a private address"),
        ("hls-private", "unsafe_url", "127.0.0.2 is a private address"),
        ("to-nothing", "unsafe_url", "Invalid URL in location header"),
        ("round", "limit_exceeded", "more than 3 redirects"),
        ("big", "limit_exceeded", "fetch.max_bytes"),
        ("empty", "empty_file", "0 bytes"),
        ("not-video", "unreadable", ""),
        ("nothing", "no_media", "Unsupported URL"),
        ("two", "several_videos", "several videos"),
        ("hls-hole", "removed", "HTTP 404"),
    ],
)
def test_a_failure_has_its_row(run: Run, video_id: str, reason: str, says: str) -> None:
    ((found, detail),) = run.rows(video_id)
    assert found == reason, detail
    assert says in detail
    assert detail.startswith("links.txt:")
    assert record(run.folder, video_id)["reason"] == reason
    assert not list((run.folder / "videos").glob(f"{video_id}.*"))


def test_lines_that_cannot_be_used(run: Run) -> None:
    rows = {row["subject_id"]: row for row in ledger(run.folder / "fetched") if row["subject"] == "record"}
    details = "\n".join(row["detail"] for row in rows.values())
    assert sorted(row["reason"] for row in rows.values()) == ["duplicate_id", *["malformed"] * 3]
    assert "'../up' is not safe as a file name" in details and "not JSON" in details
    unsafe = [row["detail"] for row in ledger(run.folder / "fetched") if row["reason"] == "unsafe_url"]
    assert any("only http and https" in detail for detail in unsafe)
    assert not run.private.asked  # no address that is not allowed was ever connected to


@pytest.mark.parametrize(
    "video_id",
    [
        "plain",
        "cut",
        "no-ranges",
        "other-file",
        "asked-to-wait",
        "busy",
        "no-length",
        "two-redirects",
        "wants-cookie",
    ],
)
def test_the_file_is_the_one_of_the_server(run: Run, clip: bytes, video_id: str) -> None:
    assert (run.folder / "videos" / f"{video_id}.mp4").read_bytes() == clip
    kept, line = record(run.folder, video_id), manifest(run.folder)[video_id]
    assert kept["video"] == {
        "uri": f"videos/{video_id}.mp4", "bytes": len(clip), "sha256": hashlib.sha256(clip).hexdigest(),
    }  # fmt: skip
    assert line["uri"] == kept["video"]["uri"] and line["url"] == run.web.url(f"/{video_id}.mp4")
    assert line["meta"] == {"mine": video_id, "duration_ms": kept["measured"]["duration_ms"]}


def test_a_transfer_goes_on_where_it_broke_off(run: Run, clip: bytes) -> None:
    half = len(clip) // 2
    assert run.web.ranges("/cut.mp4") == [None, f"bytes={half}-"]
    assert run.web.ranges("/other-file.mp4")[1] == "bytes=4000-"  # another tag came, and the whole file with it
    assert (
        run.web.ranges("/too-long.mp4") == [None] * 3
    )  # without a tag, nothing tells whether it is still the same file


def test_a_server_that_asks_to_wait_is_not_asked_sooner(run: Run) -> None:
    first_time, second_time = (one.when for one in run.web.asked if one.path == "/asked-to-wait.mp4")
    assert second_time - first_time >= 1
    assert run.web.times("/asked-for-long.mp4") == 1


def test_what_cannot_change_is_asked_for_once(run: Run) -> None:
    for name in ("missing", "refused", "to-private", "big", "not-video"):
        assert run.web.times(f"/{name}.mp4") == 1, name


def test_a_page_gives_video_captions_and_title(run: Run) -> None:
    line, kept = manifest(run.folder)["page"], record(run.folder, "page")
    assert (run.folder / "videos" / "page.mp4").read_bytes() == MAMMALS.read_bytes()
    assert (run.folder / "subs" / "page.vtt").read_bytes() == SUBTITLES
    assert kept["captions"]["sha256"] == hashlib.sha256(SUBTITLES).hexdigest()
    assert kept["found"]["captions"] == {"language": "en", "format": "vtt", "automatic": False}
    assert line["meta"]["title"].startswith("A talk")
    assert run.web.times("/de.vtt") == 0


@pytest.mark.parametrize(("video_id", "ending"), [("hls", "ts"), ("dash", "mp4")])
def test_streams_in_pieces_become_one_file(run: Run, video_id: str, ending: str) -> None:
    line = manifest(run.folder)[video_id]
    assert line["uri"] == f"videos/{video_id}.{ending}"  # of the kind that came, whatever the template ends in
    path = run.folder / line["uri"]
    assert abs(duration_of(path) - duration_of(MAMMALS)) < 0.5
    with av.open(str(path)) as got, av.open(str(MAMMALS)) as source:  # another reader: the same pictures
        assert sum(1 for _ in got.decode(video=0)) == sum(1 for _ in source.decode(video=0))


def test_sound_in_a_file_of_its_own_is_joined_where_it_is_wanted(run: Run, tmp_path: Path) -> None:
    links(tmp_path, {"video_id": "dash", "url": run.web.url("/dash/all.mpd")})
    config = config_of(tmp_path)
    assert longtake_here("fetch", str(config)).returncode == 0
    silent = record(tmp_path, "dash")
    assert silent["sound"] is False and silent["found"]["stream"]["of"] == 2
    assert longtake_here("fetch", str(config), "--set", "filters.min_audio=0.5").returncode == 0
    with av.open(str(tmp_path / "videos" / "dash.mp4")) as got, av.open(str(MAMMALS)) as source:
        for kind in ("video", "audio"):
            counts = [sum(1 for _ in one.decode(getattr(one.streams, kind)[0])) for one in (got, source)]
            assert counts[0] == counts[1], kind
            got.seek(0)
            source.seek(0)


def test_a_video_without_captions_has_a_note(run: Run) -> None:
    assert run.rows("plain") == [("no_captions", "no captions in en as vtt")]
    assert [reason for reason, _ in run.rows("page")] == ["duplicate_id"]


def test_a_record_with_a_file_of_its_own_is_handed_on(run: Run) -> None:
    assert manifest(run.folder)["own"] == {"video_id": "own", "uri": "mine.mp4", "clip": [], "x": 1}


def test_nothing_secret_is_said(run: Run) -> None:
    said = run.output + "".join(path.read_text() for path in (run.folder / "fetched" / "records").iterdir())
    assert "hush-hush-7" not in said + json.dumps(ledger(run.folder / "fetched"))


def test_the_plan_reads_what_was_fetched(run: Run) -> None:
    done = longtake_here("plan", str(run.folder / "corpus.yaml"), "--set", "max_failed=1", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["counts"]["videos"]["kept"] == 1  # the one with captions


def test_a_second_run_asks_for_nothing_and_a_retry_for_what_is_named(run: Run, clip: bytes) -> None:
    before, rows = len(run.web.asked), ledger(run.folder / "fetched")
    lines = (run.folder / "videos.jsonl").read_bytes()
    again = longtake_here("fetch", str(run.folder / "corpus.yaml"))
    assert again.returncode == 0, again.stderr
    assert len(run.web.asked) == before
    assert ledger(run.folder / "fetched") == rows and (run.folder / "videos.jsonl").read_bytes() == lines
    run.web.acts["/always-429.mp4"] = lambda handler, _: handler.send_file(clip)
    retried = longtake_here("fetch", str(run.folder / "corpus.yaml"), "--retry", "rate_limited,network")
    assert retried.returncode == 0, retried.stderr
    asked = {one.path for one in run.web.asked[before:]}
    assert asked == {"/always-429.mp4", "/asked-for-long.mp4", "/drip.mp4"}
    assert "always-429" in manifest(run.folder)
    assert run.rows("always-429")[0][0] == "no_captions" and run.rows("drip")[0][0] == "network"
    refused = longtake_here("fetch", str(run.folder / "corpus.yaml"), "--retry", "black_frames")
    assert refused.returncode == 2 and "not a reason of fetch" in refused.stderr


def test_a_dry_run_fetches_nothing_and_says_what_is_there(tmp_path: Path, clip: bytes) -> None:
    with serving() as web:
        web.files |= {"/a.mp4": clip, "/page.mp4": clip, "/subs.vtt": SUBTITLES}
        web.files["/page.html"] = (
            b"<title>x</title><video src='page.mp4'><track kind=captions srclang=en src=subs.vtt></video>"
        )
        links(tmp_path, web.url("/a.mp4"), web.url("/page.html"), web.url("/gone.mp4"))
        config = config_of(tmp_path)
        done = longtake_here("fetch", str(config), "--dry-run", "--json", "--price-per-gb-month", "10")
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        assert (found["videos"], found["fetched"], found["failed"]) == (3, 2, {"removed": 1})
        assert found["captions"] == {"manual": 1, "none": 1} and found["licences"] == {"not stated": 2}
        assert found["bytes"] == len(clip) and found["bytes_of"] == 1
        assert not web.times("/page.mp4") and not web.times("/subs.vtt")
    assert not (tmp_path / "videos").exists() and not (tmp_path / "videos.jsonl").exists()
    assert [row["reason"] for row in ledger(tmp_path / "fetched")] == ["removed"]


def test_captions_that_are_wanted_later_are_asked_for_without_the_video(tmp_path: Path, clip: bytes) -> None:
    with serving() as web:
        web.files |= {"/page.mp4": clip, "/subs.vtt": SUBTITLES}
        web.files["/page.html"] = b"<video src='page.mp4'><track kind=captions srclang=fr src=subs.vtt></video>"
        links(tmp_path, {"video_id": "a", "url": web.url("/page.html")})
        config = config_of(tmp_path)
        asked = []
        for change in (
            "source.text={format: none}",
            "seed=0",
            "source.fetch.languages=[fr]",
            "source.fetch.languages=[fr]",
        ):
            assert longtake_here("fetch", str(config), "--set", change).returncode == 0
            captions = record(tmp_path, "a")["captions"]
            asked.append((captions and captions["uri"], web.times("/page.html"), web.times("/page.mp4")))
        uris, pages, videos = zip(*asked, strict=True)
        assert uris == (None, None, "subs/a.vtt", "subs/a.vtt")
        assert pages[0] < pages[1] < pages[2] == pages[3] and len(set(videos)) == 1
    assert (tmp_path / "subs" / "a.vtt").read_bytes() == SUBTITLES
    assert not ledger(tmp_path / "fetched")


def test_a_licence_that_is_not_allowed_is_not_fetched(tmp_path: Path, clip: bytes) -> None:
    with serving() as web:
        web.files |= {"/a.mp4": clip, "/b.mp4": clip, "/c.mp4": clip}
        ids = {"a": "CC BY 4.0", "b": "All rights reserved", "c": None}
        links(tmp_path, *({"video_id": n, "url": web.url(f"/{n}.mp4"), "license": text} for n, text in ids.items()))
        done = longtake_here("fetch", str(config_of(tmp_path, licences=["cc by*"])))
        assert done.returncode == 0, done.stderr
        assert list(manifest(tmp_path)) == ["a"]
        details = {
            row["video_id"]: row["detail"] for row in ledger(tmp_path / "fetched") if row["reason"] == "other_licence"
        }
        assert "'All rights reserved'" in details["b"] and "no licence is stated" in details["c"]
        assert not web.times("/b.mp4")


def test_everything_can_be_on_an_object_store(clip: bytes) -> None:
    root = "memory://bucket/fetch"
    with serving() as web:
        web.files |= {"/a.mp4": clip, "/subs.vtt": SUBTITLES}
        web.files["/p.html"] = (
            b"<title>x</title><video src='a.mp4'><track kind=captions srclang=en src=subs.vtt></video>"
        )
        web.acts["/cut.mp4"] = first(clip, len(clip) // 2)
        urls = {"p": "/p.html", "cut": "/cut.mp4", "gone": "/gone.mp4"}
        rows = [json.dumps({"video_id": name, "url": web.url(path)}) for name, path in urls.items()]
        storage.write_bytes(f"{root}/links.txt", "\n".join(rows).encode())
        with TemporaryDirectory() as folder:
            storage.write_bytes(f"{root}/corpus.yaml", config_of(Path(folder)).read_bytes())
        done = longtake_here("fetch", f"{root}/corpus.yaml")
        assert done.returncode == 0, done.stderr
        assert web.ranges("/cut.mp4")[1] == f"bytes={len(clip) // 2}-"
    assert storage.read_bytes(f"{root}/videos/p.mp4") == storage.read_bytes(f"{root}/videos/cut.mp4") == clip
    assert storage.read_bytes(f"{root}/subs/p.vtt") == SUBTITLES
    lines = [json.loads(line) for line in storage.read_bytes(f"{root}/videos.jsonl").splitlines()]
    assert [(line["video_id"], line["uri"]) for line in lines] == [("cut", "videos/cut.mp4"), ("p", "videos/p.mp4")]
    assert storage.list_files(f"{root}/fetched/ledger", ".parquet")


def test_behind_a_proxy_only_the_proxy_is_connected_to(tmp_path: Path, clip: bytes) -> None:
    with serving() as proxy:
        page = b"<title>x</title><video src='/b.mp4'></video>"
        proxy.files |= {
            f"http://videos.test{path}": data for path, data in (("/a.mp4", clip), ("/b.mp4", clip), ("/p.html", page))
        }
        ids = {
            "a": "http://videos.test/a.mp4",
            "p": "http://videos.test/p.html",
            "private": "http://169.254.169.254/x.mp4",
        }
        links(tmp_path, *({"video_id": name, "url": url} for name, url in ids.items()))
        done = longtake_here("fetch", str(config_of(tmp_path, allow_private=False, proxy=proxy.url(""))))
        assert done.returncode == 0, done.stderr
        assert sorted(manifest(tmp_path)) == ["a", "p"]
        assert {row["reason"] for row in ledger(tmp_path / "fetched") if row["subject"] == "video"} == {"unsafe_url"}
        assert not any("169.254" in one.path for one in proxy.asked)


def test_metadata_of_a_recipe_are_fetched_and_planned(tmp_path: Path, clip: bytes) -> None:
    """As of Panda-70M. Credentials in a URL stay in the list."""
    with serving() as web:
        web.files["/a.mp4"] = clip
        spans, texts = "[['0:00:00.000', '0:00:01.500'], ['0:00:02.000', '0:00:03.500']]", "['A bear.', 'It swims.']"
        urls = {"a": web.url("/a.mp4").replace("//", "//me:hush-hush-8@"), "gone": web.url("/gone.mp4"), "none": ""}
        rows = ["videoID,url,timestamp,caption", *(f'{name},{url},"{spans}","{texts}"' for name, url in urls.items())]
        (tmp_path / "panda.csv").write_text("\n".join([*rows, 'broken,x,"[","["']))
        config = config_of(tmp_path, urls="panda.csv")
        settings = yaml.safe_load(config.read_text())
        settings["source"] |= {"recipe": "panda70m", "text": {"format": "none"}}
        config.write_text(yaml.safe_dump(settings | {"merge": {"min_sentences": 2}}))
        done = longtake_here("plan", str(config))
        assert done.returncode == 2 and "videos.jsonl: not there yet; `longtake fetch` writes it" in done.stderr
        done = longtake_here("fetch", str(config))
        assert done.returncode == 0, done.stderr
    assert {row["subject_id"]: row["reason"] for row in ledger(tmp_path / "fetched") if row["subject"] != "note"} == {
        "gone": "removed",
        "panda.csv:4": "malformed",
        "panda.csv:5": "malformed",
    }
    said = "".join(path.read_text() for path in (tmp_path / "fetched" / "records").iterdir())
    assert (
        "hush-hush" not in said + (tmp_path / "videos.jsonl").read_text() and "//***@" in manifest(tmp_path)["a"]["url"]
    )
    done = longtake_here("fetch", str(config))  # by its record, the video is here: its server is gone
    assert done.returncode == 0 and list(manifest(tmp_path)) == ["a"]
    assert longtake_here("plan", str(config)).returncode == 0
    explained = longtake_here("explain", str(config), "a").stdout
    assert "It swims." in explained and "videos.jsonl:1" in explained


def test_a_file_that_is_there_is_neither_fetched_nor_replaced(tmp_path: Path, clip: bytes) -> None:
    (tmp_path / "videos").mkdir()
    for name in ("a", "gone"):
        (tmp_path / "videos" / f"{name}.mp4").write_bytes(MAMMALS.read_bytes())
    with serving() as web:
        web.files["/a.mp4"] = clip
        links(tmp_path, *({"video_id": name, "url": web.url(f"/{name}.mp4")} for name in ("a", "gone")))
        assert longtake_here("fetch", str(config_of(tmp_path))).returncode == 0
    assert sorted(manifest(tmp_path)) == ["a", "gone"] and "HTTP 404" in record(tmp_path, "gone")["detail"]
    assert (tmp_path / "videos" / "a.mp4").read_bytes() == MAMMALS.read_bytes()
    assert record(tmp_path, "a")["video"]["sha256"] == hashlib.sha256(MAMMALS.read_bytes()).hexdigest()


def test_what_cannot_work_fails_before_any_request(tmp_path: Path) -> None:
    links(tmp_path, "http://127.0.0.1:9/a.mp4")
    config = config_of(tmp_path, allow_private=["10.0.0.0/33"])
    done = longtake_here("fetch", str(config))
    assert done.returncode == 2 and "corpus.yaml:" in done.stderr and "10.0.0.0/33" in done.stderr
    done = longtake_here("fetch", str(config_of(tmp_path, urls="v*.jsonl")))
    assert done.returncode == 2 and "'videos.jsonl' must be a new file, as videos.jsonl, none of urls" in done.stderr
    config = config_of(tmp_path)
    (tmp_path / "videos.jsonl").write_text('{"video_id": "mine"}\n')
    done = longtake_here("fetch", str(config))
    assert done.returncode == 2 and "is there already" in done.stderr
    done = longtake_here("fetch", str(config), "--set", "source.videos=video*.jsonl")
    assert done.returncode == 2 and "is there already" in done.stderr
    done = longtake_here("fetch", str(config), "--dry-run", "--set", "source.fetch.allow_private=false")
    assert done.returncode == 0, done.stderr  # it writes no records
    assert (tmp_path / "videos.jsonl").read_text() == '{"video_id": "mine"}\n'


def test_a_killed_run_goes_on_where_it_was(tmp_path: Path) -> None:
    data = MAMMALS.read_bytes()
    half = len(data) // 2

    def stall(handler: Handler, number: int) -> None:
        if number > 1:
            return handler.send_file(data)
        handler.send_response(200)
        for name, value in {"Content-Type": "video/mp4", "Content-Length": str(len(data)), "ETag": '"one"'}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(data[:half])
        handler.wfile.flush()
        time.sleep(60)
        return None

    with serving() as web:
        web.files["/a.mp4"] = data
        web.acts["/b.mp4"] = stall
        links(tmp_path, *({"video_id": name, "url": web.url(f"/{name}.mp4")} for name in "ab"))
        config = config_of(tmp_path)
        process = subprocess.Popen(command("fetch", str(config)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        parts, kept = tmp_path / "fetched" / "staging" / "parts", tmp_path / "fetched" / "records" / "a.json"
        until = time.monotonic() + 60
        while time.monotonic() < until and not (kept.exists() and _bytes_in(parts) >= half // 2):
            time.sleep(0.1)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert kept.exists() and not (tmp_path / "videos.jsonl").exists()
        told = longtake_here("status", str(tmp_path / "fetched")).stdout
        assert "fetching, stopped" in told and "1 video fetched or failed so far" in told
        done = longtake_here("fetch", str(config))
        assert done.returncode == 0, done.stderr
        assert web.times("/a.mp4") == 1
        (again,) = web.ranges("/b.mp4")[1:]
        assert again is not None and 0 < int(again.removeprefix("bytes=").rstrip("-")) <= half
    assert (tmp_path / "videos" / "b.mp4").read_bytes() == data
    state = json.loads(longtake_here("status", str(tmp_path / "fetched"), "--json").stdout)
    assert state["running"] is False and state["job"]["ended"] and state["last_run"]["fetched"] == 2
    assert sorted(manifest(tmp_path)) == ["a", "b"] and not _bytes_in(parts) and not leftovers(tmp_path)


def _bytes_in(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*.part")) if folder.exists() else 0


def test_a_host_is_not_asked_more_than_it_may_be(tmp_path: Path, clip: bytes) -> None:
    with serving() as web:
        for number in range(6):
            web.acts[f"/{number}.mp4"] = lambda handler, _: (time.sleep(0.2), handler.send_file(clip))
        links(tmp_path, *(web.url(f"/{number}.mp4") for number in range(6)))
        assert longtake_here("fetch", str(config_of(tmp_path, per_host=2, concurrency=6))).returncode == 0
        assert web.most_at_once == 2
    assert len(manifest(tmp_path)) == 6


@pytest.mark.slow
@pytest.mark.exhaustive  # fifteen seconds, most of them for five starts of the command
def test_the_example_goes_from_urls_to_a_verified_corpus(tmp_path: Path) -> None:
    for name in ("demo", "from-urls"):
        shutil.copytree(REPOSITORY / "examples" / name, tmp_path / "examples" / name)
    script = str(tmp_path / "examples" / "from-urls" / "run.py")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "every check passed" in done.stdout
    fetched = tmp_path / "out" / "from-urls" / "fetched"
    assert sorted(row["reason"] for row in ledger(fetched)) == ["no_captions", "no_captions", "removed"]


@pytest.mark.slow
@pytest.mark.exhaustive  # forty seconds; one run of the same code with two dozen URLs is above
def test_a_thousand_small_files(tmp_path: Path, clip: bytes) -> None:
    with serving() as web:
        for number in range(1000):
            web.acts[f"/{number}.mp4"] = (
                first(clip, 500) if number % 50 == 0 else lambda handler, _: handler.send_file(clip)
            )
        links(tmp_path, *({"video_id": f"v{number}", "url": web.url(f"/{number}.mp4")} for number in range(1000)))
        done = longtake_here("fetch", str(config_of(tmp_path, per_host=8, concurrency=8)))
        assert done.returncode == 0, done.stderr
    digest = hashlib.sha256(clip).hexdigest()
    assert len(manifest(tmp_path)) == 1000
    assert {record(tmp_path, f"v{number}")["video"]["sha256"] for number in range(1000)} == {digest}
