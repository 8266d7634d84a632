"""Events whose texts are an attack, and a handler whose outcomes are."""

from datetime import timedelta
from typing import Any

from handlers.base import Action, CheckBack, GiveUp, Handler, Outcome, Succeeded
from schemas import RunStatusChanged

SCRIPT = '"><script>alert(1)</script><img src=x onerror=alert(1)>'
WAYS = ("fail", "succeed", "wait")


class Echo(Handler[RunStatusChanged]):
    """Ends with texts of the event wherever an outcome has one."""

    way: str

    def run(self, event: RunStatusChanged, action: Action) -> Outcome:
        text = event.data.run_id
        match self.way:
            case "fail":
                raise GiveUp(text)
            case "wait":
                return CheckBack(timedelta(hours=1), {}, text)
        links = {"script": "javascript:alert(1)", "other": f"https://ml.azure.com.example/{text}"}
        return Succeeded(text, {text: text, "studio": f"https://ml.azure.com/{text}", **links})


def echo_rules() -> list[dict[str, str]]:
    """The keys of a rule for each way to end."""
    do = {"on": "RunStatusChanged", "do": '"tests.web.hostile:Echo"'}
    return [{"name": way, **do, "with": f"{{ way: {way} }}"} for way in WAYS]


def hostile_event(text: str, tags: int = 1, **envelope: Any) -> dict[str, Any]:
    """An event that has a text wherever one can be."""
    event = RunStatusChanged.example(id=f"id {text}", **envelope).wire()
    event["data"]["runId"] = f"run {text}"
    event["data"]["experimentName"] = text or "x"
    event["data"]["runTags"] = {f"{text}{n}": text for n in range(tags)} | {"link": "javascript:alert(1)"}
    return event
