"""The data sheet of a corpus: what only people can say of it, in `datasheet.yaml` beside it. The questions follow Gebru et al.,
Datasheets for Datasets (Communications of the ACM 64, 2021), and the properties of Croissant RAI 1.0."""

import re
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, field_validator

from longtake.schemas import storage
from longtake.schemas.layout import Layout
from longtake.schemas.settings import Section, read_settings

REFERENCE = "docs/publishing.md"
Answer = Annotated[str, Field(max_length=5000, pattern=r"^[^\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]*$")]
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True, slots=True)
class Question:
    """A question of the data sheet. `rai` is the property of Croissant RAI that has the answer, "" if there is none; `is_list`
    says that the property is a list."""

    name: str
    title: str
    text: str
    rai: str = ""
    is_list: bool = False


QUESTIONS = (
    Question("purpose", "Purpose", "For what was the corpus made? Which gap does it fill?"),
    Question("funding", "Funding", "Who made it, and who paid for it?"),
    Question("collected", "Time of collection", "Between which two days was it collected? As [2024-01-01, 2026-10-31].",
             "dataCollectionTimeFrame", True),
    Question("consent", "Consent", "Did the owners of the videos, and the people in them, agree? How could they object?"),
    Question("people", "People", "Whom does it show or name? Who could be recognised or harmed?", "personalSensitiveInformation",
             True),
    Question("annotation_protocol", "Review", "What were curators told to reject, flag and accept?", "dataAnnotationProtocol",
             True),
    Question("annotators", "Curators", "Who were they, how were they chosen, trained and paid?", "annotatorDemographics", True),
    Question("biases", "Biases", "What is in it too often or too rarely: languages, places, people, topics?", "dataBiases", True),
    Question("uses", "Intended uses", "What should it be used for? What was it used for already?", "dataUseCases", True),
    Question("uses_to_avoid", "Uses to avoid", "What should it not be used for?", "dataLimitations", True),
    Question("social_impact", "Social impact", "What may its use do to people, for better or worse?", "dataSocialImpact"),
    Question("maintenance", "Maintenance", "Who keeps it, until when, and how are versions and removals told?",
             "dataReleaseMaintenancePlan"),
)  # fmt: skip


class Datasheet(Section):
    """The answers; "" is unanswered."""

    base: str = Field("", exclude=True)
    purpose: Answer = ""
    funding: Answer = ""
    collected: tuple[Annotated[str, BeforeValidator(lambda value: _day(value))], ...] = ()
    consent: Answer = ""
    people: Answer = ""
    annotation_protocol: Answer = ""
    annotators: Answer = ""
    biases: Answer = ""
    uses: Answer = ""
    uses_to_avoid: Answer = ""
    social_impact: Answer = ""
    maintenance: Answer = ""

    @field_validator("collected")
    @classmethod
    def _is_a_span(cls, collected: tuple[str, ...]) -> tuple[str, ...]:
        if len(collected) not in (0, 2) or list(collected) != sorted(collected):
            raise ValueError("give the first and the last day, as [2024-01-01, 2026-10-31]")
        return collected

    def answer(self, question: Question) -> str:
        """The answer to a question as text; "" if it is unanswered."""
        value = getattr(self, question.name)
        return value.strip() if isinstance(value, str) else " to ".join(value)

    @property
    def unanswered(self) -> tuple[Question, ...]:
        return tuple(question for question in QUESTIONS if not self.answer(question))


NO_ANSWERS = Datasheet()


def _day(value: Any) -> Any:
    text = value.isoformat() if isinstance(value, date) else value
    if not isinstance(text, str) or not _DAY.fullmatch(text):
        raise ValueError("must be a day, as 2026-10-31")
    date.fromisoformat(text)
    return text


def datasheet_path(layout: Layout) -> str:
    """The file with the answers. It is beside the corpus; new versions leave it."""
    return layout.path("datasheet.yaml")


def read_datasheet(layout: Layout) -> Datasheet:
    """Read the answers; if there is no file, all are unanswered. Raises ConfigError with one line for each fault, which names
    file and line."""
    path = datasheet_path(layout)
    if not storage.exists(path):
        return Datasheet()
    return read_settings(path, Datasheet, "Make it with: longtake card --edit", REFERENCE)


def template() -> str:
    """A file with all questions and no answer."""
    head = (
        "# The data sheet of this corpus: what only people can say. Answer what you can; the card shows the rest as\n"
    )
    head += "# unanswered. A long answer: `purpose: |`, and the text below it, two spaces in.\n"
    empty = {"collected": "[]"}
    return head + "".join(f"\n# {q.text}\n{q.name}: {empty.get(q.name, chr(34) * 2)}\n" for q in QUESTIONS)
