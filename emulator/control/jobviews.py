"""Jobs and runs as they are now. None of these is a look that a job waits for."""

from emulator.control.views import Views
from emulator.ml import data_factory as datafactory
from emulator.ml import lifecycle
from emulator.ml.jobs import KIND
from emulator.state import ids
from emulator.state.state import Body


class JobViews(Views):
    """Shows what is there."""

    @property
    def jobs(self) -> list[Body]:
        """Every job, the oldest first."""
        self._settle()
        with self.world.lock:
            found = [one.id for one in self.world.of_type(f"workspaces/{KIND}")]
        return [body for id in found if (body := self.resource(id))]

    def job(self, name: str, *, workspace: str | None = None) -> Body | None:
        """A job; None if there is none."""
        self._settle()
        return self.resource(f"{self._scope(workspace)}/{KIND}/{name}")

    def steps_of(self, name: str, *, workspace: str | None = None) -> dict[str, str]:
        """The steps of a job that have begun, by name, and their statuses. Raises KeyError if there is no such job."""
        self._settle()
        with self.world.lock:
            run = self.world.runs[f"{self._scope(workspace)}/{KIND}/{name}".lower()]
            return {step.display_name: step.status for step in lifecycle.children(self.world, run)}

    def runs_of(self, factory: str) -> list[Body]:
        """The runs of a data factory, by its name or id, the oldest first."""
        self._settle()
        with self.world.lock:
            runs = self.world.factory_runs
            found = (run for run in runs if factory.lower() in {run.factory.lower(), ids.name_of(run.factory).lower()})
            return [datafactory.shown(run) for run in found]

    def state(self) -> Body:
        """What there is to see, in short: endpoints with their traffic and deployments, models, jobs, factory runs."""
        found = [one.id for one in self.world.of_type("workspaces/onlineEndpoints")]
        return {
            "endpoints": {ids.name_of(id): self._endpoint_in_short(id) for id in found},
            "batch_endpoints": {
                ids.name_of(one.id): one.properties["defaults"].get("deploymentName", "")
                for one in self.world.of_type("workspaces/batchEndpoints")
            },
            "models": [id.partition("/models/")[2].replace("/versions/", ":") for id in self._models()],
            "jobs": {
                job["name"]: f"{job['properties']['experimentName']} {job['properties']['status']}" for job in self.jobs
            },
            "factory_runs": {run.id: f"{run.pipeline} {run.status}" for run in self.world.factory_runs},
        }

    def _endpoint_in_short(self, id: str) -> Body:
        with self.world.lock:
            traffic = self.world.need(id).properties["traffic"]
            deployments = {one.body["name"]: one.state for one in self.world.children(id, "deployments")}
        return {"traffic": {name: share for name, share in traffic.items() if share}, "deployments": deployments}

    def _models(self) -> list[str]:
        with self.world.lock:
            return [one.id for one in self.world.of_type("workspaces/models/versions")]

    def _settle(self) -> None:
        with self.world.changing():
            self.world.settle_due()
