"""What a dataset card says of the checks of an audit."""

from collections.abc import Iterable

from longtake.pipeline.audit.result import AuditCheck, CheckStatus


def limits_of(checks: Iterable[AuditCheck]) -> tuple[str, ...]:
    """The sentences on a card about failed checks, warnings, and checks that could not run."""
    told = {CheckStatus.FAIL: "{} failed: {}", CheckStatus.WARN: "{}: {}", CheckStatus.SKIP: "Not checked: {}. {}"}
    order = list(told)
    kept = sorted((check for check in checks if check.status in told), key=lambda check: order.index(check.status))
    return tuple(told[check.status].format(check.title, check.found) for check in kept)
