"""The pages: what they tell, and that nothing of a corpus becomes markup."""

import csv
import html
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import corpora
import pytest
from browsing import ALPHA, ALPHA_2, HOST, PATH_ID, SCRIPT, TAG_ID, build, client_of, draw, proved, served
from flask.testing import FlaskClient

from longtake.pipeline.browse.reasons_kept import checks
from longtake.pipeline.browse.server import Server
from longtake.pipeline.publish.source_link import source_link
from longtake.schemas.keys import sample_key


def page(client: FlaskClient, path: str, status: int = 200) -> str:
    answer = client.get(path, headers=HOST)
    assert answer.status_code == status, answer.text
    return answer.text


def test_the_list_shows_counts_texts_and_pictures(client: FlaskClient) -> None:
    text = page(client, "/")
    assert "<strong>11</strong> samples" in text
    assert f"/frame/{ALPHA}/middle.jpg" in text
    assert f'href="/sample/{ALPHA}"' in text
    filtered = page(client, "/?split=val&q=banquise")
    assert "<strong>2</strong> of 11 samples" in filtered
    assert "/sample/delta-000001000-000021502?q=banquise&amp;split=val" in filtered


def test_a_page_past_the_end_is_the_last(client: FlaskClient) -> None:
    answer = client.get("/?split=val&p=99", headers=HOST)
    assert (answer.status_code, answer.headers["Location"]) == (302, "/?split=val&p=1")
    assert "No sample fits" in page(client, "/?q=nowhere")


def test_what_cannot_be_asked_is_said_on_the_page(client: FlaskClient, server: Server) -> None:
    assert "is not a number" in page(client, "/?min_words=many")
    assert "q: more than 10,000 characters" in page(client, f"/?q={'x' * 10_001}")
    for gone in ("in=gone", "topic=words:3"):
        page(client, f"/sample/{ALPHA}?{gone}")
    assert "nope" in page(client, proved(server, "/?sql=nope+%3E+1"))
    assert client.get("/?sql=SELECT+1", headers=HOST).headers["Location"] == "/sql?sql=SELECT+1"
    assert client.get("/sql?sql=n_words+%3E+1", headers=HOST).headers["Location"] == "/?sql=n_words+%3E+1"
    assert "Binder Error" in page(client, proved(server, "/sql?sql=SELECT+nope+FROM+samples"))


def test_a_sample_with_its_player_facts_and_neighbours(client: FlaskClient) -> None:
    text = page(client, f"/sample/{ALPHA}?q=banquise&sort=-words")
    found = re.search(r'data-clip="([^"]*)"', text)
    assert found
    data = json.loads(html.unescape(found[1]))
    assert (data["start"], data["end"], data["frames"]) == (1000, 21502, f"/frame/{ALPHA}")
    assert len(data["wanted"]) == len(data["taken"]) == 6
    assert data["taken"] == sorted(data["taken"])
    assert data["sentences"] == [[1000, 7500], [8001, 14501], [15002, 21502]]
    assert (
        'href="https://www.youtube.com/watch?v=abc&amp;t=1s" target="_blank" rel="noopener noreferrer nofollow"' in text
    )
    assert "CC BY 4.0" in text
    assert "min sentences" in text
    assert f'href="/sample/{ALPHA_2}"' in text  # its neighbour
    assert "q=banquise&amp;sort=-words" in text  # the list it is from
    assert "longtake embed" in text  # how to get embeddings
    assert ">01:30\u201301:51<" in page(client, f"/sample/{ALPHA_2}")


def test_neighbours_that_were_left_out_are_told(client: FlaskClient) -> None:
    text = page(client, "/sample/beta-000001000-000021502")
    assert "frames damaged" in text
    assert "with 3 sentences" in text
    assert "at 90500 ms" in text
    whole = page(client, "/video?id=epsilon")
    assert "0 samples, 2 long clips dropped" in whole
    assert "moov atom not found" in whole
    assert "run too short" in page(client, "/video?id=alpha")


def test_sentences_are_put_between_clips_by_their_numbers(tmp_path: Path) -> None:
    root = tmp_path / "out"
    build(root)
    for file in (root / "ledger").iterdir():
        corpora.edit_table(
            file, lambda rows: [r.update(subject_id="alpha.50000") for r in rows if r["subject_id"] == "alpha.alone"]
        )
    server = served(root)
    try:
        text = page(client_of(server), f"/sample/{ALPHA}")
        near = text[text.index('id="near-title"') :]
        assert near.index("this sample") < near.index("alpha.50000") < near.index(f'href="/sample/{ALPHA_2}"')
    finally:
        server.close()


def test_the_ledger_is_filtered_by_reason_and_text(client: FlaskClient) -> None:
    assert "alpha.alone" in page(client, "/ledger?reason=run_too_short&stage=merge&subject=sentence")
    assert "alpha.alone" not in page(client, "/ledger?reason=unreadable")
    assert "<strong>1</strong> rows" in page(client, "/ledger?q=MOOV&subject=video")
    assert "No row fits" in page(client, "/ledger?q=nowhere&p=7")


def test_sql_shows_a_table_whose_keys_are_links(client: FlaskClient, server: Server) -> None:
    text = page(client, proved(server, "/sql?sql=SELECT+key%2C+n_words+FROM+samples+LIMIT+3"))
    assert text.count('href="/sample/') == 3
    assert '<th scope="col" class="number">n_words</th>' in text
    assert 'href="javascript:' not in page(client, proved(server, "/sql?sql=SELECT+'javascript:alert(1)'+AS+key"))


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/?q=alert",
        "/?q=%3Cscript%3Ealert(1)%3C/script%3E&license=%3Cscript%3Ealert(1)%3C/script%3E&by=%3Cscript%3Ealert(1)%3C/script%3E",
        "/?sql=%3Cscript%3Ealert(1)%3C/script%3E&min_words=%3Cscript%3Ealert(1)%3C/script%3E&sort=%3Cscript%3Ealert(1)%3C/script%3E",
        f"/sample/{sample_key(PATH_ID, 1000, 21502)}",
        f"/sample/{sample_key(TAG_ID, 1000, 21502)}?q=%3Cscript%3Ealert(1)%3C/script%3E",
        "/video?id=../../etc/passwd",
        '/video?id="><img src=x onerror=alert(1)>',
        "/ledger?q=%3Cscript%3Ealert(1)%3C/script%3E&reason=%3Cscript%3Ealert(1)%3C/script%3E",
        "/sql?sql=FROM+samples",
        "/sql?sql=SELECT+'%3Cscript%3Ealert(1)%3C/script%3E'+AS+%22%3Cscript%3Ealert(1)%3C/script%3E%22",
        "/sql?sql=SELECT+%3Cscript%3Ealert(1)%3C/script%3E",
        f"/similar/{ALPHA}?by=%3Cscript%3Ealert(1)%3C/script%3E",
        "/%3Cscript%3Ealert(1)%3C/script%3E",
    ],
)
def test_nothing_of_a_corpus_or_address_becomes_markup(client: FlaskClient, server: Server, path: str) -> None:
    text = client.get(proved(server, path), headers=HOST).text
    assert SCRIPT not in text
    assert "<img src=x" not in text
    assert "<i>" not in text
    assert "<b><script" not in text
    assert 'href="javascript:' not in text
    scripts = re.findall(r"<script[^>]*>", text)
    assert all('src="/static/' in script for script in scripts)
    assert " style=" not in text  # which the policy for content refuses


def test_the_sample_for_review_is_gone_through_in_its_order(tmp_path: Path) -> None:
    root = tmp_path / "out"
    layout = build(root)
    server = served(root)
    client = client_of(server)
    try:
        assert "No sample was drawn" in page(client, "/review")
        assert "Review</a>" not in page(client, "/")
        draw(layout, ALPHA_2, ALPHA, "delta-000001000-000021502", "gone-000000000-000000001")
        text = page(client, "/review")
        assert "<strong>0</strong> of 4 decided" in text
        assert f'href="/sample/{ALPHA_2}?review=1"' in text
        assert "1 sample of it is not in this corpus" in text
        first = page(client, f"/sample/{ALPHA_2}?review=1")
        assert "1 of 3" in first
        assert f'id="after" rel="next" href="/sample/{ALPHA}?review=1"' in first
        server.site.marks.add("sample", ALPHA_2, "ok", "", "", "Ann")
        text = page(client, "/review")
        assert "<strong>1</strong> of 4 decided" in text
        assert f'href="/sample/{ALPHA}?review=1"' in text
        (root / "audit" / "sample.csv").write_text("nonsense\n")
        assert "not a sample for review" in page(client, "/review", 400)
    finally:
        server.close()


@pytest.mark.parametrize(
    ("url", "link"),
    [
        ("https://www.youtube.com/watch?v=a&t=9&list=b", "https://www.youtube.com/watch?v=a&list=b&t=61s"),
        ("https://youtu.be/a", "https://youtu.be/a?t=61s"),
        ("https://vimeo.com/1", "https://vimeo.com/1#t=61s"),
        ("http://example.org/a.mp4?x=1", "http://example.org/a.mp4?x=1#t=61.5"),
        ("https://example.org/page", "https://example.org/page"),
        ("javascript:alert(1)", None),
        ("JavaScript://example.org/%0aalert(1)", None),
        ("data:text/html,x", None),
        ("file:///etc/passwd", None),
        ("//example.org", None),
        ("https://exa mple.org", None),
        ("https://[bad", None),
        ("https://a\u202eb.org", None),
        ("", None),
        (None, None),
    ],
)
def test_links_to_sources(url: str | None, link: str | None) -> None:
    assert source_link(url, 61_500) == link


ROW = {"start_ms": 0, "end_ms": 10_000, "n_sentences": 5, "n_words": 50, "language": "en", "score_language": 0.9}


def verdicts(config: dict[str, object], **row: object) -> dict[str, str]:
    return {check.name: check.verdict for check in checks(ROW | row, config)}


def test_why_a_sample_was_kept() -> None:
    config: dict[str, object] = {
        "merge": {"min_sentences": 4, "max_sentences": 4, "max_duration_ms": 10_000},
        "filters": {"max_black": 0.5, "min_relevance": 0.2, "languages": ["en"], "min_language": 0.5, "pii": "mask"},
        "duplicates": {"paragraphs": "flag", "videos": "keep", "evaluation": [{"name": "msrvtt"}]},
    }
    found = verdicts(config, score_black=0.5, score_pii=2.0, duplicate_of="x")
    assert found["min_sentences"] == found["max_duration_ms"] == found["max_black"] == found["languages"] == "passes"
    assert found["max_sentences"] == "fails"
    assert found["min_relevance"] == "unknown"
    assert found["min_language"] == found["duplicates.evaluation"] == "passes"
    assert found["pii"] == found["duplicates.paragraphs"] == "flagged"
    assert found["max_aspect"] == found["duplicates.videos"] == "not asked"


@pytest.mark.parametrize(
    "config", [{}, {"merge": 3, "filters": [], "duplicates": None}, {"filters": {"max_black": "x", "languages": "en"}}]
)
def test_a_configuration_that_is_none_asks_nothing(config: dict[str, object]) -> None:
    assert set(verdicts(config).values()) == {"not asked"}


@pytest.fixture
def marked(tmp_path: Path) -> Iterator[tuple[Path, Server, FlaskClient]]:
    root = tmp_path / "out"
    build(root)
    server = served(root)
    yield root, server, client_of(server)
    server.close()


def test_decisions_of_others_show_and_conflict(marked: tuple[Path, Server, FlaskClient]) -> None:
    root, server, client = marked
    object.__setattr__(server.site, "is_blind", False)  # as with --show-verdicts
    rows = [
        ("subject", "subject_id", "decision", "label", "note", "curator", "decided_at"),
        ("sample", ALPHA, "reject", "misaligned", SCRIPT, "Ann", "2026-11-25T18:20:05Z"),
        ("sample", ALPHA, "ok", "", "", "<i>Bob", "2026-11-25T18:20:06Z"),
        ("video", "delta", "flag", "", "", "Ann", ""),
    ]
    with (root / "decisions.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    text = page(client, f"/sample/{ALPHA}")
    assert "misaligned" in text
    assert SCRIPT not in text
    assert "<i>Bob" not in text

    def found(query: str) -> set[str]:
        return set(re.findall(r'<li class="card" data-key="([^"]*)"', page(client, f"/?{query}")))

    delta = {"delta-000001000-000021502", "delta-000090500-000111002"}
    assert found("state=reject") == {ALPHA}
    assert found("state=ok") == set()  # it is rejected
    assert found("state=ok&by=%3Ci%3EBob") == {ALPHA}
    assert found("state=conflict") == {ALPHA}
    assert found("state=flag") == delta
    assert found("state=any") == {ALPHA} | delta
    assert len(found("state=undecided")) == 8
    assert len(found("state=undecided&by=Nobody")) == 11
    (root / "decisions.csv").write_text("subject,subject_id,decision\nsample,x y,reject\n")
    assert "decisions.csv:2" in page(client, f"/sample/{ALPHA}", 400)
    (root / "decisions.csv").unlink()
    assert found("state=any") == set()


def test_a_sample_with_a_megabyte_of_text_still_opens(tmp_path: Path) -> None:
    root = tmp_path / "out"
    build(root)
    long = "une très longue phrase " * 45_000

    def change(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            if row["key"] == ALPHA:
                row["sentences"][1]["text"] = long
                row["paragraph"] = " ".join(one["text"] for one in row["sentences"])

    for file in (root / "index").iterdir():
        corpora.edit_table(file, change)
    server = served(root)
    try:
        client = client_of(server)
        text = page(client, f"/sample/{ALPHA}")
        assert len(text) < 100_000 and "1,035,000 characters" in text  # a browser lays out a megabyte for minutes
        assert len(page(client, "/?q=tres+longue")) < 100_000
        assert long in page(client, f"/text/{ALPHA}.txt")
        assert "too long to compare" in page(client, f"/compare/{ALPHA}?with={ALPHA_2}")
    finally:
        server.close()
