"""`longtake attest`: sign a corpus off, and check who did."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from longtake.jobs import terminal
from longtake.schemas import storage
from longtake.schemas.errors import ConfigError, CorpusError
from longtake.schemas.layout import Layout
from longtake.schemas.manifest import finished_manifest


def attest(
    corpus: Annotated[str, typer.Argument(metavar="CORPUS", help="The folder or URI of a finished corpus.")],
    who: Annotated[
        str | None, typer.Option("--who", metavar="NAME", help="Who signs, as in a list of signers: ann@example.org.")
    ] = None,
    key: Annotated[
        str | None, typer.Option("--key", metavar="FILE", help="The private key of OpenSSH that signs, as ~/.ssh/id_ed25519.")
    ] = None,
    note: Annotated[str, typer.Option("--note", help="What the signer adds, in a line of up to 500 characters.")] = "",
    verify: Annotated[bool, typer.Option("--verify", help="Check the sign-off instead of making one.")] = False,
    signers: Annotated[
        str | None, typer.Option("--signers", metavar="FILE", help="For --verify: who may sign, with which key (man ssh-keygen).")
    ] = None,
) -> None:  # fmt: skip
    """Sign off this version of a corpus, after an audit by a policy that it passes; or, with --verify, check who signed.

    The statement names who, when, the policy and its hash, the corpus and the hash of its corpus.json, and the reviewed sample.
    """
    from longtake.jobs.lock import check_there

    check_there(corpus)
    layout = Layout(corpus.rstrip("/") or corpus)
    if verify:
        if signers is None or who is not None or key is not None:
            raise ConfigError("attest: --verify needs --signers FILE, and neither --who nor --key")
        _verify(layout, signers)
        return
    if who is None or key is None or signers is not None:
        raise ConfigError("attest: give --who NAME and --key FILE to sign, or --verify --signers FILE to check")
    if len(note) > 500 or not note.isprintable():
        raise ConfigError("--note: at most 500 characters, on one line")
    _sign(corpus, layout, who, key, note)


def _sign(corpus: str, layout: Layout, who: str, key: str, note: str) -> None:
    from longtake.jobs.lock import locked
    from longtake.pipeline.publish.attestation import ATTESTATION, SIGNATURE, attest as make, checked_who, sign
    from longtake.pipeline.publish.audited import manifest_digest, read_audited, write_card

    checked_who(who)
    with locked(corpus):
        manifest = finished_manifest(layout)
        audit = read_audited(layout)
        if audit is None:
            raise CorpusError(
                f"{layout.root}: this version was not audited. Run: longtake audit {corpus} --policy FILE"
            )
        when = datetime.now(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"
        try:
            statement = make(who, when, note, manifest_digest(layout), audit).to_bytes()
        except (KeyError, TypeError, IndexError):
            raise CorpusError(f"{layout.path('audit', 'audit.json')}: a part is missing. Audit again.") from None
        signature = sign(statement, key)
        storage.delete(layout.path(SIGNATURE))  # of another statement
        storage.write_bytes(layout.path(ATTESTATION), statement)
        storage.write_bytes(layout.path(SIGNATURE), signature)
        write_card(layout, manifest)
    console = terminal.console(is_answer=True)
    terminal.print_line(
        console, f"{who} signed {manifest.name}, version {manifest.version}: {layout.path(ATTESTATION)}"
    )
    terminal.print_line(console, f"Check it with: longtake attest {corpus} --verify --signers FILE")


def _verify(layout: Layout, signers: str) -> None:
    from longtake.pipeline.publish.attestation import ATTESTATION, SIGNATURE, read_attestation, verify_signature
    from longtake.pipeline.publish.audited import manifest_digest

    manifest = finished_manifest(layout)
    found = read_attestation(layout)
    if found is None:
        raise CorpusError(
            f"{layout.root}: nobody has signed this corpus off. Sign it with: longtake attest --who --key"
        )
    try:
        signature = storage.read_bytes(layout.path(SIGNATURE))
    except FileNotFoundError:
        raise CorpusError(f"{layout.path(SIGNATURE)}: missing. Sign again.") from None
    told = verify_signature(storage.read_bytes(layout.path(ATTESTATION)), signature, found.who, signers)
    if found.corpus["corpus_json_sha256"] != manifest_digest(layout):
        raise CorpusError(
            f"{layout.root}: {found.who} signed version {found.corpus.get('version')}, and this corpus.json is another. "
            "Audit and sign this version."
        )
    console = terminal.console(is_answer=True)
    terminal.print_line(console, f"{found.who} signed {manifest.name}, version {manifest.version}, at {found.when}")
    terminal.print_line(console, f"Policy {found.policy['name']}, SHA-256 {found.policy['sha256']}: passed")
    terminal.print_line(console, found.review["text"] if found.review else "No random sample was reviewed.")
    terminal.print_line(console, told)
    terminal.print_line(console, f"corpus.json is the one that was signed. Its files: longtake verify {layout.root}")
