"""Cleaning: what each step takes out, what it leaves, and that every word is there once."""

import random
from dataclasses import replace
from itertools import pairwise
from time import process_time
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from longtake.pipeline.parse.transcripts.cue import BREAK, Cue, Word
from longtake.pipeline.parse.transcripts.parse import parse_transcript
from longtake.pipeline.text.clean.at_once import _groups, _none_at_once, once
from longtake.pipeline.text.clean.boilerplate import remove_boilerplate
from longtake.pipeline.text.clean.clean import clean
from longtake.pipeline.text.clean.edit_cue import edited
from longtake.pipeline.text.clean.loops import remove_loops
from longtake.pipeline.text.clean.rolling import unroll
from longtake.pipeline.text.clean.sound_tags import remove_sound_tags
from longtake.pipeline.text.clean.speakers import remove_speakers
from longtake.schemas.reasons import Reason, Stage
from longtake.schemas.text_config import Clean

VOCABULARY = [
    "so",
    "we",
    "go",
    "on",
    "and",
    "then",
    "the",
    "bear",
    "eats",
    "a",
    "fish",
    "it",
    "does",
    "not",
    "sleep",
    "yet",
]


def cues_of(*texts: str, length: int = 1000, gap: int = 0) -> list[Cue]:
    step = length + gap
    return [Cue(f"v.{i + 1}", i * step, i * step + length, text) for i, text in enumerate(texts)]


def texts(cues: list[Cue]) -> list[str]:
    return [cue.text for cue in cues]


# -- editing -----------------------------------------------------------------------------------------------------------


def test_a_cue_with_another_text_keeps_all_else() -> None:
    cue = Cue("v.1", 1, 2, "so we go", ((0, 1, 2),), 0.5, False, ("Anna",))
    told = cue.with_text("we go", ((0, 1, 1),), True, ("Ben",))
    assert told == replace(cue, text="we go", words=((0, 1, 1),), turn=True, speakers=("Ben",))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3000), st.sampled_from((1, 10, 250, 251, 300, 500, 501, 600, 2000)))))
def test_cues_taken_for_apart_are_each_a_group(spans: list[tuple[int, int]]) -> None:
    cues = [Cue(f"v.{i}", start, start + length, "so") for i, (start, length) in enumerate(spans, 1)]
    if _none_at_once(cues):
        assert all(len(group) == 1 for group in _groups(cues))


def test_words_keep_their_times_when_text_is_taken_out() -> None:
    cue = Cue("v.1", 0, 900, "so [x] we go", ((0, 0, 100), (3, 200, 300), (7, 400, 500), (10, 600, 700)))
    rest = edited(cue, [(3, 6, "")])
    assert (rest.text, rest.words) == ("so we go", ((0, 0, 100), (3, 400, 500), (6, 600, 700)))
    rest = edited(cue, [(0, 6, "")])
    assert (rest.text, rest.words) == ("we go", ((0, 400, 500), (3, 600, 700)))
    rest = edited(cue, [(6, 12, "")])
    assert (rest.text, rest.words) == ("so [x]", ((0, 0, 100), (3, 200, 300)))
    assert edited(cue, [(0, 12, "")]).words == ()


@settings(derandomize=True, deadline=None)
@given(st.text("ab \n", max_size=20), st.data())
def test_an_edit_leaves_the_rest_in_order(text: str, data: st.DataObject) -> None:
    text = "\n".join(" ".join(line.split()) for line in text.split("\n") if line.split())
    offsets = [i for i, c in enumerate(text) if not c.isspace()]
    marks: tuple[Word, ...] = tuple((o, 10 * o, 10 * o + 5) for o in offsets)
    places = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=4)))
    edits = [(a, b, "") for a, b in zip(places[::2], places[1::2], strict=False)]
    rest = edited(Cue("v.1", 0, 999, text, marks), edits)
    kept = [c for i, c in enumerate(text) if not any(a <= i < b for a, b, _ in edits)]
    assert "".join(rest.text.split()) == "".join("".join(kept).split())
    assert all(a < b and s <= t for (a, s, _), (b, t, _) in pairwise(rest.words))
    assert [text[start // 10] for _, start, _ in rest.words] == [rest.text[at] for at, _, _ in rest.words]
    assert "  " not in rest.text


# -- rolling captions --------------------------------------------------------------------------------------------------


def lines_of(words: list[str], per_line: int) -> list[str]:
    return [" ".join(words[i : i + per_line]) for i in range(0, len(words), per_line)]


def youtube(lines: list[str], timed: bool) -> str:
    """Rolling captions as YouTube writes them: the line before, the new line; then 10 ms of the new line alone."""
    out, before, at = "WEBVTT\n", " ", 0
    for line in lines:
        first, *rest = line.split()
        new = (
            first + "".join(f"<{stamp(at + 300 * (i + 1))}><c> {w}</c>" for i, w in enumerate(rest)) if timed else line
        )
        end = at + 300 * (len(rest) + 1)
        out += f"\n{stamp(at)} --> {stamp(end)} align:start position:0%\n{before}\n{new}\n"
        out += f"\n{stamp(end)} --> {stamp(end + 10)} align:start position:0%\n{line}\n \n"
        before, at = line, end + 10
    return out


def live(words: list[str], rng: random.Random) -> str:
    """Captions that grow by some characters at a time, on three lines that scroll."""
    out, at, screen = "WEBVTT\n", 0, [""]
    for number, word in enumerate(words):
        if number and number % 5 == 0:
            screen = [*screen, ""][-3:]
        text = f" {word}" if screen[-1] else word
        while text:
            size = rng.randint(1, 4)
            screen[-1], text = screen[-1] + text[:size], text[size:]
            shown = "\n".join(line.rstrip() or " " for line in screen)
            out += f"\n{stamp(at)} --> {stamp(at + 100)}\n{shown}\n"
            at += 100
    return out


def stamp(ms: int) -> str:
    return f"{ms // 3_600_000:02d}:{ms // 60_000 % 60:02d}:{ms // 1000 % 60:02d}.{ms % 1000:03d}"


def said(cues: list[Cue]) -> list[str]:
    return " ".join(cue.text for cue in cues).split()


@settings(derandomize=True, deadline=None, max_examples=150)
@given(st.lists(st.sampled_from(VOCABULARY), min_size=12, max_size=60), st.integers(3, 6), st.booleans())
def test_each_word_of_rolling_captions_is_there_once(words: list[str], per_line: int, timed: bool) -> None:
    cues = parse_transcript(youtube(lines_of(words, per_line), timed).encode(), "v", "v.vtt", "vtt").cues
    cleaned = unroll(cues)
    assert said(cleaned.cues) == words
    assert len(cleaned.cues) + len(cleaned.gone) == len(cues)
    if timed:
        starts = [start for cue in cleaned.cues for _, start, _ in cue.words or ((0, cue.start_ms, 0),)]
        expected = [300 * i + 10 * (i // per_line) for i in range(len(words))]
        assert starts == expected, "and at its time"


@settings(derandomize=True, deadline=None, max_examples=80)
@given(st.lists(st.sampled_from(["alpha", "bravo", "charlie", "delta"]), min_size=12, max_size=40), st.integers(0, 99))
def test_each_word_of_live_captions_is_there_once(words: list[str], seed: int) -> None:
    distinct = [f"{word}{i}" for i, word in enumerate(words)]
    data = live(distinct, random.Random(seed)).encode()
    cues = parse_transcript(data, "v", "v.vtt", "vtt").cues
    cleaned = unroll(cues)
    assert said(cleaned.cues) == distinct
    times = [start for cue in cleaned.cues for _, start, _ in (cue.words or ((0, cue.start_ms, 0),))]
    assert times == sorted(times)


def test_rolling_captions_whose_lines_were_joined() -> None:
    words = [f"w{i}" for i in range(40)]
    lines = lines_of(words, 5)
    cleaned = unroll(cues_of(*(f"{a} {b}" for a, b in pairwise(lines))))
    assert said(cleaned.cues) == words


@settings(derandomize=True, deadline=None)
@given(st.lists(st.sampled_from(["Here.", "Yes.", "Thank you.", "I do.", "No.", "Mr. Smith?"]), max_size=30))
def test_what_is_said_twice_stays_in_captions_that_do_not_roll(spoken: list[str]) -> None:
    cleaned = unroll(cues_of(*spoken))
    assert (texts(cleaned.cues), cleaned.gone) == (spoken, [])


def test_a_line_said_twice_on_a_rolling_screen_stays() -> None:
    screens = ["a b c", "a b c\nThank you.", "Thank you.\nThank you.", "Thank you.\nd e f", "d e f\ng h"]
    assert said(unroll(cues_of(*screens)).cues) == [
        "a",
        "b",
        "c",
        "Thank",
        "you.",
        "Thank",
        "you.",
        "d",
        "e",
        "f",
        "g",
        "h",
    ]


# -- tags, labels, boilerplate -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("[Music]", None),
        ("\u266a \u266a", None),
        ("(applause)", None),
        ("so [Applause] we go", "so we go"),
        ("[ __ ] so", "so"),
        ("(LAUGHS) so", "so"),
        ("(door opens)\nso we go", "so we go"),
        ("\u266a we are \u266a", "we are"),
        ("*laughs* so", "so"),
        ("\u3010拍手\u3011はい", "はい"),
        ("\uff08笑\uff09はい", "はい"),
        ("(Applaus) also", "also"),
        ("[\u043c\u0443\u0437\u044b\u043a\u0430] да", "да"),
        ("HD (high definition) video", "HD (high definition) video"),
        ("call (555) 1234", "call (555) 1234"),
        ("2 * 3 * 4", "2 * 3 * 4"),
        ("a [b", "a [b"),
        ("f(x) is humble (so they say)", "f(x) is humble (so they say)"),
    ],
)
def test_sound_tags(text: str, left: str | None) -> None:
    cleaned = remove_sound_tags(cues_of(text))
    assert texts(cleaned.cues) == ([] if left is None else [left])
    assert len(cleaned.gone) == (left is None)
    assert (cleaned.removals > 0) == (left != text)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (">> so we go", "so we go"),
        (">>> GOOD day", "GOOD day"),
        ("we go >> and then", f"we go {BREAK}and then"),
        ("- Who?\n- Me.", f"Who?\n{BREAK}Me."),
        ("\u2013 Wer?", "Wer?"),
        ("MR. SMITH: so we go", "so we go"),
        ("SPEAKER_00: hello", "hello"),
        ("yes. DR. JONES: no", f"yes. {BREAK}no"),
        ("Note: this stays", "Note: this stays"),
        ("it is 5 - 3", "it is 5 - 3"),
        ("-5 degrees", "-5 degrees"),
        ("a \u00bbquote\u00ab b", "a \u00bbquote\u00ab b"),
        ("x >> y", f"x {BREAK}y"),
    ],
)
def test_speaker_labels(text: str, left: str) -> None:
    assert texts(remove_speakers(cues_of(text, "lower case")).cues) == [left, "lower case"]


def test_names_are_not_looked_for_where_all_is_in_capitals() -> None:
    assert texts(remove_speakers(cues_of("ITEM ONE: THE VOTE")).cues) == ["ITEM ONE: THE VOTE"]
    assert texts(remove_speakers(cues_of(">>")).cues) == []


@pytest.mark.parametrize(
    "credit",
    [
        "Subtitles by the Amara.org community",
        "Untertitel der Amara.org-Community",
        "Sous-titres r\u00e9alis\u00e9s par la communaut\u00e9 d'Amara.org",
        "Untertitel von Stephanie Geiges",
        "Transcription by CastingWords",
        "Captions by GetTranscribed.com",
        "Subtitles: Jane Doe",
        "\u0421\u0443\u0431\u0442\u0438\u0442\u0440\u044b \u0441\u043e\u0437\u0434\u0430\u0432\u0430\u043b DimaTorzok",
        "\u5b57\u5e55by\u7d22\u862d\u5a05",
    ],
)
def test_credits_go_from_any_file(credit: str) -> None:
    cleaned = remove_boilerplate(cues_of("so we go", credit, "and on"), from_recognition=False)
    assert texts(cleaned.cues) == ["so we go", "and on"]
    assert [cue.cue_id for cue, _ in cleaned.gone] == ["v.2"]


@pytest.mark.parametrize(
    "text",
    [
        "Subtitles are useful.",
        "The transcription by RNA polymerase begins",
        "We translated by hand and",
        "www.example.com",
    ],
)
def test_talk_of_subtitles_is_no_credit(text: str) -> None:
    assert texts(remove_boilerplate(cues_of(text), from_recognition=True).cues) == [text]


def test_a_courtesy_goes_only_where_nobody_can_have_said_it() -> None:
    thanks = "Thanks for watching!"
    assert texts(remove_boilerplate(cues_of("a", thanks), from_recognition=True).cues) == ["a", thanks]
    assert texts(remove_boilerplate(cues_of(thanks, "a", thanks), from_recognition=False).cues) == [thanks, "a", thanks]
    assert texts(remove_boilerplate(cues_of(thanks, "a", thanks), from_recognition=True).cues) == ["a", thanks]
    silent = [Cue("v.1", 0, 1000, thanks, no_speech=0.9)]
    assert remove_boilerplate(silent, from_recognition=True).cues == []


# -- loops -------------------------------------------------------------------------------------------------------------


def test_loops_within_a_cue_and_through_cues() -> None:
    looped = "Alright, " + ", ".join(["got them"] * 20)
    cleaned = remove_loops(cues_of("Go on.", looped, "got them, got them, got", "them, got them.", "Then we left."), 5)
    assert texts(cleaned.cues) == ["Go on.", "Alright, got them,", "Then we left."]
    assert [cue.cue_id for cue, _ in cleaned.gone] == ["v.3", "v.4"]
    assert texts(remove_loops(cues_of(*["I'm sorry."] * 29), 5).cues) == ["I'm sorry."]
    assert texts(remove_loops(cues_of(*["ご視聴ありがとう"] * 9), 5).cues) == ["ご視聴ありがとう"]


@pytest.mark.parametrize("spoken", [["no no no no no no"], ["I'm sorry."] * 4, ["Yes.", "No."] * 3, ["ha"] * 9])
def test_what_people_repeat_stays(spoken: list[str]) -> None:
    assert texts(remove_loops(cues_of(*spoken), 5).cues) == spoken


@settings(derandomize=True, deadline=None, max_examples=200)
@given(
    st.lists(
        st.lists(st.sampled_from(["the bear", "eats", "a fish,", "so", "熊"]), min_size=1).map(" ".join), max_size=12
    )
)
def test_a_loop_leaves_its_first_time_and_everything_else(spoken: list[str]) -> None:
    cleaned = remove_loops(cues_of(*spoken), 5)
    left, before = said(cleaned.cues), " ".join(spoken).split()
    rest = iter(before)
    assert all(word in rest for word in left), "a part of what was there, in order"
    assert set("".join(left).replace(",", "")) == set("".join(before).replace(",", ""))
    assert len(cleaned.cues) + len(cleaned.gone) == len(spoken)
    again = remove_loops(cleaned.cues, 5)
    assert len(said(again.cues)) <= len(left)


# -- all of it ---------------------------------------------------------------------------------------------------------


def test_each_cue_that_goes_has_its_reason() -> None:
    spoken = ["[Music]", ">>", "Subtitles by the Amara.org community", *["I'm sorry."] * 6, "So we go."]
    cleaned = clean(cues_of(*spoken), "v", Clean())
    assert texts(cleaned.cues) == ["I'm sorry.", "So we go."]
    rows = {(d.video_id, d.stage, d.subject_id): d.reason for d in cleaned.drops}
    assert rows == {
        ("v", Stage.CLEAN, "v.1"): Reason.SOUND_TAG,
        ("v", Stage.CLEAN, "v.2"): Reason.SPEAKER_LABEL,
        ("v", Stage.CLEAN, "v.3"): Reason.BOILERPLATE,
        **{("v", Stage.CLEAN, f"v.{n}"): Reason.LOOP for n in range(5, 10)},
    }
    assert cleaned.removals == {"sound_tags": 1, "speakers": 1, "boilerplate": 1, "loops": 5}


@pytest.mark.parametrize("off", ["rolling", "sound_tags", "speakers", "boilerplate", "loops"])
def test_each_step_has_a_switch(off: str) -> None:
    rolls = ["a b", "a b\nc d", "c d\ne f", "e f\ng h"]
    spoken = ["[Music] x", ">> y", "Subtitles by the Amara.org community", ", ".join(["I'm sorry"] * 12)]
    cues = cues_of(*rolls, *spoken)
    every: dict[str, Any] = {"rolling": False, "sound_tags": False, "speakers": False, "boilerplate": False, "loops": 0}
    assert texts(clean(cues, "v", Clean(**every)).cues) == [*rolls, *spoken]
    value = 0 if off == "loops" else False
    assert off not in clean(cues, "v", Clean(**{off: value})).removals
    assert off in clean(cues, "v", Clean()).removals


@settings(derandomize=True, deadline=None, max_examples=200)
@given(st.lists(st.text(st.sampled_from("ab [](){}*->:.\n\u266a\u1e9e\u0130熊"), max_size=14), max_size=10))
def test_no_text_makes_cleaning_fail_and_every_cue_ends_in_one_place(spoken: list[str]) -> None:
    shaped = ["\n".join(" ".join(line.split()) for line in t.split("\n") if line.split()) for t in spoken]
    cues = cues_of(*(text for text in shaped if text))
    cleaned = clean(cues, "v", Clean())
    assert sorted([c.cue_id for c in cleaned.cues] + [d.subject_id for d in cleaned.drops]) == sorted(
        {c.cue_id for c in cues} - grown(cues, cleaned)
    )


def grown(cues: list[Cue], cleaned: Any) -> set[str]:
    """Cues that only made another one longer: they are neither left nor lost."""
    named = {c.cue_id for c in cleaned.cues} | {d.subject_id for d in cleaned.drops}
    lost = {c.cue_id for c in cues} - named
    assert not lost or cleaned.removals["rolling"] >= len(lost)
    return lost


@pytest.mark.parametrize(
    "screens",
    [
        ["a\n" * 20_000 + "a", "a\n" * 20_000 + "b", "b\n" + "a\n" * 20_000 + "a"],
        ["a " * 50_000 + "a", "a " * 50_000 + "b", "a a a c " * 10_000 + "a"],
        ["(a) " * 60_000 + "x"],
    ],
)
def test_screens_of_any_size_take_no_time(screens: list[str]) -> None:
    started = process_time()
    for step in (unroll, remove_sound_tags):
        step(cues_of(*screens))
    assert process_time() - started < 2


def test_a_tag_that_fills_its_line_goes() -> None:
    assert texts(remove_sound_tags(cues_of("so\n- (rustles) \nwe", "so (quietly) we", "- (a)\n(b) so")).cues) == [
        "so\n- we", "so (quietly) we", "- (b) so",
    ]  # fmt: skip


CREDITS = """Untertitel von Stephanie Geiges|Субтитры создавал DimaTorzok|Napisy: Jan Kowalski|Titulky vytvořil JohnyX|Legendas: João Silva
Ondertiteld door de Amara.org gemeenschap|תרגום: דנה לוי|자막 제공: 김철수|字幕:山田太郎|字幕志愿者 某某|Phụ đề bởi Nguyễn Văn A|Altyazı M.K.
Felirat: Kovács Béla|Υπότιτλοι AUTHORWAVE|Suomennos: Matti Virtanen|Subtitrarea: Ion Popescu|Prijevod: Ivan Horvat|แปลโดย สมชาย
زیرنویس: علی رضایی|ترجمة نور سالم|Subtitle oleh Budi Santoso|अनुवाद: राम शर्मा|Sottotitoli a cura di QTSS|Subtitulado por Cadena SER
Textning: Anna Svensson|Undertekster: Ole Hansen|Teksting av Ola Nordmann|Traduction : Jean Petit|Copyright WDR 2021|Sous-titrage ST' 501
Редактор субтитров А.Иванова Корректор Б.Петрова|Untertitel im Auftrag des ZDF für funk, 2017"""
SPEECH = """Translation: the house is on fire.|Caption: a dog on a red boat.|Corrected by my teacher, I tried again.
Übersetzung: Das Haus brennt.|Traducción: la casa está en llamas.|翻译:房子着火了。|翻译这句话很难|Перевод: дом горит.|번역이 어렵다|字幕很重要
ترجمة هذه الجملة صعبة جدا علينا|Untertitel sind nützlich|Korekta tekstu jest ważna|Titulky jsou důležité|Sync: the phone again|자막이 없어요
Transcription: DNA becomes RNA.|Translation: Good Morning|Legenda: um cão num barco|Subtitles by people who care|Copyright is a right."""


@pytest.mark.parametrize("credit", CREDITS.replace("\n", "|").split("|"))
def test_credits_of_all_languages_go(credit: str) -> None:
    assert texts(remove_boilerplate(cues_of("so we go", credit), from_recognition=False).cues) == ["so we go"]


@pytest.mark.parametrize("spoken", SPEECH.replace("\n", "|").split("|"))
def test_speech_that_begins_like_a_credit_stays(spoken: str) -> None:
    assert texts(remove_boilerplate(cues_of(spoken), from_recognition=False).cues) == [spoken]


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("It rained (humidity was constant) there.", None),
        ("The agency (NASA) launched it.", None),
        ("He came (and nobody saw him come).", None),
        ("Er kam (das Haus war leer) zurück.", None),
        ("He said (laughing) so.", "He said so."),
        ("So (upbeat music playing) we go.", "So we go."),
        ("So (APPLAUSE) we go.", "So we go."),
        ("Bon (rires) oui.", "Bon oui."),
        ("(audience laughing and clapping)\nYes.", "Yes."),
        ("(I was there and it was not so)", None),
        ("*not* so", None),
        ("[SPEAKER_00]: so", None),
        ("[Anna]: so", None),
    ],
)
def test_brackets_hold_a_sound_only_where_every_word_describes_one(text: str, left: str | None) -> None:
    assert texts(remove_sound_tags(cues_of(text)).cues) == [left or text]


@pytest.mark.parametrize(
    ("text", "left", "speakers"),
    [
        ("[SPEAKER_00]: so", "so", ("SPEAKER_00",)),
        ("[SPEAKER_01] so", "so", ("SPEAKER_01",)),
        ("[Anna]: so", "so", ("Anna",)),
        ("Speaker 1: so", "so", ("Speaker 1",)),
        ("Sprecher 2: so", "so", ("Sprecher 2",)),
        ("Спикер 1: так", "так", ("Спикер 1",)),
        ("JOSÉ: so", "so", ("JOSÉ",)),
        ("DR. MÜLLER: so", "so", ("DR. MÜLLER",)),
        ("ИВАН: так", "так", ("ИВАН",)),
        ("so. ÁNA: no", f"so. {BREAK}no", (None, "ÁNA")),
        ("说话人1：你好", "你好", ("说话人1",)),
        ("At 10:30 we go", "At 10:30 we go", ()),
        ("Note: so", "Note: so", ()),
    ],
)
def test_labels_go_and_their_names_stay(text: str, left: str, speakers: tuple[str | None, ...]) -> None:
    (cue, _) = remove_speakers(cues_of(text, "lower case")).cues
    assert (cue.text, cue.speakers) == (left, speakers)


def test_names_in_small_letters_are_labels_where_two_speak_again_and_again() -> None:
    said = ["Anna: so", "José: yes", "Anna: no", "José: well", "Note: this"]
    cues = remove_speakers(cues_of(*said)).cues
    assert texts(cues) == ["so", "yes", "no", "well", "Note: this"]
    assert [cue.speakers for cue in cues] == [("Anna",), ("José",), ("Anna",), ("José",), ()]
    once_each = ["Anna: so", "José: yes"]
    assert texts(remove_speakers(cues_of(*once_each)).cues) == once_each


def test_a_loop_leaves_what_only_begins_or_ends_alike() -> None:
    phrase = "to become a member one must pay and then wait for a letter from the office of the club"
    cues = cues_of("we go to the club", *[phrase] * 6, "to be honest we left")
    cleaned = remove_loops(cues, 5, from_recognition=False)
    assert texts(cleaned.cues) == ["we go to the club", phrase, "to be honest we left"]
    partly = remove_loops(cues_of("so " + "we want more " * 12 + "and so on"), 5, from_recognition=False)
    assert texts(partly.cues) == ["so we want more and so on"]
    assert len(partly.shortened) == 1, "the ledger has a note on what was taken out of a cue that stays"


@pytest.mark.parametrize("order", ["pairs", "blocks"])
def test_of_two_languages_at_one_time_one_stays(order: str) -> None:
    german = ["Das ist ein Haus und es ist alt.", "Wir gehen nicht in das Haus.", "Der Wald ist auch alt."]
    english = ["This is a house and it is old.", "We do not go into the house.", "The forest is old too."]
    one = [Cue(f"v.{i}", i * 1000, i * 1000 + 900, text) for i, text in enumerate(german)]
    two = [Cue(f"w.{i}", i * 1000 + 20, i * 1000 + 880, text) for i, text in enumerate(english)]
    cues = one + two if order == "blocks" else [cue for pair in zip(one, two, strict=True) for cue in pair]
    assert texts(once(cues).cues) == german
    kept = once(cues, ["fr", "en"])
    assert texts(kept.cues) == english
    assert len(kept.gone) == 3
    lines = [
        Cue(f"v.{i}", i * 1000, i * 1000 + 900, f"{a}\n{b}")
        for i, (a, b) in enumerate(zip(german, english, strict=True))
    ]
    assert texts(once(lines).cues) == german
    assert len(once(lines).shortened) == 3


def test_two_people_who_speak_at_once_both_stay() -> None:
    cues = [
        Cue(f"v.{i}", i // 2 * 1000, i // 2 * 1000 + 900, f"This is what the {n} of us said.")
        for i, n in enumerate("abcdef")
    ]
    assert once(cues).cues == cues
