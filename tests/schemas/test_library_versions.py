import pytest

from longtake.schemas.errors import CorpusError
from longtake.schemas.versions import check_versions, versions


def test_a_worker_with_the_launchers_versions_is_one_of_us() -> None:
    check_versions(versions())


@pytest.mark.parametrize(
    ("launcher", "said"),
    [
        (versions() | {"av": "1.0"}, rf"av {versions()['av']} on the worker, 1\.0 on the launcher"),
        ({n: v for n, v in versions().items() if n != "av"}, "on the worker, absent on the launcher"),
        (versions() | {"nothing": "2"}, "nothing absent on the worker, 2 on the launcher"),
    ],
)
def test_a_worker_with_other_versions_stops_the_job(launcher: dict[str, str], said: str) -> None:
    with pytest.raises(CorpusError, match=said) as stopped:
        check_versions(launcher)
    assert "correct the image" in str(stopped.value)
