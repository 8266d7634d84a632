"""`mlevents start --fresh`."""

from pathlib import Path

import pytest

from mlevents.app_settings import BadFile
from mlevents.console import Console
from mlevents.local.fresh import remove_record


def test_record_and_mails_are_removed_and_nothing_else(tmp_path: Path) -> None:
    """Certificates, the lock and the demo's mails stay."""
    for name in ("azurite", "mails", "certificates", "demo/mails"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "a").write_text("a")
    (tmp_path / "lock").write_text("")
    remove_record(tmp_path, console := Console())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["certificates", "demo", "lock"]
    assert [*console.lines] == [f"removed: recorded events and queues in {tmp_path}/azurite, mails in {tmp_path}/mails"]
    remove_record(tmp_path, console)
    assert console.lines[-1] == f"there was nothing to remove in {tmp_path}"


@pytest.mark.parametrize("name", ["state", "state/azurite", "state/mails"])
def test_what_a_link_leads_to_is_not_removed(tmp_path: Path, name: str) -> None:
    (tmp_path / "mine/mails").mkdir(parents=True)
    if name != "state":
        (tmp_path / "state").mkdir()
    (tmp_path / name).symlink_to(tmp_path / "mine")
    with pytest.raises(BadFile, match=r"is a link to .*/mine: --fresh removes nothing there"):
        remove_record(tmp_path / "state", Console())
    assert (tmp_path / "mine/mails").is_dir()
