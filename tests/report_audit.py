"""Made-up audits for the tests of the report: of everything some, and every text that a stranger may have written hostile."""

from dataclasses import replace
from functools import cache

from corpora import jpeg

from longtake.pipeline.audit.result import (
    Audit,
    AuditCheck,
    CheckStatus,
    Distribution,
    DropGroup,
    Estimate,
    Flow,
    Link,
    Mark,
    Node,
    Number,
    Picture,
    PolicyCurve,
    PolicyLine,
    PolicyVerdict,
    Series,
    Sheet,
    SheetGroup,
    SheetSentence,
    Table,
)

SCRIPT = "<script>alert(1)</script>"
TAG = "\"'><img src=x onerror=alert(1)>"
TURN = "\u202egnp.exe \u2066 turned"
END = "</script><!--<script> ]]> {{ 7 * 7 }} {a|b} \u2028\u2029"
HOSTILE = f"{SCRIPT} {TAG} {TURN} {END}"
WORD = "x" * 700
LONG = "a very long sentence that goes on " * 300  # over 10,000 characters
INDEX = "FROM 'index/*.parquet'"
TEXT = "polar bears walk over the ice for many days and swim between the floes to hunt seals near the shore"


def _policy() -> PolicyVerdict:
    lines = (
        PolicyLine("thresholds.black.max", f"at most 0.1 {SCRIPT}", False, f"12 samples to drop {HOSTILE}", 12, 0.5),
        PolicyLine("checks", "no check fails", True, "none fails"),
    )
    points = tuple((n / 10, n / 10, n / 11, n / 20, n / 22) for n in range(11))
    curves = (
        PolicyCurve("thresholds.black.max", f"Black {TAG}", 0.1, points),
        PolicyCurve("thresholds.relevance.min", "Relevance", 0.2, ()),
    )
    return PolicyVerdict("house-2026", "ab" * 32, lines, curves, 100, 12.5, 88, 12.0)


def audit() -> Audit:
    """An audit with something in every section."""
    checks = _checks()
    return Audit(
        name=f"documentaries {SCRIPT}",
        version=3,
        fingerprint="0123456789abcdef" * 4,
        verdict=CheckStatus.FAIL,
        summary=("The corpus holds 982,113 long clips of 41,020 videos.", f"Do not sign it off. {HOSTILE}"),
        numbers=_numbers(),
        flows=_flows(),
        distributions=_distributions(),
        checks=checks,
        kept=_kept(),
        dropped=_dropped(),
        tables=(
            Table("Licences", ("license", "samples"), ((f"CC BY 4.0 {SCRIPT}", 801_000), (None, 12)), f"SELECT license {INDEX}"),
            Table("Settings", ("section", "values"), (("merge", '{"max_sentences": 16}'),), note="From corpus.json."),
            Table("Sources", ("url",), (("https://example.org/a?b=1&c=%22",), ("javascript:alert(1)",), ("HTTP://x y",))),
        ),
        decisions=(
            Table("By curator", ("curator", "reject"), ((f"Ann {TAG}", 12), ("Bob", 3))),
            Table("Who decided what, when", ("when", "note"), (("2026-11-25T18:20:05Z", LONG), ("", WORD))),
        ),
        estimates=(
            Estimate("reject", 0.021, 0.01, 0.044, 0.95, 190, 200, "2.1 % (1.0 % to 4.4 %) rejected at 95 %"),
            Estimate(SCRIPT, 0.0, 0.0, 0.019, 0.95, 190, 200, f"0 % (0 % to 1.9 %) {SCRIPT} at 95 %"),
            Estimate("none yet", 0.0, 0.0, 1.0, 0.95, 0, 200, "Nothing is reviewed yet"),
        ),
        policy=_policy(),
        strata=Table(
            "Strata of the sample", ("stratum", "share", "drawn", "reviewed"), (("train", 0.98, 196, 186), ("val", 0.02, 4, 4))
        ),
        published=Table(
            "Beside published datasets", ("figure", f"documentaries {SCRIPT}", "LF-VILA-8M"),
            (("clips", "982,113", "8,523,237"),),
            f"SELECT count(*) {INDEX}", "LF-VILA-8M: Sun et al. 2022.",
        ),
        made="2026-11-25 19:08 UTC, longtake 0.1.0",
    )  # fmt: skip


def other() -> Audit:
    """Another version of the same corpus: fewer samples, a check that it lacks, one reason more, other settings."""
    one = audit()
    numbers = (replace(one.numbers[0], value=900_000, text="900,000"), *one.numbers[1:2])
    halved = tuple(
        replace(d, series=tuple(Series(s.name, tuple(n // 2 for n in s.counts)) for s in d.series))
        for d in one.distributions
    )
    passed = tuple(replace(check, status=CheckStatus.PASS, found="None.") for check in one.checks[1:])
    more = replace(one.dropped[0], name="drop-clip-filter-slides", reason="slides", count=77)
    settings = Table("Settings", ("section", "values"), (("merge", '{"max_sentences": 8}'),), note="From corpus.json.")
    return replace(
        one, version=4, fingerprint="f" * 64, verdict=CheckStatus.PASS, numbers=numbers, distributions=halved[:-1], checks=passed,
        dropped=(*one.dropped, more), tables=(settings,),
    )  # fmt: skip


def empty() -> Audit:
    """An audit of next to nothing."""
    return Audit("empty", 1, "", CheckStatus.SKIP, (), (), (), (), (), (), ())


def _numbers() -> tuple[Number, ...]:
    values = (
        ("samples", "long clips", 982_113), ("videos", "videos", 41_020), ("hours", "hours of long clips", 12_345.25),
        ("sentences", "sentences", 7_654_321), ("words", "words", 123_456_789), ("left_out", "long clips dropped", 17_887),
    )  # fmt: skip
    found = tuple(
        Number(name, label, n, f"{n:,}", f"SELECT {n} AS value, '{name}' {INDEX}") for name, label, n in values
    )
    return (*found, Number("nothing", TAG, None, "none", f"SELECT NULL AS value -- {SCRIPT} {TURN}"))


def _flows() -> tuple[Flow, ...]:
    nodes = [Node("in", "long clips in", 1_000_000)]
    links, here, left = [], "in", 1_000_000
    for stage, reasons in _REASONS.items():
        nodes.append(Node(stage, stage, left))
        links.append(Link(here, stage, left))
        here = stage
        for reason, n in reasons:
            name = f"drop-clip-{stage}-{reason}"
            nodes.append(Node(name, reason.replace("_", " "), n, f"#{name}", is_drop=True))
            links.append(Link(stage, name, n))
            left -= n
    nodes += [Node("shards", "in shards", left, "#kept"), Node("split-train", "train", left - 9_000, "#kept")]
    nodes.append(Node("split-val", f"val {TAG}", 9_000, "#no-such-place"))
    links += [
        Link(here, "shards", left),
        Link("shards", "split-train", left - 9_000),
        Link("shards", "split-val", 9_000),
    ]
    rows = tuple((stage, reason, n) for stage, reasons in _REASONS.items() for reason, n in reasons)
    table = Table(
        "Where all long clips went",
        ("stage", "reason", "n"),
        rows,
        "SELECT stage, reason, count(*) FROM 'ledger/*.parquet'",
    )
    nothing = Table("Where all videos went", ("stage", "reason", "n"), (), "SELECT 'no rows' WHERE false")
    return Flow("long clips", tuple(nodes), tuple(links), table), Flow(
        "videos", (Node("in", "videos in", 0),), (), nothing
    )


_REASONS = {
    "filter": (("few_words", 9_000), ("fast_speech", 4_200), ("near_duplicate", 3_100), (f"odd {SCRIPT}", 40)),
    "decode": (("frames_damaged", 1_500), ("black_frames", 47)),
}


def _distributions() -> tuple[Distribution, ...]:
    columns = ("split", "n", "min", "p5", "median", "mean", "p95", "max")
    rows = (
        ("train", 973_113, 8.2, 12.1, 44.0, 46.25, 101.5, 240.0),
        ("all", 982_113, 8.2, 12.2, 44.0, 46.2, 101.25, 240.0),
    )
    summary = Table("Duration, by split", columns, rows, f"SELECT median(end_ms - start_ms) {INDEX}")
    shape = (12, 4_000, 60_000, 210_000, 300_000, 220_000, 110_000, 50_000, 15_000, 4_101)
    val = tuple(n // 97 for n in shape)
    return (
        Distribution(
            "duration", "Duration of long clips", "s", (Series("train", shape), Series(f"val {SCRIPT}", val)),
            tuple(24.0 * n for n in range(11)), sql=f"SELECT 'duration' {INDEX}", summary=summary,
            thresholds=(Mark("merge.max_duration_ms 240000", 240.0), Mark("filters.min_seconds 8", 8.0), Mark("far.off", 9e9)),
            references=(Mark("LF-VILA-8M mean", 100.2, "Sun et al. 2022"),), note="The last bin holds all that is longer.",
        ),
        Distribution(
            "sentences", "Sentences in a long clip", "", (Series("train", (5, 0, 3, 120, 40)),), (4, 5, 6, 7, 8, 9), whole=True,
            sql=f"SELECT 'sentences' {INDEX}", thresholds=(Mark("merge.min_sentences 4", 4), Mark("merge.max_sentences 8", 8)),
        ),
        Distribution(
            "language", "Language", "", (Series("train", (900_000, 60_000, 13_113)), Series("val", (8_500, 500, 0))),
            categories=("en", f"de {TAG}", "a very long name of a language that nobody speaks any more"),
            sql=f"SELECT 'language' {INDEX}",
        ),
        Distribution(
            "resolution", "Resolution of the sources", "", (Series("train", (700, 300)),),
            categories=("1920 x 1080", "640 x 360"), sql=f"SELECT 'resolution' {INDEX}",
        ),
        Distribution("nothing", "No values at all", "s"),
        Distribution("brightness", "Brightness of frames", "", missing="Not measured: longtake audit --frames 1000 measures it."),
    )  # fmt: skip


def _checks() -> tuple[AuditCheck, ...]:
    examples = Table("Examples", ("key", "text"), (("a-0-1", HOSTILE), ("b-0-1", LONG)), f"SELECT key, text {INDEX}")
    passed, skipped, warned, failed = CheckStatus.PASS, CheckStatus.SKIP, CheckStatus.WARN, CheckStatus.FAIL
    return (
        AuditCheck("integrity", "Shards and index agree", passed, "200 samples are sound.", sql=f"SELECT 'sound' {INDEX}"),
        AuditCheck("stale", "Sources are as they were", skipped, "Not checked.", "Give --config corpus.yaml."),
        AuditCheck("pii", "No text holds personal data", warned, f"3 do: {TAG}", "Mask them.", f"SELECT 'pii' {INDEX}", examples),
        AuditCheck("leakage", "No video is in two splits", failed, "12 videos are.", "Build again.", f"SELECT 'leak' {INDEX}"),
    )  # fmt: skip


@cache
def sheet(n: int, sentences: int = 6) -> Sheet:
    """A contact sheet: sentences of different lengths, two frames each; the last frame of the first sentence is damaged."""
    at, found = 1_000 + 500 * n, []
    for k in range(sentences):
        long = 2_000 + 2_700 * ((n + 3 * k) % 5)
        times = (at, at + long // 2)
        pictures = [Picture(jpeg(10 * n + 3 * k + m, (96, 170)), t, t - 40 * m) for m, t in enumerate(times)]
        if k == 0:
            pictures[1] = Picture(None, times[1], None)
        found.append(SheetSentence(at, at + long, TEXT[: 22 + (29 * k + 5 * n) % 78], tuple(pictures)))
        at += long + 300
    facts = (("words per second", f"{2.5 + n:.2f}"), ("split", "train"), ("licence", "CC BY 4.0"))
    key = f"video-{n}-000001000-{at:09d}"
    return Sheet(key, f"video-{n}", f"https://www.youtube.com/watch?v=abc{n}", 1_000 + 500 * n, at, tuple(found), facts)


def _hostile_sheet() -> Sheet:
    texts = (HOSTILE, WORD, LONG, "\u0645\u0631\u062d\u0628\u0627 \u0628\u0627\u0644\u0639\u0627\u0644\u0645", "")
    sentences = tuple(SheetSentence(5_000 * n, 5_000 * n + 4_000, text) for n, text in enumerate(texts))
    return Sheet(
        f"key {TAG}", TAG, "javascript:alert(1)", 0, 25_000, sentences, (("licence", SCRIPT),), f"No frames: {SCRIPT}"
    )


def _kept() -> tuple[SheetGroup, ...]:
    sql = f"SELECT key, 'random' {INDEX}"
    return (
        SheetGroup("kept-random", "Drawn at random", "3 of 982,113, seed 0.", (sheet(0), sheet(1), _hostile_sheet()), sql),
        SheetGroup(
            "kept-words-highest", "Most words per second", "The highest.",
            (replace(sheet(1), facts=(("speed", "9.9"),)), sheet(2, 3)), f"SELECT key, 'speed' {INDEX}",
        ),
    )  # fmt: skip


def _dropped() -> tuple[DropGroup, ...]:
    found = []
    for stage, reasons in _REASONS.items():
        for reason, n in reasons:
            where = f"FROM 'ledger/*.parquet' WHERE reason = '{reason}'"
            rows = tuple((f"video-{k}", f"clip-{k}", f"{reason} at {k} {HOSTILE}") for k in range(3))
            examples = Table(f"3 of {n:,}", ("video_id", "subject_id", "detail"), rows, f"SELECT detail {where}")
            name = f"drop-clip-{stage}-{reason}"
            found.append(
                DropGroup(name, "clip", stage, reason, f"What {reason} means.", n, f"SELECT count(*) {where}", examples)
            )
    columns = ("key", "score", "value", "side", "setting", "threshold")
    rows = (
        ("a", "words_per_second", 9.5, "above", "max_words_per_second", 7.0),
        (TAG, "words_per_second", 7.2, "above", "max_words_per_second", 7.0),
        ("c", "coherence", -0.2, "below", "min_coherence", 0.3),
    )
    scores = Table("Score against threshold", columns, rows, "SELECT score, 'against' FROM 'ledger/*.parquet'")
    found[1] = replace(found[1], scores=scores, sheets=(sheet(7, 4),))
    return tuple(found)
