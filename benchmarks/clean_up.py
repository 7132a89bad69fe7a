"""A clean-up from end to end: a corpus with 11 % bad clips, planted; a policy, two curators in a real browser; a signed version.
Counts clicks, keys and clips looked at, and compares the result with what was planted, and with looking at random.

    python benchmarks/clean_up.py                      200 good clips and 24 bad ones; about 5 minutes
    python benchmarks/clean_up.py --quick              40 and 12
    python benchmarks/clean_up.py --pictures docs/pictures

The videos are those of examples/narrated: moving shapes, and a narrator who says what moves. Planted: black, frozen, wrong
captions, copies, French, a licence NC. The curators are scripts: they know what was planted, and answer as careful people would,
but Bob overlooks a bad clip that Ann judges too. So clicks are those of people, and the time is not.
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
from clean_up_material import make_sources
from measure import CACHE, RESULTS, Failed, machine, report
from PIL import Image
from playwright.sync_api import sync_playwright
from pyarrow.dataset import dataset

from longtake.pipeline.browse.server import Options, Server

CHROMIUM = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
SIGNER = "ann@example.org"
_LAST = "This is the last one"
_MOVED_ON = f"key => !location.pathname.endsWith(key) || document.body.innerText.includes('{_LAST}')"


@dataclass
class Curator:
    """A person at a browser: what was clicked or pressed, and which clips were looked at."""

    name: str
    page: Any
    clicks: int = 0
    keys: int = 0
    looked: list[str] = field(default_factory=list)

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


@dataclass
class CleanUp:
    """The corpus that is cleaned, in `folder`; the kind of each bad video, the original of each copy; and what each step found
    and cost so far."""

    folder: Path
    planted: dict[str, str]
    original: dict[str, str]
    pictures: Path | None
    double: str  # the share that both curators judge
    steps: list[dict[str, Any]] = field(default_factory=list)

    @property
    def corpus(self) -> Path:
        return self.folder / "corpus"

    def faults(self) -> dict[str, str]:
        """The bad clips that are there, each with its kind. A copy is one as long as its original is there too."""
        videos = {key: key.rsplit("-", 2)[0] for key in self.keys()}
        there = set(videos.values())
        return {
            key: self.planted[video]
            for key, video in videos.items()
            if video in self.planted and self.original.get(video, video) in there
        }

    def keys(self) -> list[str]:
        """The keys of the samples of the corpus as it is now."""
        names = dataset(self.corpus / "index", format="parquet").to_table(columns=["key"])["key"].to_pylist()
        return sorted(names)

    def lengths(self) -> dict[str, float]:
        """The duration of each sample, in seconds."""
        table = (
            dataset(self.corpus / "index", format="parquet").to_table(columns=["key", "start_ms", "end_ms"]).to_pylist()
        )
        return {row["key"]: (row["end_ms"] - row["start_ms"]) / 1000 for row in table}

    def run(self, *arguments: str, codes: tuple[int, ...] = (0,)) -> str:
        """Run a command of longtake. Raises Failed if its exit code is another."""
        command = [sys.executable, "-m", "longtake.jobs.cli", *arguments]
        ended = subprocess.run(command, capture_output=True, text=True, cwd=self.folder, check=False)
        if ended.returncode not in codes:
            raise Failed(f"longtake {' '.join(arguments)}: {ended.returncode}\n{ended.stdout}{ended.stderr}")
        return ended.stdout

    @contextmanager
    def step(self, name: str, *curators: Curator) -> Iterator[None]:
        """Write down what a step removes, by kind, how long it takes, and which clips curators look at in it. Clips that went and
        were not needed for it are good ones."""
        there, bad, began = len(self.keys()), Counter(self.faults().values()), time.monotonic()
        looked = [len(one.looked) for one in curators]
        yield
        seen = [key for one, start in zip(curators, looked, strict=True) for key in one.looked[start:]]
        found = bad - Counter(self.faults().values())
        self.steps.append({
            "step": name,
            "found": dict(sorted(found.items())),
            "good_dropped": there - len(self.keys()) - found.total(),
            "looks": len(seen),
            "clips": len(set(seen)),
            "seconds": round(time.monotonic() - began, 1),
        })  # fmt: skip

    def shoot(self, page: Any, name: str, height: int) -> None:
        """Keep what a page shows, in 256 colours: half the bytes."""
        if self.pictures is not None:
            page.set_viewport_size({"width": 1100, "height": height})
            page.wait_for_timeout(700)
            path = self.pictures / f"{name}.png"
            page.screenshot(path=path)
            _in_256_colours(Image.open(path).convert("RGB")).save(path, optimize=True)


def _in_256_colours(shown: Image.Image) -> Image.Image:
    """An image with a palette. Each of its colours is the most common of those that it stands for, so flat areas are exact."""
    found = shown.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    pixels = np.asarray(shown, np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
    pairs, counts = np.unique(np.asarray(found, np.uint64) << 24 | pixels, return_counts=True)
    palette = np.zeros((256, 3), np.uint8)
    for pair in pairs[np.argsort(counts)]:  # the most common one comes last
        palette[int(pair) >> 24] = [int(pair) >> shift & 255 for shift in (16, 8, 0)]
    found.putpalette(palette.tobytes())
    return found


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


def sit_down(browser: Any, name: str) -> Curator:
    """A curator with a browser of their own."""
    page = browser.new_page(viewport={"width": 1100, "height": 900}, reduced_motion="reduce")
    page.set_default_timeout(60_000)
    return Curator(name, page)


def say_who(curator: Curator, address: str) -> None:
    """Enter a name."""
    page = curator.page
    page.goto(address)
    curator.click(page.locator("#curator"))
    page.get_by_label("Name", exact=True).fill(curator.name)
    curator.keys += len(curator.name)
    curator.press("Enter")
    page.get_by_text(f"Marking as {curator.name}").wait_for()


def reject_all(
    curator: Curator, address: str, narrow: Callable[[], None], label: str, shoot: Callable[[], None]
) -> None:
    """Choose samples in the list, look at them there, and reject all of them."""
    page = curator.page
    page.goto(address)
    narrow()
    curator.click(page.get_by_role("button", name="Search", exact=True))
    page.wait_for_load_state("networkidle")
    curator.looked += page.locator(".card").evaluate_all("all => all.map(one => one.dataset.key)")
    curator.press("b")
    curator.choose("#bulk-label", label)
    curator.click(page.get_by_role("button", name="Reject all"))
    shoot()
    curator.click(page.locator("#bulk-yes"))
    page.get_by_text(re.compile("Rejected: ")).wait_for()


def judge_queue(curator: Curator, address: str, is_bad: Callable[[str], bool], before: Callable[[str], None]) -> None:
    """Go through a queue: look at each clip, reject it or accept it. `before` is called at each."""
    page = curator.page
    page.goto(f"{address}queues")
    curator.click(page.locator(".go-on-queue").first)
    page.get_by_label("Go to the next sample").check()
    curator.clicks += 1
    while True:
        page.wait_for_url(re.compile("/sample/"))
        key = page.locator("#marking").get_attribute("data-key")
        curator.looked.append(key)
        before(key)
        curator.press("r" if is_bad(key) else "o")
        page.wait_for_function(_MOVED_ON, arg=key)
        if page.get_by_text(_LAST).is_visible():
            break


def settle(curator: Curator, address: str, shoot: Callable[[], None]) -> int:
    """Reject where curators differ, one after the other. Returns how many there were."""
    page, settled = curator.page, 0
    while True:
        page.goto(f"{address}queues")
        if not page.locator("#settle").count():
            return settled
        curator.click(page.locator("#settle"))
        page.wait_for_url(re.compile("/sample/"), wait_until="networkidle")
        curator.looked.append(page.locator("#marking").get_attribute("data-key"))
        curator.press("r")
        page.get_by_text("in adjudication").wait_for()
        if not settled:
            shoot()
        settled += 1


# -- the clean-up ------------------------------------------------------------------------------------------------------


def by_policy(work: CleanUp, browser: Any) -> None:
    """Judge the corpus by the policy, and drop what it does not allow."""
    with work.step("policy"):
        work.run("audit", "corpus", "--policy", "policy.yaml", codes=(1,))
        shoot_report(work, browser, "clean-up-policy", "policy", 760)
        work.run("curate", "corpus", "--policy", "policy.yaml")


def in_bulk(work: CleanUp, ann: Curator) -> int:
    """Reject the French, and the known duplicates. Returns the port that was served on: browsers know their curator there."""
    with work.step("in bulk", ann):
        with serving(work.corpus) as address:
            say_who(ann, address)
            page = ann.page
            shoot = lambda: work.shoot(page, "clean-up-bulk", 640)  # noqa: E731
            reject_all(ann, address, lambda: ann.choose("[name=language]", "fr"), "bad_text", shoot)
            only = page.get_by_label("Known duplicates only")
            reject_all(ann, address, lambda: ann.click(only), "other", lambda: None)
        work.run("takedown", "corpus", "--decisions", "corpus/decisions.csv")
    return urlsplit(address).port or 0


def in_queues(work: CleanUp, ann: Curator, bob: Curator, port: int) -> dict[str, Any]:
    """Deal out all that is left, some of it twice; judge it; settle conflicts. Returns what was overlooked and settled."""
    faults, size = work.faults(), str(len(work.keys()))
    work.run("queues", "corpus", "--to", "Ann", "--to", "Bob", "--size", size, "--double", work.double)
    with (work.corpus / "queues.csv").open(newline="") as file:
        dealt = Counter(row["key"] for row in csv.DictReader(file))
    overlooked = sorted(key for key in faults if dealt[key] > 1)[:1]

    def shoot_overlooked(key: str) -> None:
        if key in overlooked:
            bob.page.wait_for_load_state("networkidle")
            work.shoot(bob.page, "clean-up-sample", 900)

    with work.step("queues", ann, bob):
        with serving(work.corpus, port) as address:
            judge_queue(ann, address, lambda key: key in faults, lambda key: None)
            say_who(bob, address)
            judge_queue(bob, address, lambda key: key in faults and key not in overlooked, shoot_overlooked)
            ann.page.goto(f"{address}queues")
            work.shoot(ann.page, "clean-up-queues", 560)
            settled = settle(ann, address, lambda: work.shoot(ann.page, "clean-up-conflict", 760))
        (work.folder / "judged.csv").write_bytes((work.corpus / "decisions.csv").read_bytes())
        work.run("takedown", "corpus", "--decisions", "corpus/decisions.csv")
    return {"overlooked": overlooked, "settled": settled, "judged_twice": sum(n > 1 for n in dealt.values())}


def sign_off(work: CleanUp, browser: Any) -> dict[str, Any]:
    """Audit the version that is left by a sample and the policy, and sign it. Returns what the audit and the statement say."""
    review = yaml.safe_load((work.folder / "policy.yaml").read_text())["review"]["samples"]
    with work.step("sign-off"):
        work.run("audit", "corpus", "--sample", str(review), "--seed", "7", codes=(0, 1))
        judged = work.run("audit", "corpus", "--policy", "policy.yaml")
        shoot_report(work, browser, "clean-up-signed", "policy", 520)
        for name in ("key", "key.pub"):
            (work.folder / name).unlink(missing_ok=True)
        keygen = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", SIGNER, "-f", str(work.folder / "key")]
        subprocess.run(keygen, check=True)
        work.run("attest", "corpus", "--who", SIGNER, "--key", "key")
        (work.folder / "signers").write_text(f"{SIGNER} {(work.folder / 'key.pub').read_text()}")
        verified = work.run("attest", "corpus", "--verify", "--signers", "signers")
        work.run("verify", "corpus")
    print(judged, verified, sep="\n")
    audited = json.loads((work.corpus / "audit" / "audit.json").read_text())
    chosen = {name: audited[name] for name in ("verdict", "agreement")}
    return chosen | {"rejected": audited["estimates"][0]["text"], "verified": verified.strip()}


def shoot_report(work: CleanUp, browser: Any, name: str, section: str, height: int) -> None:
    """Keep a section of the report."""
    page = browser.new_page(viewport={"width": 1100, "height": 900}, reduced_motion="reduce")
    page.goto(f"file://{work.corpus}/audit/report.html#{section}")
    work.shoot(page, name, height)
    page.close()


def clean_up(work: CleanUp) -> dict[str, Any]:
    """The whole way, from the built corpus to the signed-off version. Returns its figures."""
    before, lengths = work.keys(), work.lengths()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=CHROMIUM)
        ann, bob = sit_down(browser, "Ann"), sit_down(browser, "Bob")
        by_policy(work, browser)
        port = in_bulk(work, ann)
        judged = in_queues(work, ann, bob, port)
        signed = sign_off(work, browser)
        browser.close()
    return {
        "clips": len(before), "planted": dict(Counter(work.planted.values())), "kept": len(work.keys()),
        "left": work.faults(),
        "good_dropped": sum(step["good_dropped"] for step in work.steps),
        "curators": {
            one.name: {
                "clicks": one.clicks, "keys": one.keys, "looked": len(one.looked),
                "minutes_to_play": round(sum(lengths[key] for key in one.looked) / 60, 1),
            } for one in (ann, bob)
        },
        "steps": work.steps, **judged, **signed,
    }  # fmt: skip


def beside_random(found: dict[str, Any]) -> list[dict[str, Any]]:
    """After each step: how many planted clips are found, how many looks that took, and how many clips somebody who looks at clips
    in random order is expected to see until as many are found. The k-th of B bad clips among N comes at k (N + 1) / (B + 1)."""
    bad, rows, done, looks = sum(found["planted"].values()), [], 0, 0
    for step in found["steps"]:
        done += sum(step["found"].values())
        looks += step["looks"]
        at_random = round(done * (found["clips"] + 1) / (bad + 1))
        rows.append({"step": step["step"], "found": done, "looks": looks, "at_random": at_random})
    return rows


def printed(found: dict[str, Any]) -> list[list[str]]:
    """The rows of the table."""
    rows = []
    for step, so_far in zip(found["steps"], found["beside_random"], strict=True):
        dropped = ", ".join(f"{number} {kind}" for kind, number in step["found"].items()) or "nothing"
        numbers = [str(so_far[name]) for name in ("found", "looks", "at_random")]
        rows.append([step["step"], dropped, *numbers, f"{step['seconds']:.0f}"])
    return rows


def main() -> None:
    """Make, clean, compare, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a smaller corpus")
    parser.add_argument("--pictures", type=Path, help="a folder for screenshots")
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    facts, folder = machine(), CACHE / "clean-up"
    good, bad, review, double = (40, 2, 20, "1") if options.quick else (200, 4, 100, "0.5")
    work = CleanUp(folder, *make_sources(folder, good, bad, review), options.pictures, double)
    work.run("build", "corpus.yaml")
    found = clean_up(work)
    found["beside_random"] = beside_random(found)
    headings = ["step", "dropped", "bad clips found", "looks so far", "looks at random", "s"]
    report("clean_up", "A clean-up", headings, printed(found), found, options.results, facts)
    for name, one in found["curators"].items():
        print(f"{name}: {one['looked']} looks, {one['clicks']} clicks, {one['keys']} keys")
    print(
        f"Planted and still there: {len(found['left'])}. Good and dropped: {found['good_dropped']}. Kept: {found['kept']}."
    )


if __name__ == "__main__":
    try:
        main()
    except Failed as failure:
        sys.exit(str(failure))
