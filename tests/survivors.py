"""What a fault may cost: a corpus built in spite of it, compared with one that nothing happened to."""

import json
import tarfile
from hashlib import sha256
from pathlib import Path

from sources import ledger, manifest

from longtake.pipeline.verify import verify


def contents(corpus: Path) -> dict[str, dict[str, str]]:
    """By key of the sample, the digest of each of its members; but for what its .json says of the shard it lies in, and of the
    file as a whole, which may have been cut."""
    found: dict[str, dict[str, str]] = {}
    for shard in sorted((corpus / "shards").glob("*.tar")):
        with tarfile.open(shard) as tar:
            for member in tar:
                key, _, name = member.name.partition(".")
                stream = tar.extractfile(member)
                assert stream is not None
                data = stream.read()
                if name == "json":
                    described = {k: v for k, v in json.loads(data).items() if k not in ("shard", "position", "source")}
                    data = json.dumps(described).encode()
                found.setdefault(key, {})[name] = sha256(data).hexdigest()
    return found


def lost_clips(corpus: Path, clean: Path) -> dict[str, str]:
    """The long clips of `clean` that are not in `corpus`, by key, with their reasons.

    Asserts that all others are there and the same to the last byte, that the ledger names those that are not, and that everything
    adds up.
    """
    whole, found = contents(clean), contents(corpus)
    lost = {
        row["subject_id"]: row["reason"]
        for row in ledger(corpus)
        if (row["subject"], row["stage"]) == ("clip", "decode")
    }
    assert found == {key: members for key, members in whole.items() if key not in lost}
    assert set(lost) <= set(whole)
    counts = manifest(corpus)["counts"]
    assert all(count["in"] == count["kept"] + count["dropped"] for count in counts.values())
    assert counts["clips"] == {"in": len(whole), "kept": len(found), "dropped": len(lost)}
    assert not verify(str(corpus), workers=1).faults
    return lost
