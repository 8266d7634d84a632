"""The part of `mlevents demo` about what no event of Azure ML says: why runs failed, and what did not happen."""

import shutil
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path

from mlevents.commands.demo.stage import Part, Stage

PROD, DEV = "churn-prod", "churn-dev"
_SOON = timedelta(minutes=3)  # from the demo's start to its deadline: meanwhile the app starts, and sees the rule
_REASON = "CUDA out of memory. Tried to allocate 2.50 GiB"
_LOG = f"epoch 3/20 loss 0.211\nepoch 4/20 loss 0.187\ntorch.OutOfMemoryError: {_REASON}\n"
RUN = "sad_plum_7k2m9q"  # the run that fails in production
_SWEEP = "churn-sweep"


def rules_for_demo(rules: Path, folder: Path, now: datetime) -> Path:
    """Copy the rules into a folder, with times for a demo; returns that folder.

    `within` also holds shortly after midnight, when nothing of the day can have come yet.
    """
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(rules, folder)
    file = folder / "silence.yaml"
    text = file.read_text(encoding="utf-8")
    times = {'by: "06:30"': f'by: "{now + _SOON:%H:%M}"\n      within: 2h', "for: 15m": "for: 4s"}
    for usual, here in times.items():
        if usual not in text:
            raise LookupError(f"{file.name} has no {usual!r}")
        text = text.replace(usual, here)
    file.write_text(text, encoding="utf-8")
    return folder


class Silence:
    """Runs that fail, a deployment that fails without an event, and a nightly run that does not come."""

    def __init__(self, stage: Stage) -> None:
        self._stage, self._azure = stage, stage.azure

    @property
    def first_parts(self) -> Mapping[str, Part]:
        """The parts about failed runs, and about many events at once."""
        return {
            "A training fails in production: the mail says why": self._fails,
            "Four runs fail, and a file arrives with two events: one mail, one job": self._bursts,
        }

    @property
    def last_parts(self) -> Mapping[str, Part]:
        """The parts about what raises no event. Their deadline passes during the parts before."""
        return {"A deployment fails, and the nightly training does not come: no event": self._unseen}

    def prepare(self) -> None:
        """Let the watch see what is there, and the rule that expects the nightly training."""
        self._stage.local.invoke("watch")
        self._azure.jobs.fail("churn-training", _REASON, reason="OutOfMemory", step="train", log=_LOG, times=1)
        self._azure.jobs.fail(_SWEEP, "The datastore landing denied access: the secret is expired")

    def _fails(self) -> Iterator[str]:
        compute = self._azure.workspaces.add_compute("gpu-cluster", size="Standard_NC6s_v3", workspace=PROD)
        self._azure.jobs.start("churn-training", name=RUN, compute=compute, workspace=PROD)
        mail = self._stage.mail("churn-training failed", RUN)
        self._stage.show(mail)
        reason = mail.text.partition("\n\n")[2].partition("\n\n")[0]
        if _REASON not in " ".join(reason.split()):
            yield f"the mail should begin with the reason {_REASON!r}, and has {reason!r}"
        if "torch.OutOfMemoryError" not in mail.text:
            yield "the mail about the failed run lacks its log"

    def _bursts(self) -> Iterator[str]:
        """In a data lake, a file raises two events: the rule acts on the second one, when it is complete."""
        runs = [f"sweep_{number}" for number in range(1, 5)]
        for name in runs:
            self._azure.jobs.start(_SWEEP, name=name, steps=(), workspace=DEV)
        self._azure.blobs.put("exports/daily/churn.csv", lake=True)
        mail = self._stage.mail(f"[{DEV}] {len(runs)} runs failed")
        if missing := [name for name in runs if name not in mail.text]:
            yield f"the mail about the sweep lacks {missing}"
        self._stage.wait(lambda: "Completed" in self._stage.jobs.values())
        if len(self._stage.jobs) != 1:
            yield f"one job should have been started: {self._stage.jobs}"

    def _unseen(self) -> Iterator[str]:
        model = self._azure.models.register("pricing", "1", workspace=DEV)
        self._azure.endpoints.add("pricing", workspace=DEV)
        self._azure.endpoints.add_deployment("pricing", "pricing-1", model, state="Failed", workspace=DEV)
        self._stage.local.invoke("watch")
        self._stage.mail(f"[{DEV}] Deployment pricing-1")
        self._stage.wait(self._nightly_is_missed, pause=0.5)
        mail = self._stage.mail(f"[{PROD}] nightly-train did not complete")
        if "nightly" not in mail.text:
            yield f"the mail about the nightly training has no reason: {mail.text!r}"

    def _nightly_is_missed(self) -> bool:
        """Watch again, until the deadline has passed by three minutes of the app's clock."""
        self._stage.local.invoke("watch")
        return any("nightly-train" in mail.subject for mail in self._stage.local.mails)
