"""Sounds that captions describe: [Music], (applause), *laughs*, notes around lyrics."""

import re

from longtake.pipeline.parse.transcripts.cue import BREAK, Cue
from longtake.pipeline.text.clean.cleaned import CleanedCues, Signs, remove
from longtake.pipeline.text.clean.edit_cue import Edit
from longtake.pipeline.text.languages import small_words
from longtake.schemas.words import count_words, words_of

# Words for sounds and for things that make them, as whole words. Captions describe sounds with these.
_SOUNDS = frozenset(
    re.findall(
        r"\S+",
        "applause applauds applauding cheer cheers cheering laugh laughs laughing laughed laughter chuckle chuckles "
        "chuckling giggle giggles giggling music sigh sighs sighing gasp gasps gasping groan groans groaning grunt "
        "grunts grunting cough coughs coughing sneeze sneezes sneezing sniff sniffs sniffles sniffling sob sobs "
        "sobbing cry cries crying scream screams screaming shout shouts shouting whisper whispers whispering whistle "
        "whistles whistling hum hums humming sing sings singing song yell yells yelling clap claps clapping knock "
        "knocks knocking bell bells ring rings ringing beep beeps beeping buzz buzzes buzzing bark barks barking "
        "silence silent pause pauses inaudible unintelligible indistinct crosstalk foreign speaking speaks noise "
        "noises static chatter chattering thunder explosion gunshot gunshots gunfire siren sirens footsteps slam "
        "slams slamming rustle rustles rustling click clicks clicking squeak squeaks squeaking chime chimes chiming "
        "rumble rumbles rumbling roar roars roaring growl growls growling howl howls howling meow meows moan moans "
        "moaning scoff scoffs scoffing snore snores snoring throat mumbles mumbling mutters muttering blank_audio "
        "instrumental jingle drumroll applaus beifall lachen lacht lachend gelächter musik stille seufzt seufzen "
        "husten hustet klatschen geräusch applaudissements rire rires musique silence soupir soupire toux bruit "
        "aplausos aplauso risa risas ríe ríen música silencio suspiro suspira tos ruido applausi applauso risata "
        "risate ride musica silenzio sospira sospiro tosse rumore aplausos riso risos risada risadas música silêncio "
        "suspira tosse applaus gelach muziek stilte zucht skratt musik applåder latter musikk naurua musiikkia "
        "taputusta oklaski śmiech muzyka cisza potlesk smích hudba ticho taps nevetés zene alkış gülüşmeler kahkaha "
        "müzik sessizlik râsete muzică aplauze smijeh glazba музыка аплодисменты смех тишина вздох смеется смеётся "
        "музика оплески сміх тиша μουσική γέλια χειροκρότημα מוזיקה צחוק מחיאות موسيقى تصفيق ضحك موسیقی خنده تشویق "
        "संगीत तालियाँ हँसी 音楽 拍手 笑 笑い 笑い声 歓声 音乐 音樂 笑声 笑聲 掌声 掌聲 박수 음악 웃음 เสียงเพลง เสียงหัวเราะ เสียงปรบมือ ดนตรี "
        "เพลง",
    )
)
# Other words of such descriptions: how it sounds, where from, and the words between.
_DESCRIBING = frozenset(
    re.findall(
        r"\S+",
        "a an the of in on at and from to with into his her their its all off both then again more some no door doors "
        "phone phones dog dogs bird birds cat cats audience crowd crowds people man men woman women child children "
        "baby car horn alarm clock engine wind rain water glass keys camera birdsong background distance distant "
        "nearby upbeat soft softly loud loudly quiet quietly gentle gently dramatic tense eerie slow fast light "
        "lightly heavy heavily faint faintly muffled nervous nervously sarcastically bitterly happy sad somber "
        "ominous suspenseful intense whimsical peaceful calm classical rock jazz pop folk electronic piano guitar "
        "violin orchestral theme intro outro end playing plays play played continues continuing stops fades fading "
        "starts begins swells opens closes closing opening clears clearing language languages tongue french german "
        "spanish italian english russian chinese japanese arabic hindi korean portuguese latin indistinctly excitedly "
        "wildly hysterically together voice voices breath deep deeply softe leise laute lauter fröhliche dramatische "
        "im hintergrund und douce forte de fond en suave fondo di sottofondo fundo sound sounds screeching mid "
        "rhythmic ambient",
    )
)
_SQUARE = re.compile(r"\[[^\[\]\n]{0,60}(?:\n[^\[\]\n]{0,60})?\]|\u3010[^\u3010\u3011]{0,60}\u3011")
# People also write round brackets: the text in them must describe a sound with every word, or fill a line.
_ROUND = re.compile(r"\([^()\n]{1,60}\)|\uff08[^\uff08\uff09\n]{1,60}\uff09")
_STARRED = re.compile(r"\*([^*\n]{1,40})\*")
_LABEL = re.compile(r"\[[^\[\]\n]{1,60}\]\s?[:\uff1a]|\[(?:speaker|spk)[ _-]?[0-9a-z]{1,3}\]", re.IGNORECASE)
_NOTES = re.compile(
    "[\u2669-\u266f\U0001d100-\U0001d1ff\U0001f399\U0001f39a\U0001f3a4-\U0001f3a7\U0001f3b5-\U0001f3bc]+"
)
_SIGNS = Signs(
    re.compile("[\\[(*\u3010\uff08\u2669-\u266f\U0001d100-\U0001d1ff\U0001f399-\U0001f3bc]"), ("[", "(", "*")
)
_MAX_WORDS = 6
_SENTENCE = 4  # words; with as many, brackets that fill a line may hold a sentence


def remove_sound_tags(cues: list[Cue]) -> CleanedCues:
    """Remove sound tags. Around lyrics, only the notes are removed: the words are sung, so they are speech."""
    return remove(cues, _SIGNS, _tags, "sound tags")


def _tags(text: str) -> list[Edit]:
    found = [m.span() for m in _SQUARE.finditer(text) if not _LABEL.match(text, m.start())]
    found += [m.span() for m in _ROUND.finditer(text) if _is_sound(text, m)]
    found += [m.span() for m in _STARRED.finditer(text) if _describes(m[1])]
    found += [m.span() for m in _NOTES.finditer(text)]
    edits: list[Edit] = []
    for start, end in sorted(found):
        if edits and start < edits[-1][1]:
            continue
        edits.append((start, end, ""))
    return edits


def _is_sound(text: str, found: re.Match[str]) -> bool:
    inner = found[0][1:-1]
    if _fills_line(text, *found.span()):
        # A line all in brackets describes a sound, unless it is long enough for a sentence and has the words of one.
        number = count_words(inner)
        return number <= _MAX_WORDS and (number < _SENTENCE or small_words(inner) < 2 or _describes(inner))
    return _describes(inner) or (inner.isupper() and not _SOUNDS.isdisjoint(inner.lower().split()))


def _describes(inner: str) -> bool:
    """Whether every word describes a sound, and at least one names it."""
    words = [word.casefold() for word in words_of(inner)]
    whole = "".join(words)
    if whole in _SOUNDS:
        return True  # a word that a dictionary divides
    return (
        len(words) <= _MAX_WORDS
        and not _SOUNDS.isdisjoint(words)
        and all(w in _SOUNDS or w in _DESCRIBING for w in words)
    )


def _fills_line(text: str, start: int, end: int) -> bool:
    """Whether the line holds only these characters, besides blanks, and dashes at its start."""
    while start and text[start - 1] in " -" + BREAK:
        start -= 1
    while end < len(text) and text[end].isspace() and text[end] != "\n":
        end += 1
    return (not start or text[start - 1] == "\n") and text[end : end + 1] in ("", "\n")
