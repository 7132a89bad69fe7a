"""Choose the frames for the page: it must stay small enough for mail and phones, however many samples it shows."""

import base64
from collections.abc import Iterable
from dataclasses import replace

from longtake.pipeline.audit.report.formats import rest
from longtake.pipeline.audit.result import Audit, Sheet

_ROOM = 13_000_000  # bytes for sheets; the rest of the page is below 2 MB
_MOST = 10_000_000  # share of these bytes for frames, so that the page opens on a phone


def sheets_of(audit: Audit) -> list[Sheet]:
    """The contact sheets of a page in its order."""
    kept = [sheet for group in audit.kept for sheet in group.sheets]
    return [*kept, *(sheet for group in audit.dropped for sheet in group.sheets)]


def bare(sheet: Sheet) -> Sheet:
    """A sheet without its facts and note, so that a sample chosen twice for different reasons gives equal sheets."""
    return replace(sheet, facts=(), note="")


def room_beside(sheets: Iterable[Sheet]) -> int:
    """The bytes left for frames beside the texts of the sheets."""
    texts = (sentence.text for sheet in sheets for sentence in sheet.sentences)
    return max(0, min(_MOST, _ROOM - sum(len((text[:600] + rest(text)).encode("utf-8", "replace")) for text in texts)))


class Pictures:
    """The frames to show. If there is no room for all, each sentence gets its first frame before any gets a second."""

    def __init__(self, sheets: Iterable[Sheet], room: int | None = None) -> None:
        once = list(dict.fromkeys(map(bare, sheets)))
        left = room_beside(once) if room is None else room
        places = [(sheet, n, sentence.pictures) for sheet in once for n, sentence in enumerate(sheet.sentences)]
        self._chosen: dict[Sheet, set[tuple[int, int]]] = {sheet: set() for sheet in once}
        self.left_out = 0
        for turn in range(max((len(pictures) for _, _, pictures in places), default=0)):
            for sheet, n, pictures in places:
                jpeg = pictures[turn].jpeg if turn < len(pictures) else None
                if jpeg is None:
                    continue
                size = -(-len(jpeg) // 3) * 4
                if size <= left:
                    self._chosen[sheet].add((n, turn))
                    left -= size
                else:
                    self.left_out += 1

    def uris(self, sheet: Sheet, sentence: int) -> list[str]:
        """The frames of a sentence as data URIs; "" for a damaged frame, or one without room."""
        chosen = self._chosen[bare(sheet)]
        pictures = enumerate(sheet.sentences[sentence].pictures)
        return [_uri(p.jpeg) if p.jpeg is not None and (sentence, n) in chosen else "" for n, p in pictures]


def _uri(jpeg: bytes) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode("ascii")
