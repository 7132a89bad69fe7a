"""Credits of subtitlers, and courtesies that recognition hears in silence, in 30 languages.

Sources: public lists of texts that Whisper hears in silence, and the ways in which subtitlers sign. In a credit, the word for
subtitles or translation is followed by a name, an organisation or a site. "Translation: the house is on fire." is no credit.
"""

import re

from longtake.schemas.words import words_of

# The word at the start of a credit, and the words that may come between it and the name.
_HEADS = (
    # English
    r"(?:closed |fan |english )?(?:sub(?:title)?s?|captions?|subtitling|captioning)(?: (?:made|provided|created|edited|corrected|synced|timed))?"
    r"(?: and \w+)? ?(?:by|:)|(?:transcri(?:pt|ption|pts|bed)|translat(?:ed|ion|or)|sync(?:ed|hronized)?|corrected|edited|proofread|timed|encoded)"
    r"(?: ?(?:&|and|,) ?\w+)? by"
    # German, Dutch, Scandinavian, Finnish
    r"|untertitel(?:ung)?(?: (?:von|im auftrag|der|des|durch|aufgrund)\b| ?:)|(?:übersetzung|übersetzt|bearbeitung)(?: (?:von|durch)\b| ?:)"
    r"|(?:ondertitel(?:ing|d)?s?|vertaling|vertaald)(?: (?:door|van|ingediend door)\b| ?:)"
    r"|(?:undertekste?r?|teksting|textning|översättning|oversettelse|oversættelse|tekstet|undertextning|svensktextning|danske? tekste?r?)"
    r"(?: (?:av|af|fra|från|ved)\b| ?:|(?=\.nu\b))|(?:suomennos|tekstitys|käännös)(?: ?:|(?= [^\W\d_]))"
    # Romance
    r"|sous[- ]titr(?:age|es?|é)(?: (?:par|réalisés?(?: par| pour)?|pour|de|fr)\b| ?:|(?= [^\W\d_]))|(?:traduction|traduit|transcription|relecture|adaptation)"
    r"(?: par\b| ?:)|(?:subtítulos|subtitulado|subtitulación|traducción|traducido|corrección)(?: (?:por|de|realizados por|creados por|hechos por)\b| ?:)"
    r"|(?:legendas?|legendado|legendagem|tradução|traduzido|transcrição|revisão)(?: (?:por|pela|pelo|de|e \w+ por)\b| ?:)"
    r"|(?:sottotitoli|sottotitolato|traduzione|tradotto|revisione)(?: (?:di|da|a cura di|creati da|e revisione a cura di|creati dalla)\b| ?:)"
    r"|(?:subtítols|traducció)(?: (?:per|de|creats per)\b| ?:)|(?:subtitra(?:rea|re|t)|traduce(?:rea|re)|tradus)(?: (?:de|realizat\w* de)\b| ?:)"
    # Slavic in Latin letters, Hungarian, Turkish
    r"|(?:napisy|tłumaczenie|tłumaczył\w*|korekta|zdjęcia i napisy)(?: (?:od|przez|stworzone(?: przez)?|by)\b| ?:)"
    r"|(?:titulky|překlad|přeložil\w*|časování|preklad|preložil\w*)(?: (?:vytvořil\w*|vytvoril\w*|od|upravil\w*)\b| ?:)"
    r"|(?:prijevod|prevod(?: i obrada)?|preveo|prevela|titl(?:ovi)?|podnapisi|obrada)(?: ?:|(?= [^\W\d_]))"
    r"|(?:felirat(?:ok)?|fordította|fordítás|időzítés)(?: ?:|(?= [^\W\d_]))|(?:altyazı|çeviri|çevirmen|çeviri ve altyazı|altyazılar)(?: ?:|(?= [^\W\d_]))"
    # Cyrillic, Greek
    r"|(?:субтитры|редактор субтитров|корректор|перевод|субтитри|субтитрувальник|субтитрувальниця|переклад|превод)"
    r"(?: (?:сделал\w*|создавал\w*|создал\w*|подготовил\w*|подготовлены|добавил\w*|подогнал\w*|зробив|створив|от|и субтитри|на)\b| ?:|(?= [^\W\d_]))"
    r"|(?:υπότιτλοι|μετάφραση|απόδοση(?: διαλόγων)?|επιμέλεια(?: υποτίτλων)?)(?: ?:|(?= [^\W\d_]))"
    # Indonesian, Vietnamese, Thai, Hindi
    r"|(?:subtitle|terjemahan|diterjemahkan|alih bahasa)(?: oleh\b| ?:)|(?:phụ đề|biên dịch|người dịch|dịch)(?: (?:bởi|được thực hiện bởi)\b| ?:)"
    r"|(?:คำบรรยาย|บรรยายไทย|ซับไทย|แปล|แปลไทย|คำแปล)(?: ?โดย| ?:)|(?:उपशीर्षक|अनुवाद(?:क)?)(?: ?:| द्वारा)"
)
# Scripts without capitals: a word for subtitles or translation, then a name of a few words, and no more.
_HEADS_WITHOUT_CASE = (
    r"(?:ترجمة(?: وتدقيق)?|ترجمه(?: و زیرنویس)?|زیرنویس|مترجم|تدقيق|توقيت|مزامنة)(?: ?:| (?:بواسطة|توسط|از))?"
    r"|(?:תרגום(?: וסנכרון)?|תורגם|כתוביות|סנכרון)(?: ?:| (?:על ידי|ע\"י))?"
    r"|(?:(?:中文)?字幕(?:志愿者|志願者|製作|制作|組|组|校对|校對|翻译|翻譯)?|翻译|翻譯|校对|校對|时间轴|時間軸|听译|聽譯|后期|壓制)"
    r"(?:[:\uff1a]|由|by| |提供[:\uff1a]?)"
    r"|(?:字幕|翻訳|日本語字幕|字幕作成|字幕制作)(?:[:\uff1a]|by| )|(?:한글 ?자막|자막|번역|싱크)(?: ?:| ?by| (?:제공|제작)(?: ?:| ))"
)
_WHOLE = (
    r".{0,60}\bamara\.org\b.{0,30}|.{0,20}(?:amara\.org).{0,20}"
    r"|(?:©|\(c\)|copyright)\s.{1,40}\b(?:19|20)\d\d(?:[-\u2013 ]\d{2,4})?|(?:©|\(c\)|copyright)\s(?:©\s)?(?:19|20)\d\d.{1,40}"
    r"|(?:ard|zdf|wdr|ndr|swr|br|mdr|orf|srf|tv gelderland|bf-watch tv|npo|vrt|nrk|svt)(?: text)?(?: im auftrag von funk)?[, ]+(?:19|20)\d\d"
    r"|(?:downloaded from|www\.)\s?\S*(?:opensubtitles|addic7ed|subscene|yify|yts)\S*.{0,30}"
    r"|(?:untertitelung|textning|sous-titrage) .{0,40}(?:19|20)\d\d|sous-titrage st['\u2019] ?\d+"
    r"|❤️? ?(?:par|by) \S+\.com|svensktextning\.nu|.{0,20}(?:優優獨播劇場|yoyo television).{0,40}"
)
_CREDIT = re.compile(rf"(?P<whole>{_WHOLE})|(?P<head>{_HEADS})\s*(?P<name>.{{1,70}})", re.IGNORECASE)
_CREDIT_WITHOUT_CASE = re.compile(rf"(?:{_HEADS_WITHOUT_CASE})\s*(.{{1,40}})", re.IGNORECASE)
#: Every credit holds one of these, in small letters. A search for them is much quicker than the patterns.
SIGNS = (
    "amara", "copyright", "\u00a9", "(c)", "www.", ".com", ".nu", "subt", "subs", "sub ", "sub:", "capt", "transc", "transl", "sync",
    "correct", "edited", "proofread", "timed", "encoded", "titel", "titr", "übers", "bearbeitung", "vertaal", "vertaling", "tekst",
    "text", "övers", "overs", "suomennos", "käänn", "trad", "relect", "adapt", "legend", "revis", "sottot", "napisy", "tłum", "korekta",
    "zdjęcia", "titulky", "překl", "přelo", "časov", "prekl", "prelo", "prij", "prev", "titl", "podnap", "obrada", "felirat", "fordít",
    "időz", "altyaz", "çevir", "субт", "редакт", "коррект", "перев", "перек", "превод", "υπότ", "μετάφ", "απόδ", "επιμ", "terjem",
    "alih", "phụ đề", "dịch", "คำ", "ซับ", "แปล", "บรรยาย", "उपशी", "अनुवाद", "ترجم", "زیرنویس", "مترجم", "تدقيق", "توقيت", "مزامنة",
    "תרגום", "תורגם", "כתוביות", "סנכרון", "字幕", "翻", "校", "時間軸", "时间轴", "听译", "聽譯", "后期", "壓制", "자막", "번역", "싱크",
    "優優", "yoyo", "zdf", "wdr", "ndr", "swr", "mdr", "orf", "srf", "ard ", "br ", "gelderland", "bf-watch", "npo", "vrt", "nrk", "svt",
)  # fmt: skip
# Words in small letters inside names of people, groups and firms.
_IN_NAMES = frozenset(
    re.findall(
        r"\S+",
        "für aufgrund durch av af från ved "
        "the and of for by a an & von van der des den de du la le les da do dos das di del della y e et und og och i "
        "ja ve zu im auftrag team community group crew comunidad comunità comunidade communauté gemeenschap "
        "społeczność közösség for pour pela funk subs",
    )
)
_MAX_NAME_WORDS = 8
_MAX_NAME_WITHOUT_CASE = 4
_ENDS_SENTENCE = re.compile(r"[.!?。！？؟।][\"'”’»]?$")
_ABBREVIATED = re.compile(r"(?:^|[\s.])[^\W\d_]{1,3}\.$|\b(?:inc|ltd|llc|co|corp|jr|sr|tv)\.$", re.IGNORECASE)

# Courtesies that end many videos, so recognition hears them in silence.
_COURTESY = re.compile(
    r"(?:so\s|ok(?:ay)?,?\s|and\s)?(?:thanks?(?: you)?(?: (?:so|very) much)?(?: (?:all|everyone|guys))?(?: for (?:watching|listening|viewing)"
    r"(?: (?:this|the|my|our)? ?(?:video|channel)?)?)?|please (?:like|subscribe)(?: .{0,40})?|(?:like and |don['\u2019]t forget to )subscribe(?: .{0,40})?"
    r"|see you (?:in the )?next (?:time|video|week)|(?:good)?bye[- ]?(?:bye)?|the end|to be continued"
    r"|vielen dank(?: für(?:s| das) (?:zuschauen|zuhören))?|danke(?: schön)?(?: für(?:s| das) (?:zuschauen|zuhören))?|bis zum nächsten mal|auf wiedersehen"
    r"|merci(?: beaucoup)?|merci d['\u2019]avoir (?:regardé|écouté)(?: .{0,30})?|à (?:bientôt|la prochaine)|abonnez-vous(?: .{0,40})?"
    r"|gracias(?: por (?:ver|su atención|mirar)(?: .{0,20})?)?|muchas gracias|suscríbete(?: .{0,40})?|hasta la próxima"
    r"|obrigad[oa](?: por (?:assistir|ver)(?: .{0,20})?)?|inscreva-se(?: .{0,40})?|grazie(?: (?:mille|per (?:la visione|aver guardato)(?: .{0,20})?))?"
    r"|iscriviti(?: .{0,40})?|bedankt(?: voor het kijken)?|dank u wel|tot de volgende keer|tack(?: så mycket)?(?: för att ni tittade.{0,10})?|tak(?: fordi i så med)?"
    r"|takk(?: for at (?:du|dere) så (?:på|med))?|kiitos(?: kun katsoit| katsomisesta)?|dziękuję(?: bardzo)?(?: za (?:uwagę|oglądanie))?|dzięki za oglądanie|koniec"
    r"|děkuji(?: vám)?(?: za (?:pozornost|sledování))?|köszönöm(?: (?:szépen|a figyelmet|hogy megnézt\w+))?|teşekkürler|izlediğiniz için teşekkür(?:ler| ederim| ederiz)"
    r"|mulțumesc(?: pentru vizionare)?|abone olmayı unutmayın|спасибо за (?:просмотр|внимание)|продолжение следует|подписывайтесь на (?:мой |наш )?канал"
    r"|до (?:новых встреч|свидания|следующего видео)|дякую за (?:перегляд|увагу)|σας ευχαριστ(?:ώ|ούμε)(?: που παρακολουθήσατε)?"
    r"|تشكر(?:ات)?|شكرا(?:ً)?(?: (?:على|لـ?) ?(?:المشاهدة|مشاهدتكم|المتابعة))?|اشتركوا? في القناة|نانسي قنقر|با تشکر(?: از شما)?|ممنون که (?:دیدید|تماشا کردید)"
    r"|תודה (?:רבה|שצפיתם|על הצפייה)(?: .{0,20})?|देखने के लिए धन्यवाद|धन्यवाद|चैनल को सब्सक्राइब करें|ขอบคุณที่(?:ติดตามชม|รับชม)|โปรดติดตามตอนต่อไป"
    r"|cảm ơn (?:các bạn )?(?:đã )?(?:xem|theo dõi)(?: .{0,30})?|hãy (?:subscribe|đăng ký)(?: .{0,60})?|terima kasih(?: (?:telah|sudah) menonton)?"
    r"|ご視聴(?:いただき)?(?:、)?(?:誠に)?ありがとうございま(?:した|す)|最後までご視聴.{0,20}|(?:チャンネル登録|高評価).{0,20}(?:お願いいたします|お願いします|よろしく.{0,10})"
    r"|(?:それでは|では)?、?(?:また)?次(?:の|回の)動画で.{0,10}|おやすみなさい"
    r"|(?:谢谢|感谢|謝謝|感謝)(?:大家|您的?|你的?|各位)?(?:的)?(?:观看|收看|觀看|收聽|收听)|请不吝点赞.{0,40}|請不吝點贊.{0,40}|(?:明镜|明鏡)需要您的支持.{0,20}"
    r"|(?:欢迎|歡迎|记得|記得|请|請)?(?:订阅|訂閱)(?:我的|我们的|我們的|本)?(?:频道|頻道).{0,10}"
    r"|시청해 ?주셔서 감사합니다|(?:구독|좋아요).{0,12}(?:부탁드립니다|부탁드려요|해주세요)|(?:다음|그럼 다음) (?:영상|시간)에(?:서)? (?:만나요|뵙겠습니다|봐요)"
    r"|(?:mbc|kbs|sbs|ytn|jtbc) ?뉴스 .{1,20}입니다)[.!…。！\s]*",
    re.IGNORECASE,
)

#: Every courtesy in ASCII holds one of these, in small letters.
COURTESY_SIGNS = (
    "thank", "please", "subscribe", "see", "bye", "end", "continued", "dank", "bis", "auf", "merci", "abone", "abonnez", "gracias",
    "hasta", "obrigad", "inscreva", "grazie", "iscriviti", "bedankt", "tot", "tack", "tak", "kiitos", "koniec", "terima",
)  # fmt: skip


def is_credit(text: str) -> bool:
    """Whether a whole cue is a credit of a subtitler. Every credit holds one of SIGNS."""
    bare = text.strip(" -\u2013\u2014♪*")
    if found := _CREDIT.fullmatch(bare):
        return found["whole"] is not None or _is_name(found["name"])
    if found := _CREDIT_WITHOUT_CASE.fullmatch(bare):
        return _is_name_without_case(found[1])
    return False


def is_courtesy(text: str) -> bool:
    """Whether a whole cue is a courtesy that recognition often hears in silence. If it is in ASCII, it holds one of
    COURTESY_SIGNS."""
    return _COURTESY.fullmatch(text.strip()) is not None


def _is_name(name: str) -> bool:
    """Whether a text is a name: its words have capitals, and no mark ends it as a sentence."""
    words = name.replace("/", " ").split(" ")
    if len(words) > _MAX_NAME_WORDS or (_ENDS_SENTENCE.search(name) and not _ABBREVIATED.search(name)):
        return False
    named = 0
    for word in words:
        bare = word.strip(".,;:!?&()[]'\"\u2019-\u2013")
        if not bare or bare.lower() in _IN_NAMES:
            continue
        is_site = "." in bare or "@" in word or "_" in bare
        if not (
            is_site or bare[0].isdigit() or any(map(str.isupper, bare)) or not _is_cased(bare) or _is_credit_word(bare)
        ):
            return False
        named += is_site or any(map(str.isupper, bare)) or not _is_cased(bare)
    return named > 0


def _is_credit_word(word: str) -> bool:
    return word.lower().startswith(SIGNS)


def _is_cased(word: str) -> bool:
    return word.lower() != word.upper()


def _is_name_without_case(name: str) -> bool:
    """Whether a text has few words and no mark that ends a sentence."""
    bare = name.strip()
    if _ENDS_SENTENCE.search(bare) or any(mark in bare for mark in "，、,؟?"):
        return False
    return 0 < len(bare.split(" ")) <= _MAX_NAME_WITHOUT_CASE and len(words_of(bare)) <= _MAX_NAME_WITHOUT_CASE * 2
