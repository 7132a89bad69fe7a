"""What a plan says that its publisher has to know before decoding: licences that restrict use, and a card without a contact."""

from collections import Counter
from collections.abc import Iterator, Mapping

from longtake.pipeline.publish.licences import NOT_STATED, restricted
from longtake.schemas import storage
from longtake.schemas.layout import Layout
from longtake.schemas.publication import Publication
from longtake.schemas.wording import plural

_NAMED = 3  # licences in a warning


def plan_warnings(layout: Layout, publication: Publication) -> Iterator[str]:
    """The warnings on a finished plan."""
    clips: Counter[str] = Counter()
    for part in storage.list_files(layout.plan, ".parquet"):
        column = storage.read_parquet(part, columns=["license"])["license"]
        clips.update(Counter((text or "").strip() for text in column.to_pylist()))
    yield from licence_warnings(clips)
    if not publication.contact:
        yield "No contact is named for requests to take videos down. Set publication.contact; it goes on the card."


def licence_warnings(clips: Mapping[str, int]) -> Iterator[str]:
    """One warning for each kind of restriction. `clips` is the number of long clips under each licence, as records state it."""
    total = sum(clips.values())
    for why, names in sorted(restricted(clips).items(), key=lambda one: (-one[1].total(), one[0])):
        listed = [name[:60] for name in sorted(names, key=lambda name: (-names[name], name))]
        if len(listed) > _NAMED:
            listed[_NAMED:] = [f"{len(listed) - _NAMED:,} more"]
        named = "" if why == NOT_STATED else f" ({', '.join(listed)})"
        yield f"Licence {why}: {names.total():,} of {plural(total, 'long clip')}{named}."
