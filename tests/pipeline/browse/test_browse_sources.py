"""Sources: served by ranges, only from folders that the configuration names; captions; a waveform as ffmpeg hears the sound."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from browsing import ALPHA, HOST, PATH_ID, client_of, served
from sources import REPOSITORY

from longtake.pipeline.browse import source_pages
from longtake.pipeline.browse.server import Server
from longtake.pipeline.browse.source_files import NoSource, SourceFiles
from longtake.pipeline.browse.source_pages import webvtt
from longtake.pipeline.decode.waveform import LOUDEST, peaks
from longtake.schemas.config import Limits, load_config
from longtake.schemas.errors import ConfigError
from longtake.schemas.keys import sample_key

TALK = REPOSITORY / "examples" / "demo" / "videos" / "mammals.mp4"
CONFIG = """
name: demo
output: out
source: {videos: videos.jsonl, uri: "videos/{video_id}.mp4", text: {format: vtt, path: "{video_id}.vtt"}}
"""


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A configuration whose folder has alpha.mp4, beta.mp4 as a link out of it, and no other video."""
    folder = tmp_path_factory.mktemp("sources")
    (folder / "videos").mkdir()
    shutil.copy(TALK, folder / "videos" / "alpha.mp4")
    os.symlink(TALK, folder / "videos" / "beta.mp4")
    (folder / "corpus.yaml").write_text(CONFIG)
    return folder / "corpus.yaml"


@pytest.fixture(scope="module")
def playing(built: Path, config: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    found = served(
        built, decisions=str(tmp_path_factory.mktemp("marks") / "d.csv"), config=load_config(str(config), ())
    )
    yield found
    found.close()


def test_a_source_is_served_by_ranges(playing: Server) -> None:
    client = client_of(playing)
    whole = TALK.read_bytes()
    answer = client.get(f"/source/{ALPHA}", headers=HOST | {"Range": "bytes=1000-2999"})
    assert (answer.status_code, answer.mimetype, answer.data) == (206, "video/mp4", whole[1000:3000])
    assert answer.headers["Content-Range"] == f"bytes 1000-2999/{len(whole)}"
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'self'")
    assert client.get(f"/source/{ALPHA}", headers=HOST | {"Range": f"bytes={len(whole)}-"}).status_code == 416
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source_pages, "_MOST_BYTES", 1000)
        answer = client.get(f"/source/{ALPHA}", headers=HOST | {"Range": "bytes=500-"})
    assert (answer.data, answer.headers["Content-Range"]) == (whole[500:1500], f"bytes 500-1499/{len(whole)}")
    tail = client.get(f"/source/{ALPHA}", headers=HOST | {"Range": "bytes=-10"})
    assert tail.data == whole[-10:]
    assert (
        client.get(
            f"/source/{ALPHA}", headers=HOST | {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}
        ).status_code
        == 403
    )


@pytest.mark.parametrize(
    ("video", "why"),
    [
        ("beta", "not in a folder"),  # a link that leads out
        ("gamma", "is gone"),
        (PATH_ID, "not in a folder"),  # videos/../../etc/passwd.mp4
    ],
)
def test_no_other_file_is_served(playing: Server, video: str, why: str) -> None:
    client = client_of(playing)
    key = sample_key(video, 1000, 21502)
    answer = client.get(f"/source/{key}", headers=HOST)
    assert answer.status_code == 404 and why in answer.text
    assert (
        f"cannot be played: the source is {why.removeprefix('is ')}" in client.get(f"/sample/{key}", headers=HOST).text
    )


def test_an_index_cannot_name_a_file_elsewhere(playing: Server, config: Path) -> None:
    entry = playing.site.entries.entry(ALPHA)
    assert entry is not None and playing.site.sources is not None
    (config.parent / "secret.txt").write_text("secret")
    for uri in (
        "/etc/passwd",
        "videos/../secret.txt",
        "secret.txt",
        str(TALK),
        "gs://bucket/a.mp4",
        "videos",
        "videos/",
        "videos/\0.mp4",
    ):
        other = replace(entry, clip=replace(entry.clip, video=replace(entry.clip.video, uri=uri)))
        with pytest.raises(NoSource):
            playing.site.sources.path(other)


def test_without_the_option_nothing_of_a_source_is_served(server: Server) -> None:
    client = client_of(server)
    for path in (f"/source/{ALPHA}", f"/captions/{ALPHA}.vtt", f"/api/waveform/{ALPHA}"):
        assert client.get(path, headers=HOST).status_code == 404
    assert "<video" not in client.get(f"/sample/{ALPHA}", headers=HOST).text


def test_a_configuration_without_folders_is_refused(tmp_path: Path) -> None:
    (tmp_path / "corpus.yaml").write_text(CONFIG.replace('"videos/{video_id}.mp4"', '"gs://bucket/{video_id}.mp4"'))
    with pytest.raises(ConfigError, match="names no folder"):
        SourceFiles(load_config(str(tmp_path / "corpus.yaml"), ()))


def test_captions_are_the_sentences_and_hold_no_markup(playing: Server) -> None:
    text = client_of(playing).get(f"/captions/{ALPHA}.vtt", headers=HOST).text
    assert text.startswith("WEBVTT\n\n1\n00:00:01.000 --> 00:00:07.500\n")
    assert text.count(" --> ") == 3
    entry = playing.site.entries.entry(sample_key(PATH_ID, 1000, 21502))
    assert entry is not None and "<script>" not in webvtt(entry) and "&lt;script&gt;" in webvtt(entry)


def test_the_waveform_is_the_sound_that_ffmpeg_decodes(playing: Server) -> None:
    start, end, number = 51_000, 61_000, 100
    found = np.array(peaks(str(TALK), start, end, number, Limits()))
    command = ["ffmpeg", "-v", "error", "-i", str(TALK), "-ac", "1", "-f", "s16le", "-"]
    sound = np.frombuffer(subprocess.run(command, capture_output=True, check=True).stdout, "<i2").astype(np.int32)
    part = np.abs(sound[start * 441 // 10 : end * 441 // 10]).reshape(number, -1).max(axis=1)
    np.testing.assert_allclose(found, part * LOUDEST / 32768, atol=1.01)  # a sample may fall into the next part
    assert found.max() > 20
    told = client_of(playing).get(f"/api/waveform/{ALPHA}", headers=HOST).get_json()
    assert len(told["peaks"]) == 600 and max(told["peaks"]) > 20
    assert peaks(str(TALK), 5000, 5000, 10, Limits()) == []
