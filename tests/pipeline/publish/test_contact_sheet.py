"""The contact sheet shows every frame and all of the text, and nothing covers anything."""

import io
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import corpora
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from longtake.pipeline.corpus.find_sample import find_sample, read_entry, read_files
from longtake.pipeline.publish import contact_sheet as sheets
from longtake.pipeline.publish.contact_sheet import contact_sheet, to_png
from longtake.pipeline.publish.sheet_text import Colour, Typeface
from longtake.schemas.layout import frame_member
from longtake.schemas.records import IndexEntry, Sentence

Loaded = tuple[IndexEntry, dict[str, bytes]]


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    layout = corpora.build(tmp_path_factory.mktemp("corpus"), ("alpha",))
    found = find_sample(layout, "alpha-000001000-000021502")
    assert found is not None
    entry = read_entry(layout, found)
    files, is_sound = read_files(layout, entry)
    assert is_sound
    return entry, files


def with_frames(sample: Loaded, per_sentence: int, size: tuple[int, int]) -> Loaded:
    """The sample with other frames: each of one colour that no other has."""
    entry, _ = sample
    number = per_sentence * len(entry.clip.sentences)
    times = tuple(1000 + 137 * n for n in range(number))
    files = {}
    for n in range(number):
        out = io.BytesIO()
        Image.new("RGB", size[::-1], colour(n)).save(out, "JPEG", quality=100, subsampling=0)
        files[f"{entry.clip.key}.{frame_member(n, len(entry.clip.frame_times_ms))}"] = out.getvalue()
    return replace(entry, clip=replace(entry.clip, frame_times_ms=times), frame_pts_ms=times, frame_size=size), files


def colour(number: int) -> tuple[int, int, int]:
    return 250, 10 + 9 * (number % 26), 10 + 40 * (number // 26)


def with_text(sample: Loaded, text: str) -> Loaded:
    entry, files = sample
    first, *others = entry.clip.sentences
    return replace(entry, clip=replace(entry.clip, sentences=(replace(first, text=text), *others))), files


@pytest.mark.parametrize(
    ("per_sentence", "size"),
    [(1, (48, 64)), (2, (240, 426)), (8, (240, 426)), (8, (426, 240)), (20, (16, 300)), (3, (300, 16))],
)
def test_every_frame_is_there_once_in_order_and_whole(sample: Loaded, per_sentence: int, size: tuple[int, int]) -> None:
    entry, files = with_frames(sample, per_sentence, size)
    sheet = contact_sheet(entry, files)
    assert 900 <= sheet.width <= 1800
    pixels = np.asarray(sheet).astype(int)
    boxes = []
    for n in range(3 * per_sentence):
        rows, columns = np.nonzero((abs(pixels - colour(n)) <= 3).all(axis=2))
        box = (rows.min(), columns.min(), rows.max(), columns.max())
        area = (box[2] - box[0] + 1) * (box[3] - box[1] + 1)
        assert len(rows) == area  # nothing drawn over it, nothing of its colour elsewhere
        assert (box[3] - box[1] + 1) / (box[2] - box[0] + 1) == pytest.approx(size[1] / size[0], rel=0.1)
        boxes.append(box)
    assert boxes == sorted(boxes)


def test_long_text_is_wrapped_in_full_and_makes_the_sheet_longer(
    sample: Loaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[tuple[str, float, float]] = []
    draw = Typeface.draw

    def spy(self: Typeface, canvas: ImageDraw.ImageDraw, at: tuple[float, float], text: str, ink: Colour) -> None:
        drawn.append((text, at[0] + self.width(text), at[1]))
        draw(self, canvas, at, text, ink)

    monkeypatch.setattr(Typeface, "draw", spy)
    words = [f"word{n}" for n in range(150)]
    plain = contact_sheet(*sample)
    drawn.clear()
    sheet = contact_sheet(*with_text(sample, " ".join([*words, "x" * 300])))
    assert sheet.height > plain.height
    lines = [text for text, *_ in drawn if text.startswith(("word", "xxx"))]
    assert " ".join(lines).split()[:150] == words
    assert sum(line.count("x") for line in lines) == 300
    assert max(right for _, right, _ in drawn) <= sheet.width
    assert max(y for *_, y in drawn) < sheet.height
    baselines = [y for text, _, y in drawn if text in lines]
    assert all(b - a >= 19 for a, b in pairwise(baselines))


@pytest.mark.parametrize("damage", ["missing", "cut", "not a picture", "other size"])
def test_a_damaged_frame_is_marked_and_the_others_are_shown(sample: Loaded, damage: str) -> None:
    entry, files = with_frames(sample, 2, (48, 64))
    name = f"{entry.clip.key}.002.jpg"
    spoilt = dict(files)
    if damage == "missing":
        del spoilt[name]
    else:
        spoilt[name] = {"cut": files[name][:200], "not a picture": b"x", "other size": corpora.jpeg(1, (50, 64))}[
            damage
        ]
    pixels = np.asarray(contact_sheet(entry, spoilt)).astype(int)
    seen = [bool((abs(pixels - colour(n)) <= 3).all(axis=2).any()) for n in range(6)]
    assert seen == [True, True, False, True, True, True]
    assert (pixels == sheets._WARNING).all(axis=2).any()


def test_bytes_are_a_png(sample: Loaded) -> None:
    with Image.open(io.BytesIO(to_png(contact_sheet(*sample)))) as picture:
        assert picture.format == "PNG"


def test_refuses_a_sheet_that_no_viewer_opens(sample: Loaded) -> None:
    entry, files = sample
    many = tuple(Sentence("c", n, n + 1, "w") for n in range(2000))
    with pytest.raises(ValueError, match="2000 sentences would be"):
        contact_sheet(replace(entry, clip=replace(entry.clip, sentences=many)), files)


def ink(typeface: Typeface, text: str) -> bytes:
    canvas = Image.new("RGB", (200, 60), "white")
    typeface.draw(ImageDraw.Draw(canvas), (5, 40), text, (0, 0, 0))
    return canvas.tobytes()


class TestText:
    def test_accented_latin_shows(self) -> None:
        """A machine without any font with accents shows the letters without."""
        typeface = Typeface(20)
        pictures = {c: ink(typeface, c) for c in "éèçñöőŁßeconolL"}
        assert len({pictures[c] for c in "econl"}) == 5
        missing = ink(typeface, "\U0010fffd")
        assert all(picture != missing for picture in pictures.values())
        if len(typeface.faces) > 1:
            assert len(set(pictures.values())) == len(set("éèçñöőŁßeconolL"))

    def test_falls_back_letter_by_letter(self) -> None:
        """Pillow's own font knows ASCII only: an accent is left out, and a script it cannot show becomes one mark each."""
        typeface = Typeface(20, [ImageFont.load_default(20)])
        assert ink(typeface, "caffè") == ink(typeface, "caffe")
        assert ink(typeface, "日本") == ink(typeface, "??")

    def test_uses_the_first_font_that_has_the_letter(self) -> None:
        whole = Typeface(20)
        if len(whole.faces) == 1:
            pytest.skip("this machine has no font but Pillow's")
        both = Typeface(20, [ImageFont.load_default(20), *whole.faces])
        assert ink(both, "é") == ink(Typeface(20, whole.faces[:1]), "é")
        assert both.width("aéa") == pytest.approx(2 * both.width("a") + both.width("é"))

    def test_wraps(self) -> None:
        typeface = Typeface(20)
        lines = typeface.wrap("one two three " + "w" * 60 + " end", 150)
        assert "".join(lines).replace(" ", "") == "onetwothree" + "w" * 60 + "end"
        assert all(typeface.width(line) <= 150 for line in lines)
        assert typeface.wrap("", 150) == [""]
        assert typeface.wrap("one two", 1000) == ["one two"]


def test_reads_no_more_of_the_tar_than_the_sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layout = corpora.build(tmp_path)
    found = find_sample(layout, "gamma")
    assert found is not None
    entry = read_entry(layout, found)
    path = Path(layout.shard(entry.shard))
    data = bytearray(path.read_bytes())
    start, last = entry.members[0].offset, entry.members[-1]
    data[:start] = b"\xff" * start
    data[last.offset + last.size :] = b"\xff" * 999
    path.write_bytes(data)
    assert read_files(layout, entry)[1] is True
    path.write_bytes(data[: last.offset])
    assert read_files(layout, entry)[1] is False
