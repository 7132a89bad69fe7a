"""Abbreviations with a full stop, by language, from the style guides of the languages.

NEVER: the sentence goes on after them, whatever follows. PERHAPS: they can be the last word of a sentence; the next word then
decides. NUMBERED: they go before a number. ANY is for all languages.
"""

import re

ANY = "any"


def _listed(lists: dict[str, str]) -> dict[str, frozenset[str]]:
    shared = frozenset(lists[ANY].split())
    return {language: shared | frozenset(words.split()) for language, words in lists.items()}


NEVER = _listed(
    {
        ANY: "mr mrs ms mx dr prof st rev hon gen col lt sgt capt cpt maj cmdr adm gov sen rep pres messrs mme mlle fr sr sra srta dra "
        "herr hr vs v cf eg ie e.g i.e viz approx fig figs eq vol pp pg dept univ assn bros mt ft z.b d.h u.a bzw p.ex b.v al ca",
        "en": "ex est ste",
        "de": "z d u o i s a v b h d.h z.b u.a o.ä i.d.r s.o s.u z.t u.u med jur phil rer nat ing dipl prof frau fr hr hrn nr str bhf "
        "inkl exkl evtl ggf sog vgl bspw insb zzgl abzgl allg bes ehem geb gest jr sen ca mio mrd tsd art abs bd bde aufl hrsg verl "
        "nördl südl östl westl max min mind höchst st tel kath ev mwst urspr engl frz dt lat röm griech österr schweiz",
        "fr": "m mm mgr me dr pr prof bd boul av env cf p pp ex s éd vol art chap fig tél hab janv févr avr juil sept oct nov déc "
        "al c.-à-d i.e ste st sts apr av.j.-c j.-c r n",
        "es": "s sr sra srta sres dr dra d dña ud uds vd vds pág págs p ej p.ej núm nº avda av c c/ fig cap vol art ing lic prof gral "
        "ee aprox tel máx mín fdo sto sta",
        "it": "sig sigg dott prof avv ing geom arch on rag cav p pag pagg n nr fig art cap vol s ss es cfr ca tel sig.ra dott.ssa prof.ssa "
        "mons p.es v.le p.zza",
        "pt": "sr sra srs dr dra d prof profa eng pág p n nº av r fig cap vol art ex p.ex exmo exma tel núm gen sto sta",
        "nl": "dhr mevr mw drs ir ing mr prof ds bijv b.v d.w.z d.m.v m.b.t i.v.m t.a.v o.a m.a.w nr blz ca resp incl excl max min "
        "st vgl fig art afb z.g zgn jl a.s",
        "sv": "t.ex bl.a d.v.s dvs t.o.m fr.o.m s.k kl ca nr str st resp inkl exkl ev m.fl prof dr hr p.g.a",
        "da": "f.eks bl.a dvs kl ca nr s st hr fr dr prof inkl ekskl evt jf mht pga pr vedr ang tlf",
        "no": "f.eks bl.a dvs kl ca nr s st hr fr dr prof inkl ekskl evt jf mht pga pr vedr ang tlf",
        "fi": "esim ns mm n klo s st tri prof vrt ent synt ao eaa k.o",
        "pl": "rys np m.in tzn tzw tj prof dr mgr inż ul al pl św godz nr str s ok ks gen płk hab im w p o por min maks",
        "cs": "např tzv tj tzn č str s ul nám mudr judr ing mgr bc phdr rndr doc prof sv p pí obr tab kap min max cca mj resp",
        "sk": "napr tzv tj č str s ul nám mudr judr ing mgr bc phdr doc prof sv p obr tab min max cca resp",
        "hu": "pl ún kb ill dr prof id ifj özv szt u ker max min vö",
        "tr": "dr prof doç av örn bkz sn no cad sok mah yy m.ö m.s tel s",
        "ro": "dl d-l d-na dna dr prof ing nr str bd pag p ex art sf gen col aprox",
        "hr": "npr tzv tj dr prof mr ing ul br str sv gosp gđa tel oko",
        "ru": "т г д п г-н г-жа тов гр проф акад доц им ул пр просп пл пер д кв корп стр с рис табл гл см ср напр св о оз р т.е т.н т.к н ок "
        "млн. тыс обл р-н пос дер ст мл инж ред изд лат англ нем франц греч",
        "uk": "т д п м пан проф акад доц ім вул просп пл пров буд кв корп стор с рис табл гл див напр св о оз т.зв тобто обл м тис",
        "el": "π.χ δηλ κ κ.κ κος κα δρ καθ βλ σελ τηλ αρ οδ λεωφ αγ περ μ.χ",
        "hi": "डॉ प्रो श्री पं कु मि रु सं पृ एम एस बी ए पी के आर डी जी एल एन टी वी सी जे एच",
        "mr": "डॉ प्रा श्री पं सौ कु रु",
        "ar": "د أ م ا ص ت ج هـ",
        "he": "ד״ר פרופ גב מר ר עמ רח שד מס",
        "id": "dr prof ir drs dra bpk sdr jl no hlm kab tel",
        "vi": "ts ths pgs gs bs tp q p",
    }
)  # fmt: skip

PERHAPS = _listed(
    {
        ANY: "etc inc ltd co corp jr ch tel ave blvd rd a.m p.m am pm u.s u.s.a u.k u.n e.u d.c ph.d m.d b.a m.a b.c a.d jan feb apr jun jul aug "
        "sep sept oct nov dec usw",
        "de": "usw etc u.dgl dgl o.dgl jh jhd jan feb apr aug sept okt nov dez uhr gmbh co kg",
        "fr": "etc h min cie",
        "es": "etc uu a.c d.c s.a a.m p.m cía",
        "it": "ecc s.p.a s.r.l a.c d.c",
        "pt": "etc ltda s.a cia a.c d.c",
        "nl": "enz e.d n.v b.v n.chr v.chr",
        "sv": "osv m.m o.s.v f.kr e.kr",
        "da": "osv m.m f.kr e.kr mio mia",
        "no": "osv m.m f.kr e.kr mill mrd",
        "fi": "jne ym eaa ekr jkr",
        "pl": "itd itp r w zł n.e p.n.e tys mln mld",
        "cs": "atd apod l kč n.l př.n.l",
        "sk": "atď apod n.l",
        "hu": "stb kr.e i.e kr.u i.sz",
        "tr": "vb vs",
        "ro": "etc d.hr î.hr",
        "hr": "itd sl n.e",
        "ru": "т.д т.п д п др г гг в вв руб коп долл мин ч сек тыс н.э",
        "uk": "т.д т.п д п ін р рр ст грн год хв н.е",
        "el": "κτλ κ.λπ κ.ά",
        "hi": "ई ई.पू",
    }
)  # fmt: skip

NUMBERED = _listed(
    {
        ANY: "no nr nos art sec ch p pp pg vol fig max min ext vol tel ca",
        "de": "nr s abs art kap abb ca max min ca ab",
        "fr": "n no p art chap env fig",
        "es": "núm nº pág art cap",
        "ru": "стр с рис табл гл д кв корп ст п ок",
        "uk": "стор с рис табл гл буд кв ст п",
        "sv": "kl nr ca s",
        "da": "kl nr ca s",
        "no": "kl nr ca s",
        "cs": "č str s obr tab kap",
        "pl": "nr str s rys godz ok",
        "tr": "no s",
        "hi": "रु सं पृ",
    }
)  # fmt: skip

#: Languages that write ordinal numbers with a full stop.
ORDINALS = frozenset(
    re.findall(
        r"\S+",
        "de da no fi cs sk hu hr pl tr",
    )
)
#: Words before an ordinal, and words after it in capitals: "am 3. Oktober", "der 2. Weltkrieg".
BEFORE_ORDINAL = frozenset(
    re.findall(
        r"\S+",
        "der die das den dem des am im vom zum zur beim ein eine einen einem einer eines jeder jede jedes jeden ins "
        "ans seit bis ab und oder nach vor unser unsere mein meine sein seine ihr ihre dieser diese dieses etwa den "
        "det de til fra under i på om efter etter før siden og eller hver sin min v ve do od na po z ze k ke o za při "
        "před mezi a az egy je o w we dnia od do u se sa za nakon prije bir",
    )
)
AFTER_ORDINAL = frozenset(
    re.findall(
        r"\S+",
        "januar jänner februar märz april mai juni juli august september oktober november dezember jahrhundert "
        "jahrhunderts jahrtausend weltkrieg weltkriegs klasse stock platz geburtstag kapitel tag mal etage auflage "
        "jahrestag semester teil akt halbzeit runde liga marts maj oktober december århundrede verdenskrig etasje "
        "klasse",
    )
)
#: A capital after these starts a sentence, unless the word is a day, a time zone or the like: "8 p.m. Monday".
CLOSING = frozenset(("etc", "a.m", "p.m"))
AFTER_TIME = frozenset(
    re.findall(
        r"\S+",
        "monday tuesday wednesday thursday friday saturday sunday january february march april may june july august "
        "september october november december eastern pacific central mountain atlantic greenwich local standard "
        "daylight est edt pst pdt cst cdt mst mdt et pt ct gmt utc bst cet ist",
    )
)
#: English words that start sentences and are no names: after "the U.S." or "8 p.m." they show that a sentence starts.
STARTERS = frozenset(
    re.findall(
        r"\S+",
        "the a an he she it we they i you this that these those there here in on at by for from to with of and but or "
        "so then when where why how what who which if as while after before since because although though however "
        "also now today yesterday tomorrow later next once my your his her its our their some many most all every "
        "each no not one two is are was were do does did can could will would should may might let please yes well oh "
        "okay it's he's she's that's there's what's i'm i'll i've you're we're they're don't isn't",
    )
)
