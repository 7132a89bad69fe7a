"""Which frames go into the page: it must not outgrow what mail takes and phones open, however many samples it shows."""

import base64
from collections.abc import Iterable, Sequence

from longtake.pipeline.audit.result import Audit, Picture, Sheet

ROOM = 10_000_000  # bytes of the page for all frames


def sheets_of(audit: Audit) -> list[Sheet]:
    """The contact sheets of a page in its order."""
    kept = [sheet for group in audit.kept for sheet in group.sheets]
    return [*kept, *(sheet for group in audit.dropped for sheet in group.sheets)]


class Pictures:
    """The frames that are shown. Where there is no room for all, each sentence keeps its first before any has its second."""

    def __init__(self, sheets: Iterable[Sheet], room: int = ROOM) -> None:
        sentences = [sentence.pictures for sheet in dict.fromkeys(sheets) for sentence in sheet.sentences]
        self._chosen: set[bytes] = set()
        self.left_out = 0
        for turn in range(max(map(len, sentences), default=0)):
            for pictures in sentences:
                room -= self._choose(pictures, turn, room)

    def _choose(self, pictures: Sequence[Picture], turn: int, room: int) -> int:
        jpeg = pictures[turn].jpeg if turn < len(pictures) else None
        if jpeg is None:
            return 0
        size = -(-len(jpeg) // 3) * 4
        if size > room:
            self.left_out += 1
            return 0
        self._chosen.add(jpeg)
        return size

    def uri(self, picture: Picture) -> str:
        """The frame as a URI that holds it; "" where there is none or no room for it."""
        if picture.jpeg is None or picture.jpeg not in self._chosen:
            return ""
        return "data:image/jpeg;base64," + base64.b64encode(picture.jpeg).decode("ascii")
