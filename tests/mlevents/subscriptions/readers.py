"""Read the three forms of the subscriptions back to what they deploy, to compare them with each other.

Regions, identities and unique names, which only Azure knows, are texts such as ``location of /subscriptions/…``.
"""

import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from functools import cache, lru_cache
from typing import Any

from pycep import BicepParser

Resource = dict[str, Any]  # as in a template, with `place`: subscription and resource group
ARGUMENTS = {
    "functionAppId": "/subscriptions/fs/resourceGroups/fr/providers/Microsoft.Web/sites/app",
    "storageId": "/subscriptions/ss/resourceGroups/sr/providers/Microsoft.Storage/storageAccounts/events",
}


def of_arm(template: Mapping[str, Any]) -> list[Resource]:
    """What the nested deployments of a template deploy, in an order that `dependsOn` permits."""
    found: list[Resource] = []
    done: list[str] = []
    outer = _Arm({name: each.get("defaultValue", ARGUMENTS[name]) for name, each in template["parameters"].items()})
    for nested in template["resources"]:
        assert nested["type"] == "Microsoft.Resources/deployments"
        assert len(nested["name"]) <= 64
        place = outer.value(nested["subscriptionId"]), outer.value(nested["resourceGroup"])
        own = f"/subscriptions/{place[0]}/resourceGroups/{place[1]}/{nested['type']}/{nested['name']}"
        assert {outer.value(each) for each in nested.get("dependsOn", ())} <= set(done)
        properties = nested["properties"]
        assert properties["expressionEvaluationOptions"] == {"scope": "inner"}
        given = {name: outer.value(each["value"]) for name, each in properties["parameters"].items()}
        assert given.keys() == properties["template"]["parameters"].keys()
        inner = _Arm(given)
        found += [{"place": place, **inner.value(each)} for each in properties["template"]["resources"]]
        for name, each in properties["template"].get("outputs", {}).items():
            outer.outputs[f"{own}.{name}"] = inner.value(each["value"])
        done.append(own)
    return found


class _Arm:
    """Evaluates the expressions of a template."""

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        self.parameters = parameters
        self.outputs: dict[str, Any] = {}

    def value(self, raw: Any) -> Any:
        if isinstance(raw, dict):
            return {name: self.value(each) for name, each in raw.items()}
        if isinstance(raw, list):
            return [self.value(each) for each in raw]
        if not isinstance(raw, str) or not (raw.startswith("[") and raw.endswith("]")):
            return raw
        if raw.startswith("[["):
            return raw[1:]
        tokens = re.findall(r"'(?:[^']|'')*'|\w+|[().,\[\]]", raw[1:-1])
        found = self._read(tokens)
        assert not tokens, raw
        return found

    def _read(self, tokens: list[str]) -> Any:
        word = tokens.pop(0)
        if word.startswith("'"):
            return word[1:-1].replace("''", "'")
        if word.isdigit():
            return int(word)
        assert tokens.pop(0) == "("
        arguments = []
        while tokens[0] != ")":
            arguments.append(self._read(tokens))
            if tokens[0] == ",":
                tokens.pop(0)
        tokens.pop(0)
        found = self._call(word, arguments)
        while tokens and tokens[0] in "[.":
            if tokens.pop(0) == "[":
                found = found[int(tokens.pop(0))]
                assert tokens.pop(0) == "]"
            else:
                found = self._member(found, tokens.pop(0))
        return found

    def _call(self, function: str, given: list[Any]) -> Any:
        match function:
            case "parameters":
                return self.parameters[given[0]]
            case "concat":
                return "".join(given)
            case "split":
                return given[0].split(given[1])
            case "extensionResourceId":
                return "/".join(given)
            case "resourceId":
                return given[1]
            case "reference":
                return f"reference {given[0]}"
            case "guid":
                return f"guid {' '.join(given)}"
            case "subscriptionResourceId":
                return f"role {given[1]}"
        raise AssertionError(function)

    def _member(self, found: Any, name: str) -> Any:
        id = found.removeprefix("reference ")
        match name:
            case "location":
                return f"location of {id}"
            case "identity" | "outputs":
                return found
            case "value":
                return self.outputs[id]
            case "principalId":
                return f"{found}.{name}" if "Microsoft.Resources" in id else f"principal of {id}"
        raise AssertionError(name)


def _parsed(text: str) -> Any:
    return deepcopy(_tree(text))


@lru_cache(maxsize=20)  # the modules are the same each time
def _tree(text: str) -> Any:
    return _parser().parse(text=text)


@cache
def _parser() -> BicepParser:
    return BicepParser()


def of_bicep(files: Mapping[str, str]) -> list[Resource]:
    """What the modules deploy, in an order that `dependsOn` permits."""
    trees = {path: _parsed(text) for path, text in files.items()}
    main = trees.pop("subscriptions.bicep")
    outer = _Bicep({name: each.get("default") or ARGUMENTS[name] for name, each in main["parameters"].items()})
    for symbol, each in main.get("resources", {}).items():
        assert each["existing"]
        subscription, group = outer.value(each["config"]["scope"])
        provider, type = each["type"].split("/")
        name = outer.value(each["config"]["name"])
        id = f"/subscriptions/{subscription}/resourceGroups/{group}/providers/{provider}/{type}/{name}"
        outer.names[symbol] = {"location": f"location of {id}"}
    found: list[Resource] = []
    for symbol, each in main.get("modules", {}).items():
        config, tree = each["config"], trees[each["detail"]["path"]]
        assert set(config.get("dependsOn", ())) <= outer.names.keys()
        given = {name: outer.value(value) for name, value in config["params"].items()}
        assert given.keys() == tree["parameters"].keys()
        inner = _Bicep(given)
        place = outer.value(config["scope"])
        found += [{"place": place, **resource} for resource in inner.resources(tree)]
        outputs = {name: inner.value(output["value"]) for name, output in tree.get("outputs", {}).items()}
        outer.names[symbol] = {"outputs": outputs}
    return found


class _Bicep:
    """Evaluates the expressions of a file. pycep does not tell a name from a text that has the same letters."""

    def __init__(self, names: Mapping[str, Any]) -> None:
        self.names = dict(names)

    def resources(self, tree: Mapping[str, Any]) -> Iterator[Resource]:
        for symbol, each in tree["resources"].items():
            body = {key: self.value(value) for key, value in each["config"].items()}
            if each.get("existing"):
                self.names[symbol] = {"type": each["type"], "name": body["name"]}
                continue
            self.names[symbol] = {"identity": {"principalId": f"principal of {body['name']}"}}
            if parent := body.pop("parent", None):
                body["name"] = f"{parent['name']}/{body['name']}"
            if scope := body.pop("scope", None):
                provider, *types = scope["type"].split("/")
                parts = zip(types, scope["name"].split("/"), strict=True)
                body["scope"] = "/".join([provider, *(part for pair in parts for part in pair)])
            yield {"type": each["type"], "apiVersion": each["api_version"], **body}

    def value(self, raw: Any) -> Any:
        if isinstance(raw, list):
            return [self.value(each) for each in raw]
        if isinstance(raw, str):
            return self.names[raw] if raw in self.names else self._text(raw)
        if not isinstance(raw, dict):
            return raw
        if raw.keys() == {"function"}:
            return self._call(raw["function"]["type"], raw["function"]["parameters"])
        if raw.keys() == {"operator"}:
            return self._operator(raw["operator"]["type"], raw["operator"]["operands"])
        return {self._text(name.strip("'")): self.value(each) for name, each in raw.items()}

    def _call(self, function: str, given: Mapping[str, Any]) -> Any:
        arguments = {name: self.value(each) for name, each in given.items()}
        match function:
            case "resource_group":
                return arguments["subscription_id"], arguments["resource_group_name"]
            case "split":
                return arguments["input_string"].split(arguments["delimiter"])
            case "json":
                return json.loads(next(iter(arguments.values())))
            case "guid":
                return f"guid {' '.join(arguments.values())}"
            case "subscription_resource_id":
                return f"role {arguments['resource_name_1']}"
        raise AssertionError(f"{function} {given}")

    def _operator(self, kind: str, given: Mapping[str, Any]) -> Any:
        first, second = self.value(given["operand_1"]), given["operand_2"]
        if kind == "index_accessor":
            return first[second]
        while isinstance(second, dict):
            inner = second["operator"]["operands"]
            first, second = first[inner["operand_1"]], inner["operand_2"]
        return first[second]

    def _text(self, raw: str) -> str:
        escapes = {"n": "\n", "r": "\r", "t": "\t"}

        def replaced(match: re.Match[str]) -> str:
            if match[1]:
                return str(self.names[match[1]])
            return chr(int(match[2], 16)) if match[2] else escapes.get(match[3], match[3])

        return re.sub(r"\$\{(\w+)\}|\\u\{([0-9a-f]+)\}|\\(.)", replaced, raw, flags=re.DOTALL)


def of_az(script: str) -> list[Resource]:
    """What the commands of a script create, as the Azure CLI 2.91 sends it."""
    variables = {"FUNCTION_APP_ID": ARGUMENTS["functionAppId"], "STORAGE_ID": ARGUMENTS["storageId"]}
    found = []
    for line in script.replace(" \\\n", " ").splitlines():
        if region := re.fullmatch(r"LOCATION=\$\((az resource show .*)\)", line):
            words = shlex.split(region[1])
            variables["LOCATION"] = f"location of {words[words.index('--ids') + 1]}"
        elif line.startswith("az "):
            found.append(_command(_words(line, variables)))
    return found


def _words(line: str, variables: Mapping[str, str]) -> list[str]:
    """The words that a shell passes on: it replaces a variable between double quotes, and none between single ones."""
    lexer = re.compile(r"'([^']*)'|\"\$(\w+)([^\"$`\\]*)\"|\"([^\"$`\\]*)\"|([^\s'\"\\$`;&|<>(){}*?\[\]#~!]+)|(\s+)")
    words: list[str] = []
    at, open_word = 0, False
    while at < len(line):
        match = lexer.match(line, at)
        assert match, line[at : at + 40]
        at = match.end()
        if match[6]:
            open_word = False
            continue
        plain = next((part for part in (match[1], match[4], match[5]) if part is not None), "")
        part = variables[match[2]] + match[3] if match[2] else plain
        if open_word:
            words[-1] += part
        else:
            words.append(part)
        open_word = True
    return words


def _command(words: Sequence[str]) -> Resource:
    start = next(n for n, word in enumerate(words) if word.startswith("--"))
    verb = " ".join(words[:start])
    options: dict[str, list[str]] = {}
    filters: list[list[str]] = []
    for word in words[start:]:
        if word.startswith("-"):
            if word == "--advanced-filter":
                filters.append(options.setdefault(f"{word} {len(filters)}", []))
            current = options.setdefault(f"{word} {len(filters) - 1}" if word == "--advanced-filter" else word, [])
        else:
            current.append(word)
    one = {name: values[0] for name, values in options.items()}
    place = one["--subscription"], one["--resource-group"]
    if verb == "az eventgrid system-topic create":
        return {
            "place": place,
            "type": "Microsoft.EventGrid/systemTopics",
            "name": one["--name"],
            "location": one["--location"],
            "properties": {"source": one["--source"], "topicType": one["--topic-type"]},
        }
    assert verb == "az eventgrid system-topic event-subscription create"
    assert one["--endpoint-type"] == "azurefunction"
    account, _, dead_letters = one["--deadletter-endpoint"].partition("/blobServices/default/containers/")
    filter: dict[str, Any] = {"includedEventTypes": options["--included-event-types"]}
    if filters:
        filter["advancedFilters"] = [_filter(*words) for words in filters]
    if "--enable-advanced-filtering-on-arrays" in one:
        filter["enableAdvancedFilteringOnArrays"] = one["--enable-advanced-filtering-on-arrays"] == "true"
    return {
        "place": place,
        "type": "Microsoft.EventGrid/systemTopics/eventSubscriptions",
        "name": f"{one['--system-topic-name']}/{one['--name']}",
        "properties": {
            "destination": {
                "endpointType": "AzureFunction",
                "properties": {
                    "resourceId": one["--endpoint"],
                    "maxEventsPerBatch": int(one["--max-events-per-batch"]),
                    "preferredBatchSizeInKilobytes": int(one["--preferred-batch-size-in-kilobytes"]),
                },
            },
            "deadLetterDestination": {
                "endpointType": "StorageBlob",
                "properties": {"resourceId": account, "blobContainerName": dead_letters},
            },
            "filter": filter,
            "eventDeliverySchema": {"eventgridschema": "EventGridSchema"}[one["--event-delivery-schema"]],
            "retryPolicy": {
                "maxDeliveryAttempts": int(one["--max-delivery-attempts"]),
                "eventTimeToLiveInMinutes": int(one["--event-ttl"]),
            },
        },
    }


def _filter(key: str, operator: str, *words: str) -> dict[str, Any]:
    found: dict[str, Any] = {"operatorType": operator, "key": key}
    if operator.startswith("String"):
        found["values"] = list(words)
    elif operator == "BoolEquals":
        found["value"] = bool(words[0])  # as az does
    elif operator in ("NumberIn", "NumberNotIn"):
        found["values"] = [float(word) for word in words]
    elif operator.endswith("Range"):
        found["values"] = [[float(end) for end in word.split(",")] for word in words]
    elif operator.startswith("Number"):
        found["value"] = float(words[0])
    return found
