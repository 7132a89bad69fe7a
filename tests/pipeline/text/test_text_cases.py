"""Small inputs that went wrong once, each after a public bug report: ../shared/data/cases/text. Its README says what is wanted."""

from pathlib import Path

import pytest

from longtake.pipeline.filters.speech import without_mojibake
from longtake.pipeline.parse.transcripts.cue import Transcript
from longtake.pipeline.text.video_text import OwnText, finish_transcript, read_transcript
from longtake.schemas.config import CorpusConfig, load_config
from longtake.schemas.words import count_words, words_of

pytestmark = pytest.mark.shared_data

#: The sentences of each file, divided by a bar.
WANTED = {
    "b5_layers_running.srt": "The harbour was built in nineteen ten.|Most of the ships carried coal and later they carried people.",
    "b7_two_languages_same_time.srt": "我从来没有见过像他这样的人。|他总是第一个到办公室。",
    "c10_first_number_missing.srt": "Open the door slowly.|Then look to the left.|There should be a lamp on the small table.",
    "c11_first_number_bom_inside.srt": "Open the door slowly.|Then look to the left.|There should be a lamp on the small table.",
    "c6_double_bom.srt": "Grüße aus München, schöne Straße!|Das ist größer als früher.|Wir üben jeden Tag zwölf Stücke.|"
    "Danach hören wir auf.",
    "cp1252_fr.srt": "Voilà l'été, enfin arrivé.|Le café est déjà prêt.|Où êtes-vous allés hier ?|Nous étions à la forêt.",
    "utf8_fr.srt": "Voilà l'été, enfin arrivé.|Le café est déjà prêt.|Où êtes-vous allés hier ?|Nous étions à la forêt.",
    "gb_zh.srt": "大家好，欢迎来到我的频道。|今天我们一起做一道家常菜。|首先把鸡蛋打散，再加一点盐。|然后开小火慢慢地炒。",
    "d1_translated_times.srt": "The first line is fine.|The third line is fine again.|And so is the fourth.",
    "e1_ass_in_srt.srt": "Look up at the sky.|It is so blue.|The birds fly south.|Winter is coming soon.",
    "e2_real_ass.ass": "Good morning to you.|Have you slept well?",
    "e7_teams.vtt": "Did you send the report|I did that on Monday|and who has read it so far?|Nobody.",
    "f1_whisperx_speakers.srt": "Where did you grow up?|In a small town near the sea.|My father was a fisherman.|And your mother?",
    "f3_round_brackets.srt": "We measured the heat (humidity was constant) for ten days.|He works in Asia (Singapore mostly) and likes it.|"
    "The eye (sight is complex) needs light.|The agency (NASA) launched it in May.|Prices (single tickets) went up again.|"
    "He said that it was fine.",
    "f5_credit_like_speech.srt": "Translation: the house is on fire.|Caption: a dog on a red boat.|"
    "Corrected by my teacher, I tried again.|Transcription: DNA becomes RNA.|Now we look at the second step.",
    "f6_whisper_credits.json": "We walked along the river.",
    "f8_prefix_words.srt": "It was a mistake (human error) in the end.|They sell coins (crypto only) to anyone.|"
    "The room (bell tower) is closed today.|We grow beans (humble ones) behind the house.|"
    "He is a doctor (whispering aside) they say.",
    "g1_loop_ja_long.srt": "今日は公園に行きました。|小さな弟と一緒に大きなすべり台で何度も遊びました。|それから家に帰りました。",
    "g3_loop_en_long.srt": "We start here.|To become a member of the club one must first pay the yearly fee and then wait for a letter "
    "from the office.|And that is all.",
    "g7_chant.srt": "The crowd began to chant.|We want more!|We want more!|We want more!|We want more!|We want more!|"
    "And so the band came back.",
    "h2_transformers_none_end.json": "The train left at noon.|It was full of people.|Nobody talked.|Then the lights went out.",
    "h4_assemblyai_ms.json": "Good evening to you all.|It is good to be here.|Let us begin with the news.|With pleasure, my friend.",
    "i1_auto.json3": "today we are baking|bread at home|it is easy",
    "i4_ttml_span_times.ttml": "The first is on the p.|The second is on a span.|The third has a break.",
    "j1_german.srt": "Ich habe am 3. Oktober Geburtstag.|Der 2. Weltkrieg endete im Mai.|"
    "Im 19. Jahrhundert gab es z. B. Dampfschiffe.|Das kostete ca. 20 Mio. Euro.|"
    "Friedrich II. war König, d. h. er regierte.|Dr. med. Weber kennt Prof. Klein.|"
    "Kommen Sie um 8 Uhr, Nr. 5, Bahnhofstr. 12.|Bis dann!",
    "j2_french.srt": "M. Dupont habite bd. Victor Hugo.|Il a env. 40 ans.|C'est vrai ?|Oui !|Elle dit : « Viens ! » et il part.|"
    "Au XIXe s. Paris a grandi, cf. Hugo et al. Zola.|Mme Petit, p. ex. Jeanne, arrive à 5 h.|Elle attend.",
    "j3_english.srt": "The U.S. Senate met Dr. Jones at 8 p.m. Eastern.|He works for Acme Inc. in D.C. now.|"
    "It costs $3.50, i.e. Almost nothing.|See example.com.|Or www.site.org/a.b?c=1 today.|Well...|I don't know.|"
    '"Really?" she said.|He has a Ph.D.|He lives on Main St.|Paul is his name.|1. Open the box.|2. Take it out.|'
    "3. Read No. 5 of vol. 2.",
    "k2_zh_halfwidth.srt": "你好!|我叫小明.|你叫什么名字?|我来自上海.|今天天气很好,我们去公园吧.|你想去吗?|公园里有一个湖.|"
    "湖边有很多树.|我们可以划船!|你觉得怎么样?",
    "k3_ja_quotes_spaces.srt": "母は「早く起きなさい。」と言いました。|私は まだ眠かったです。|東京 大阪 名古屋を回りました。|すごい!|"
    "本当に?と聞かれました。",
    "k4_thai.srt": "สวัสดีครับ วันนี้เราจะทำอาหารไทย|อย่างแรก ต้มน้ำให้เดือด แล้วใส่ตะไคร้ ข่า ใบมะกรูด|"
    "จากนั้นใส่กุ้ง เห็ด และพริก 5 เม็ด|ขอบคุณที่ติดตามชม แล้วพบกันใหม่ครับ",
    "k8_hindi.srt": "नमस्ते दोस्तों।|आज हम चाय बनाएंगे।|क्या आप तैयार हैं?|सबसे पहले पानी उबालिए||फिर उसमें अदरक डालिए||"
    "अब दूध और चीनी मिलाइए।|थोड़ी देर पकाइए।|डॉ. शर्मा कहते हैं कि यह अच्छी है।|धन्यवाद।",
}
#: What the ledger says, where it says anything: reasons by the number of their rows.
ROWS = {
    "b5_layers_running.srt": {"said_at_once": 4},
    "b7_two_languages_same_time.srt": {"said_at_once": 4},
    "cp1252_fr.srt": {"other_encoding": 1},
    "gb_zh.srt": {"other_encoding": 1},
    "d1_translated_times.srt": {"malformed": 1},
    "e1_ass_in_srt.srt": {"empty_text": 1},
    "f3_round_brackets.srt": {"sound_tag": 1},
    "f6_whisper_credits.json": {"boilerplate": 15},
    "g1_loop_ja_long.srt": {"loop": 11},
    "g3_loop_en_long.srt": {"loop": 7},
}


@pytest.fixture
def config(shared: Path) -> CorpusConfig:
    return load_config(str(shared / "data" / "cases" / "text" / "corpus.yaml"))


def text_of(name: str, config: CorpusConfig) -> OwnText:
    found = read_transcript(name, config)
    assert isinstance(found, Transcript), found
    return finish_transcript(found, name, config)


@pytest.mark.parametrize("name", WANTED)
def test_each_case_gives_what_is_wanted(name: str, config: CorpusConfig) -> None:
    made = text_of(name, config)
    assert "|".join(s.text for s in made.sentences) == WANTED[name]
    starts = [s.start_ms for s in made.sentences]
    assert starts == sorted(starts)
    assert all(s.start_ms < s.end_ms for s in made.sentences)
    reasons = [drop.reason.value for drop in made.drops]
    assert {reason: reasons.count(reason) for reason in reasons} == ROWS.get(name, {})


def test_a_long_sentence_of_thai_is_cut_between_words(config: CorpusConfig) -> None:
    regex = pytest.importorskip("regex")
    sentences = text_of("k5_thai_long.srt", config).sentences
    whole = "".join(s.text for s in sentences)
    said = Path(config.resolve("subs/k5_thai_long.srt")).read_text().splitlines()[2]
    assert whole == said
    assert len(sentences) > 1
    assert [word for s in sentences for word in words_of(s.text)] == words_of(whole), (
        "cut between words of the dictionary"
    )
    assert [c for s in sentences for c in regex.findall(r"\X", s.text)] == regex.findall(r"\X", whole)


def test_spaces_that_were_written_stay_in_chinese(config: CorpusConfig) -> None:
    (sentence,) = text_of("k1_zh_nopunct_spaces.srt", config).sentences
    assert (
        sentence.text == "今天 我们去看看 北京的老胡同这里 有很多 小吃店老板说 他们家 已经开了三十年我们先点 一碗炸酱面"
    )


def test_mojibake_is_scored(config: CorpusConfig) -> None:
    texts = [s.text for s in text_of("c7_mojibake.srt", config).sentences]
    assert sum(without_mojibake(text).count("\ufffc") for text in texts) == 20
    good = "Übergröße, naïve Ångström, ÃO, «à» Çeşme"
    assert without_mojibake(good) == good


def test_turns_and_speakers_are_kept(config: CorpusConfig) -> None:
    speakers = {
        name: [s.speaker for s in text_of(name, config).sentences]
        for name in ("e7_teams.vtt", "f1_whisperx_speakers.srt")
    }
    assert speakers["e7_teams.vtt"] == ["Lee Park", "Sam Fox", "Lee Park", "Sam Fox"]
    assert speakers["f1_whisperx_speakers.srt"] == ["SPEAKER_00", "SPEAKER_01", "SPEAKER_01", "SPEAKER_00"]
    assert [s.speaker for s in text_of("h4_assemblyai_ms.json", config).sentences] == list("ABAB")


@pytest.mark.parametrize("language", ["th", "zh", "ja", "ar", "hi"])
def test_a_paragraph_of_any_language_has_words(language: str, shared: Path) -> None:
    path = shared / "data" / "cases" / "text" / "languages" / f"{language}-a.srt"
    lines = [line for line in path.read_text().splitlines() if line and not line[0].isdigit()]
    assert len(lines) == 8
    assert 5 <= sum(map(count_words, lines)) / 8 <= 20
