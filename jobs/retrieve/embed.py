"""`longtake embed`: vectors of videos and texts, to Parquet."""

from typing import Annotated

import typer

from longtake.jobs import terminal
from longtake.jobs.retrieve.inference import (
    Device,
    Precision,
    Report,
    Run,
    Workers,
    load_embedder,
    print_table,
    short_side,
    write_report,
)
from longtake.schemas import storage
from longtake.schemas.errors import CorpusError
from longtake.schemas.wording import plural


def embed(
    run: Run,
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT...", help="Finished corpora, videos, .txt and .jsonl files, folders with such files."
        ),
    ],
    output: Annotated[str, typer.Option("--output", "-o", metavar="FILE", help="The Parquet file to write.")],
    window: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            min=0.1,
            help="Write a row for each window of a video file; by default one for all of it.",
        ),
    ] = None,
    clips: Annotated[bool, typer.Option("--clips", help="Also write the vectors of clips and sentences.")] = False,
    split: Annotated[str | None, typer.Option(help="Embed only this split of corpora.")] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Videos or paragraphs to encode at once.")] = 16,
    workers: Workers = 0,
    device: Device = None,
    precision: Precision = None,
    report: Report = None,
) -> None:
    """Write the vectors of videos and texts to a Parquet file: kind, id, source, start_ms, end_ms, embedding.

    Unusable inputs are listed with their reasons. Exit code 0, or 1 if nothing could be embedded; then no file is written.
    """
    from longtake.jobs.retrieve.inputs import Failure, items_of
    from longtake.jobs.retrieve.table import EmbeddingTable
    from longtake.jobs.retrieve.video_frames import Sampling
    from longtake.pipeline.run.slots import close_shared_slots, cores, shared_slots

    console, failures = terminal.console(is_answer=True), list[Failure]()
    embedder = load_embedder(run, device, precision)
    sampling = Sampling(
        embedder.frame_count, None if window is None else round(1000 * window), short_side=short_side(embedder)
    )
    rows = {"video": 0, "text": 0}
    with storage.writing(output) as temporary:
        with EmbeddingTable(temporary, embedder, clips, batch_size, about={"run": run}) as table:
            for item in items_of(inputs, embedder, sampling, shared_slots(workers or cores()), split):
                if isinstance(item, Failure):
                    failures.append(item)
                else:
                    rows[table.add(item)] += 1
        close_shared_slots()
        print_table(console, "Not used", [(f.source, f.id, f.reason, f.detail) for f in failures])
        if report:
            write_report(report, [vars(failure) for failure in failures])
        if not any(rows.values()):
            raise CorpusError(f"nothing could be embedded; {output} was not written")
    counts = f"{plural(rows['video'], 'video')} and {plural(rows['text'], 'text')} embedded, {len(failures):,} not"
    terminal.print_line(console, f"{counts}. {embedder.width} numbers each: {output}")
