"""Facts about a corpus that only its publisher knows. They are on its card and decide nothing else of it."""

from datetime import date
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from longtake.schemas.settings import Section

Line = Annotated[str, Field(max_length=500, pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*$")]


def _as_text(value: Any) -> Any:
    """YAML reads 2026-11-25 as a date and 2026 as a number."""
    return value.isoformat() if isinstance(value, date) else str(value) if type(value) is int else value


class Publication(Section):
    """Who publishes a corpus, where, when (a year, month or day like 2026-11-25), and who takes requests to take videos down.
    "" is unknown."""

    creator: Line = ""
    url: Line = ""
    date: Annotated[str, BeforeValidator(_as_text), Field(pattern=r"^(\d{4}(-\d{2}(-\d{2})?)?)?$")] = ""
    contact: Line = ""

    def __bool__(self) -> bool:
        return any((self.creator, self.url, self.date, self.contact))
