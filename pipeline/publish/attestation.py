"""A signed statement that a corpus is signed off: by whom, when, by which policy, on which sample. OpenSSH signs it."""

import json
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import asdict, dataclass
from typing import Any

from longtake.schemas import storage
from longtake.schemas.errors import ConfigError, CorpusError
from longtake.schemas.layout import Layout

NAMESPACE = "longtake-attestation"  # of the signature: it counts for nothing else
ATTESTATION, SIGNATURE = "attestation.json", "attestation.json.sig"
_FORMAT = 1
_WHO = re.compile(r"[A-Za-z0-9][A-Za-z0-9._%+@-]{0,99}")
_SECONDS = 600  # a person may have to type a passphrase, or touch a key


@dataclass(frozen=True, slots=True)
class Attestation:
    """The statement. `corpus`, `policy`, `review` and `agreement` are objects of JSON: see `statement` of the command."""

    format: int
    who: str
    when: str  # ISO 8601, UTC
    note: str
    corpus: dict[str, Any]
    policy: dict[str, Any]
    audit: dict[str, Any]
    review: dict[str, Any] | None
    agreement: dict[str, Any] | None

    def to_bytes(self) -> bytes:
        """The content of the file, which is what is signed."""
        return (json.dumps(asdict(self), indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()


def checked_who(who: str) -> str:
    """Return whoever signs, as OpenSSH's lists of signers name them. Raises ConfigError."""
    if not _WHO.fullmatch(who):
        raise ConfigError(f"--who {who[:60]!r}: must be up to 100 of a-z, A-Z, 0-9 and . _ % + @ -, as ann@example.org")
    return who


def attest(who: str, when: str, note: str, digest: str, audit: dict[str, Any]) -> Attestation:
    """The statement on a corpus whose corpus.json has the SHA-256 `digest`, from its audit.

    Args:
        who: the signer, as OpenSSH's lists of signers name them.
        when: now, as ISO 8601 in UTC.
        note: what the signer adds; "" for nothing.
        digest: the SHA-256 of corpus.json, as hexadecimal digits.
        audit: the audit of this version, as audit/audit.json has it.

    Raises:
        CorpusError: the audit had no policy, or the corpus does not pass it.
    """
    policy = audit.get("policy")
    if not policy:
        raise CorpusError("the last audit of this version had no policy. Run: longtake audit CORPUS --policy FILE")
    if not policy["passed"]:
        failed = ", ".join(line["rule"] for line in policy["lines"] if not line["passed"])
        raise CorpusError(f"policy {policy['name']} fails, so nothing was signed: {failed}")
    rejected = audit["estimates"][0] if audit["estimates"] else None
    agreement = audit.get("agreement") or {}
    statuses = [check["status"] for check in audit["checks"]]
    return Attestation(
        format=_FORMAT,
        who=who,
        when=when,
        note=note,
        corpus={name: audit[name] for name in ("name", "version", "fingerprint")} | {"corpus_json_sha256": digest},
        policy={"name": policy["name"], "sha256": policy["sha256"], "lines": len(policy["lines"]), "passed": True},
        audit={
            "made": audit["made"],
            "checks": {name: statuses.count(name) for name in ("pass", "warn", "fail", "skip")},
        },
        review=None
        if rejected is None
        else {name: rejected[name] for name in ("drawn", "reviewed", "share", "low", "high", "confidence", "text")},
        agreement=agreement.get("alpha"),
    )


def read_attestation(layout: Layout) -> Attestation | None:
    """The statement beside a corpus; None if there is none. Raises CorpusError if it is damaged."""
    path = layout.path(ATTESTATION)
    if not storage.exists(path):
        return None
    try:
        found = Attestation(**json.loads(storage.read_bytes(path)))
        parts = (
            found.corpus["corpus_json_sha256"],
            found.policy["sha256"],
            found.policy["name"],
            found.who,
            found.when,
        )
        shown = (found.audit["checks"].items(), found.policy["lines"], found.review is None or found.review["text"])
        if (
            found.format != _FORMAT
            or not shown
            or not all(isinstance(part, str) for part in parts)
            or not _WHO.fullmatch(found.who)
        ):
            raise ValueError(found.format)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise CorpusError(f"{path}: not an attestation that this version of longtake reads") from None
    return found


# -- the signature, by ssh-keygen --------------------------------------------------------------------------------------


def sign(data: bytes, key: str) -> bytes:
    """Sign with a private key of OpenSSH, or with a public one whose private key an agent holds. Raises ConfigError."""
    if not os.path.isfile(key):
        raise ConfigError(f"--key {key}: no such file. It is a private key of OpenSSH; ssh-keygen -t ed25519 makes one")
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, ATTESTATION)
        with open(path, "wb") as file:
            file.write(data)
        done = _keygen("-Y", "sign", "-f", key, "-n", NAMESPACE, path)
        if done.returncode or not os.path.exists(f"{path}.sig"):
            raise ConfigError(f"--key {key}: ssh-keygen did not sign: {_told(done)}")
        with open(f"{path}.sig", "rb") as file:
            return file.read()


def verify_signature(data: bytes, signature: bytes, who: str, signers: str) -> str:
    """Check that `who` signed `data`, by a list of signers of OpenSSH (man ssh-keygen, ALLOWED SIGNERS). Returns what ssh-keygen
    says of it. Raises CorpusError if the signature is not good, ConfigError if the list cannot be read."""
    if not os.path.isfile(signers):
        raise ConfigError(f"--signers {signers}: no such file. A line of it is: ann@example.org ssh-ed25519 AAAA...")
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, SIGNATURE)
        with open(path, "wb") as file:
            file.write(signature)
        done = _keygen("-Y", "verify", "-f", signers, "-I", who, "-n", NAMESPACE, "-s", path, given=data)
    if done.returncode:
        raise CorpusError(f"the signature of {who} is not good, or {signers} does not list the key: {_told(done)}")
    return _told(done)


def _keygen(*arguments: str, given: bytes | None = None) -> "subprocess.CompletedProcess[bytes]":
    program = shutil.which("ssh-keygen")
    if program is None:
        raise ConfigError("signatures need ssh-keygen, which is not installed. It is part of OpenSSH (openssh-client).")
    own = {"input": given} if given is not None else {}
    try:
        return subprocess.run([program, *arguments], capture_output=True, timeout=_SECONDS, check=False, **own)  # type: ignore[call-overload,no-any-return]
    except subprocess.TimeoutExpired:
        raise ConfigError(f"ssh-keygen did not end in {_SECONDS} seconds") from None


def _told(done: "subprocess.CompletedProcess[bytes]") -> str:
    lines = (done.stdout + b"\n" + done.stderr).decode(errors="replace").splitlines()
    return "; ".join(line.strip() for line in lines if line.strip())[:500] or f"exit code {done.returncode}"
