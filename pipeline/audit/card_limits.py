"""What a dataset card says of the checks of an audit."""

from collections.abc import Iterable

from longtake.pipeline.audit.result import AuditCheck
from longtake.pipeline.publish.audited import limits


def limits_of(checks: Iterable[AuditCheck]) -> tuple[str, ...]:
    """The sentences on a card about failed checks, warnings, and checks that could not run."""
    return limits((check.status.value, check.title, check.found) for check in checks)
