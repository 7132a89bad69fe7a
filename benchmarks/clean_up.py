"""A clean-up from end to end: a corpus with 10 % bad clips, planted; a policy, two curators and a third in a real browser; a
signed-off version. Counts clicks, keys and clips looked at, and compares the result with what was planted.

    python benchmarks/clean_up.py                      200 good clips and 22 bad ones; about 5 minutes
    python benchmarks/clean_up.py --quick              40 and 11
    python benchmarks/clean_up.py --pictures docs/pictures

The videos are those of examples/narrated: moving shapes, and a narrator who says what moves. Planted: black, frozen, wrong
captions, copies, French, a licence NC. The curators are scripts: they know what was planted, and answer as careful people would,
but Bob overlooks a wrong caption that Ann judges too. So clicks are those of people, and the time is not.
"""

import argparse
import csv
import json
import re
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import yaml
from measure import CACHE, HERE, RESULTS, Failed, machine, report
from playwright.sync_api import sync_playwright
from pyarrow.dataset import dataset

from longtake.pipeline.browse.server import Options, Server
from longtake.schemas.decisions import read_decisions

sys.path.insert(0, str(HERE.parent / "examples" / "narrated"))
from generate import Scene, film, make_video, story

CHROMIUM = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
KINDS = ("black", "frozen", "captions", "copy", "french", "licence")
FRENCH = (
    "Ici, vous pouvez voir une forme qui se déplace lentement vers la gauche.",
    "Maintenant, elle monte vers le haut de l'image, et puis elle disparaît.",
    "Regardez bien comment le cercle devient de plus en plus petit.",
    "C'est la dernière figure que nous allons montrer aujourd'hui.",
)
POLICY = {
    "name": "research",
    "licences": {"allowed": ["cc-by-4.0"]},
    "thresholds": {"black": {"max": 0.5}, "frozen": {"max": 0.8}},
    "review": {"samples": 20, "accept": 0.15},
    "agreement": {"subjects": 10, "alpha": -0.2},
}


@dataclass
class Curator:
    """A person at a browser: what was clicked or pressed, and which clips were looked at."""

    name: str
    page: Any
    clicks: int = 0
    keys: int = 0
    looked: set[str] = field(default_factory=set)

    def click(self, target: Any) -> None:
        """Click, once."""
        target.click()
        self.clicks += 1

    def choose(self, name: str, value: str) -> None:
        """Take an entry of a list: two clicks."""
        self.page.locator(f"select{name}").select_option(value)
        self.clicks += 2

    def press(self, key: str) -> None:
        """Press a key."""
        self.page.keyboard.press(key)
        self.keys += 1


# -- the corpus --------------------------------------------------------------------------------------------------------


def make_sources(folder: Path, good: int, bad: int) -> dict[str, str]:
    """Write the videos, records and texts of `good` clips and of `bad` of each kind. Returns the kind of each bad video.

    The first `bad` good videos are the originals of the copies: which one of a pair stays is all the same.
    """
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "videos").mkdir(parents=True)
    records, texts, planted = [], [], {}
    numbers = iter(range(good + bad * len(KINDS)))
    for _ in range(good):
        record, lines = make_video(folder, "test", next(numbers), 0, 1)
        records.append(json.loads(record))
        texts += [json.loads(line) for line in lines.splitlines()]
    for kind in KINDS:
        for count in range(bad):
            number = next(numbers)
            record_text, lines = make_video(folder, "test", number, 0, 1)
            record, said = json.loads(record_text), [json.loads(line) for line in lines.splitlines()]
            name, scenes = record["video_id"], story(number, "test", 0, 1)
            place = folder / "videos" / f"{name}.mp4"
            if kind in ("black", "frozen"):
                place.write_bytes(_still(folder, scenes, kind == "black"))
            elif kind == "captions":
                others = story(100_000 + count, "test", 0, 1)  # what is said in a video that is not here
                for line, other in zip(said, others[::-1], strict=True):
                    line["text"] = other.text
            elif kind == "copy":
                record, said = _copy(folder, records[count], texts, name)
            elif kind == "french":
                for line, sentence in zip(said, FRENCH, strict=True):
                    line["text"] = sentence
            planted[name] = kind
            records.append(record)
            texts += said
    for record in records:
        record["license"] = "cc-by-nc-4.0" if planted.get(record["video_id"]) == "licence" else "cc-by-4.0"
    for name, rows in (("videos.jsonl", records), ("clip_text.jsonl", texts)):
        (folder / name).write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    config = {
        "name": "clean-up",
        "output": "corpus",
        "source": {
            "videos": "videos.jsonl",
            "uri": "videos/{video_id}.mp4",
            "text": {"format": "hdvila", "path": "clip_text.jsonl"},
        },
        "merge": {"min_sentences": 4, "max_sentences": 4, "max_gap_ms": 2000},
        "frames": {"per_sentence": 4, "short_side": 96},
        "filters": {"scores": True},
        "duplicates": {"videos": "flag"},
        "split": {"train": 1.0},
        "publication": {"contact": "https://example.org/contact"},
    }
    (folder / "corpus.yaml").write_text(yaml.safe_dump(config))
    (folder / "policy.yaml").write_text(yaml.safe_dump(POLICY))
    return planted


def _still(folder: Path, scenes: list[Scene], black: bool) -> bytes:
    """A video of one picture, as long as its scenes."""
    import generate

    whole = generate.frames
    first = next(iter(whole(scenes, np.random.default_rng(5))))[:1]
    picture = np.zeros_like(first) if black else first

    def still(scenes: list[Scene], rng: np.random.Generator) -> Iterator[Any]:
        return (np.repeat(picture, len(pictures), 0) for pictures in whole(scenes, rng))

    generate.frames = still
    try:
        film(folder / "still.mp4", scenes, np.random.default_rng(5))
    finally:
        generate.frames = whole
    return (folder / "still.mp4").read_bytes()


def _copy(folder: Path, record: dict[str, Any], texts: list[dict[str, str]], name: str) -> tuple[Any, Any]:
    """The same video and sentences under another id."""
    old = record["video_id"]
    shutil.copy(folder / "videos" / f"{old}.mp4", folder / "videos" / f"{name}.mp4")
    clips = [clip | {"clip_id": clip["clip_id"].replace(old, name)} for clip in record["clip"]]
    said = [
        {"clip_id": one["clip_id"].replace(old, name), "text": one["text"]} for one in texts if old in one["clip_id"]
    ]
    return record | {"video_id": name, "url": f"https://example.org/{name}", "clip": clips}, said


def longtake(*arguments: str, folder: Path, codes: tuple[int, ...] = (0,)) -> str:
    """Run a command. Raises Failed if its exit code is another."""
    ended = subprocess.run(
        [sys.executable, "-m", "longtake.jobs.cli", *arguments], capture_output=True, text=True, cwd=folder, check=False
    )
    if ended.returncode not in codes:
        raise Failed(f"longtake {' '.join(arguments)}: {ended.returncode}\n{ended.stdout}{ended.stderr}")
    return ended.stdout


def keys_of(corpus: Path) -> list[str]:
    """The keys of the samples of a corpus."""
    names: list[str] = dataset(corpus / "index", format="parquet").to_table(columns=["key"])["key"].to_pylist()
    return sorted(names)


# -- the curators ------------------------------------------------------------------------------------------------------


@contextmanager
def serving(corpus: Path, port: int = 0) -> Iterator[str]:
    """`longtake browse` of a corpus, in this process; gives its address."""
    server = Server(str(corpus), Options(port=port))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield server.address
    finally:
        server.close()
        thread.join(10)


def sit_down(browser: Any, name: str, address: str) -> Curator:
    """A curator with a browser of their own, who has said who they are."""
    page = browser.new_page(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    page.set_default_timeout(20_000)
    page.goto(address)
    curator = Curator(name, page)
    curator.click(page.locator("#curator"))
    page.get_by_label("Name", exact=True).fill(name)
    curator.keys += len(name)
    curator.press("Enter")
    page.get_by_text(f"Marking as {name}").wait_for()
    return curator


def reject_all(curator: Curator, address: str, narrow: Callable[[], None], label: str) -> None:
    """Choose samples in the list, and reject all of them."""
    page = curator.page
    page.goto(address)
    narrow()
    curator.click(page.get_by_role("button", name="Search", exact=True))
    page.wait_for_load_state("networkidle")
    curator.press("b")
    curator.choose("#bulk-label", label)
    curator.click(page.get_by_role("button", name="Reject all"))
    curator.click(page.locator("#bulk-yes"))
    page.get_by_text(re.compile("Rejected: ")).wait_for()


def judge_queue(curator: Curator, address: str, is_bad: Callable[[str], bool]) -> None:
    """Go through a queue: look at each clip, reject it or accept it."""
    page = curator.page
    page.goto(f"{address}queues")
    curator.click(page.locator(".go-on-queue").first)
    page.get_by_label("Go to the next sample").check()
    curator.clicks += 1
    while True:
        page.wait_for_url(re.compile("/sample/"))
        key = page.locator("#marking").get_attribute("data-key")
        if key in curator.looked:
            break
        curator.looked.add(key)
        curator.press("r" if is_bad(key) else "o")
        try:
            page.wait_for_function(f"() => !location.pathname.endsWith('{key}')", timeout=5000)
        except Exception:  # the last one
            break


def picture(page: Any, folder: Path | None, name: str, height: int = 820) -> None:
    """Keep what a page shows."""
    if folder is not None:
        page.set_viewport_size({"width": 1280, "height": height})
        page.wait_for_timeout(500)
        page.screenshot(path=folder / f"{name}.png")


def clean_up(folder: Path, planted: dict[str, str], pictures: Path | None) -> dict[str, Any]:
    """The whole way, from the built corpus to the signed-off version. Returns its figures."""
    corpus, took = folder / "corpus", {}
    before = keys_of(corpus)

    def kind_of(key: str) -> str:
        return planted.get(key.rsplit("-", 2)[0], "")

    began = time.monotonic()
    longtake("audit", "corpus", "--policy", "policy.yaml", folder=folder, codes=(1,))
    longtake("curate", "corpus", "--policy", "policy.yaml", folder=folder)
    by_policy = set(before) - set(keys_of(corpus))
    took["policy"] = time.monotonic() - began
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=CHROMIUM)
        began = time.monotonic()
        with serving(corpus) as address:
            ann = sit_down(browser, "Ann", address)
            reject_all(ann, address, lambda: ann.choose("[name=language]", "fr"), "bad_text")
            picture(ann.page, pictures, "clean-up-bulk", 700)
            reject_all(ann, address, lambda: ann.click(ann.page.get_by_label("Known duplicates only")), "other")
        took["in bulk"] = time.monotonic() - began
        decided = read_decisions(str(corpus / "decisions.csv"))
        in_bulk = {one.subject_id for one in decided}
        longtake("takedown", "corpus", "--decisions", "corpus/decisions.csv", folder=folder)
        left = keys_of(corpus)
        size = str(len(left))
        longtake("queues", "corpus", "--to", "Ann", "--to", "Bob", "--size", size, "--double", "0.5", folder=folder)
        with (corpus / "queues.csv").open(newline="") as file:
            dealt = Counter(row["key"] for row in csv.DictReader(file))
        began = time.monotonic()
        missed: list[str] = []

        def bob_sees(key: str) -> bool:
            if kind_of(key) and dealt[key] > 1 and not missed:
                missed.append(key)
                return False
            return bool(kind_of(key))

        with serving(corpus, urlsplit(address).port or 0) as address:  # browsers know their curator there
            ann.page.goto(address)
            judge_queue(ann, address, lambda key: bool(kind_of(key)))
            bob = sit_down(browser, "Bob", address)
            judge_queue(bob, address, bob_sees)
            picture(bob.page, pictures, "clean-up-sample", 960)
            ann.page.goto(f"{address}queues")
            picture(ann.page, pictures, "clean-up-queues", 640)
            conflicts = ann.page.locator("#settle")
            settled = 0
            while conflicts.count():
                ann.click(conflicts)
                ann.press("r")
                ann.page.get_by_text("in adjudication").wait_for()
                settled += 1
                ann.page.goto(f"{address}queues")
        took["queues"] = time.monotonic() - began
        browser.close()
    longtake("takedown", "corpus", "--decisions", "corpus/decisions.csv", folder=folder)
    longtake("audit", "corpus", "--sample", "20", "--seed", "7", folder=folder, codes=(0, 1))
    judged = longtake("audit", "corpus", "--policy", "policy.yaml", folder=folder, codes=(0, 1))
    longtake("verify", "corpus", folder=folder)
    after = keys_of(corpus)
    originals = {f"test{number:05d}" for number in range(sum(kind == "copy" for kind in planted.values()))}
    pairs = {name for name, kind in planted.items() if kind == "copy"} | originals
    videos = Counter(key.rsplit("-", 2)[0] for key in after)
    return {
        "clips": len(before), "planted": dict(Counter(planted.values())), "kept": len(after),
        "planted_left": sorted(name for name in videos if planted.get(name, "copy") != "copy"),
        "copies_left": sum(videos[name] for name in pairs) - len(originals),
        "good_dropped": sorted(key for key in set(before) - set(after) if key.rsplit("-", 2)[0] not in {*planted, *pairs}),
        "dropped_by_policy": len(by_policy), "dropped_in_bulk": len(in_bulk), "settled": settled, "overlooked": missed,
        "curators": {
            one.name: {"clicks": one.clicks, "keys": one.keys, "looked": len(one.looked)} for one in (ann, bob)
        },
        "seconds": {name: round(value, 1) for name, value in took.items()},
        "audit": judged,
    }  # fmt: skip


def main() -> None:
    """Make, clean, compare, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a smaller corpus")
    parser.add_argument("--pictures", type=Path, help="a folder for screenshots")
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    folder = CACHE / "clean-up"
    planted = make_sources(folder, 40 if options.quick else 200, 2 if options.quick else 4)
    longtake("build", "corpus.yaml", folder=folder)
    found = clean_up(folder, planted, options.pictures)
    judged = found.pop("audit")
    print(judged)
    rows = [["in the corpus", str(found["clips"]), ""], ["of them planted", str(len(planted)), ""]]
    rows += [[f"dropped by the policy ({found['seconds']['policy']} s)", str(found["dropped_by_policy"]), "0"]]
    rows += [[f"dropped in bulk ({found['seconds']['in bulk']} s)", str(found["dropped_in_bulk"]), ""]]
    for name, one in found["curators"].items():
        rows.append([f"looked at by {name}", str(one["looked"]), f"{one['clicks']} clicks, {one['keys']} keys"])
    rows += [["conflicts settled", str(found["settled"]), ""], ["kept", str(found["kept"]), ""]]
    rows += [["planted and still there", str(len(found["planted_left"]) + found["copies_left"]), ""]]
    rows += [["good and dropped", str(len(found["good_dropped"])), ""]]
    report("clean_up", "A clean-up", ["", "clips", "by hand"], rows, found, options.results, machine())


if __name__ == "__main__":
    try:
        main()
    except Failed as failure:
        sys.exit(str(failure))
