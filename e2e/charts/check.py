"""What the suite `charts` asks of the charts without a cluster; `check.py PART...` runs some of its parts.

It prints a line a check, as e2e/test counts them. Charts are rendered by the programs that HELM4 and HELM3 name; what is rendered
is compared as objects, never as text, but for whether it is the same twice.
"""

import functools
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import yaml

import flows

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHART = ROOT / "charts/route-switch"
CRDS = ROOT / "charts/route-switch-crds"
HELMS = {"helm 4": os.environ.get("HELM4", "helm"), "helm 3": os.environ.get("HELM3", "helm3")}
# What a cluster has that has everything.
APIS = ["monitoring.coreos.com/v1/PodMonitor", "monitoring.coreos.com/v1/PrometheusRule", "gateway.networking.k8s.io/v1/HTTPRoute"]
# Without these, the value is not looked at.
NEEDS = {
    "nameOverride": {"fullnameOverride": ""},
    "gateway.replicas": {"gateway": {"autoscaling": {"enabled": False}}},
    "gateway.image.tag": {"gateway": {"image": {"digest": ""}}},
    "operator.image.tag": {"operator": {"image": {"digest": ""}}},
}
# Objects that one may give as one pleases; inside of them nothing is looked for.
FREE = re.compile(r"(resources|behavior|affinity|nodeSelector|podAnnotations|podLabels|commonLabels|annotations|labels|timeouts)$")
CLUSTER_WIDE = {"CustomResourceDefinition", "ClusterRole", "ClusterRoleBinding"}


class Refused(Exception):
    """Helm did not render."""


def check(name, faults):
    """Prints the verdict, and before it every fault."""
    faults = list(faults)
    for fault in faults:
        print(f"  {fault}")
    print(f"check: {name}: {'failed' if faults else 'passed'}", flush=True)


def helm(program, *arguments):
    done = subprocess.run([HELMS[program], *map(str, arguments)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Refused(done.stderr + done.stdout)
    return done.stdout


def render(program, values, apis=APIS, chart=CHART):
    """The text that a chart becomes with values, given as a file or as what would stand in one."""
    arguments = [word for api in apis for word in ("--api-versions", api)]
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        if not isinstance(values, pathlib.Path):
            json.dump(values, file)
            file.flush()
            values = file.name
        return helm(program, "template", "route-switch", chart, "--namespace", "route-switch", "--values", values, *arguments)


def load(text):
    return [document for document in yaml.safe_load_all(text) if document]


def identity(thing):
    metadata = thing["metadata"]
    return f"{thing['kind']} {metadata.get('namespace', '')}/{metadata['name']}"


def by_identity(things):
    return {identity(thing): thing for thing in things}


# === Rendering ===


def lint_faults(program, chart, *more):
    try:
        helm(program, "lint", "--strict", chart, *more)
    except Refused as refused:
        yield str(refused)


def object_faults(things):
    """What must hold of every object, whatever the values."""
    seen = set()
    for thing in things:
        who = identity(thing)
        if who in seen:
            yield f"{who} is there twice"
        seen.add(who)
        labels = thing["metadata"].get("labels", {})
        for label in ("name", "instance", "version", "managed-by"):
            if f"app.kubernetes.io/{label}" not in labels:
                yield f"{who} has no label app.kubernetes.io/{label}"
        if thing["kind"] not in CLUSTER_WIDE and not thing["metadata"].get("namespace"):
            yield f"{who} has no namespace"
        if thing["kind"].endswith("Role"):
            for rule in thing["rules"]:
                if "*" in rule["verbs"] + rule["resources"] + rule["apiGroups"]:
                    yield f"{who} has a wildcard"
        pod = thing["spec"] if thing["kind"] == "Pod" else thing.get("spec", {}).get("template", {}).get("spec")
        if pod:
            yield from (f"{who}: {fault}" for fault in pod_faults(pod))


def pod_faults(pod):
    security = pod["securityContext"]
    if not security["runAsNonRoot"] or security["seccompProfile"]["type"] != "RuntimeDefault":
        yield "is not what the profile `restricted` asks for"
    if pod["automountServiceAccountToken"] and not pod["serviceAccountName"].endswith("-operator"):
        yield "has a token that it does not need"
    for container in pod["containers"]:
        own = container["securityContext"]
        if own["allowPrivilegeEscalation"] or own["capabilities"] != {"drop": ["ALL"]}:
            yield "is not what the profile `restricted` asks for"
        if not own["readOnlyRootFilesystem"]:
            yield "may write its root filesystem"


def check_rendering():
    for program in HELMS:
        check(f"{program} lints the kinds", lint_faults(program, CRDS))
        crds = load(render(program, {}, chart=CRDS))
        check(f"{program} renders four kinds", [] if len(crds) == 4 else [f"there are {len(crds)}"])
    for values in sorted((CHART / "ci").glob("*.yaml")):
        rendered = {}
        for program in HELMS:
            if values.stem != "everything":  # what it asks for is not in a cluster that `lint` could know
                check(f"{program} lints {values.name}", lint_faults(program, CHART, "--values", values))
            first, second = render(program, values), render(program, values)
            check(f"{program} renders {values.name} the same twice", [] if first == second else ["it differs"])
            rendered[program] = load(first)
            check(f"{program} renders {values.name} into sound objects", object_faults(rendered[program]))
        alike = by_identity(rendered["helm 3"]) == by_identity(rendered["helm 4"])
        check(f"both render {values.name} alike", [] if alike else ["the objects differ"])
    texts = {path: path.read_text() for path in CHART.glob("templates/**/*") if path.is_file()}
    moving = re.compile(r"\b(lookup|rand\w+|uuidv4|now|gen\w+(Key|Cert|CA)\w*)\b")
    actions = {path: " ".join(re.findall(r"\{\{-?(?!-? */\*)(.*?)\}\}", text, re.S)) for path, text in texts.items()}
    check("nothing is looked up or made at random", (f"{path}" for path, text in actions.items() if moving.search(text)))


# === Values ===


def leaves(values, path=""):
    """Each value that stands for itself, with its path."""
    for key, value in values.items():
        own = f"{path}.{key}".strip(".")
        if isinstance(value, dict) and not FREE.search(own):
            yield from leaves(value, own)
        else:
            yield own, value


def at(values, path):
    for key in path.split("."):
        values = values[key]
    return values


def with_value(values, path, value):
    """A copy in which one value is another."""
    key, _, rest = path.partition(".")
    return {**values, key: with_value(values.get(key) or {}, rest, value) if rest else value}


def overlaid(values, over):
    return {**values, **{key: overlaid(values[key], value) if isinstance(value, dict) else value for key, value in over.items()}}


def schema_paths(schema, whole, path=""):
    """Each value that a schema knows, with its path."""
    if "$ref" in schema:
        schema = whole["definitions"][schema["$ref"].rsplit("/", 1)[1]]
    properties = schema.get("properties")
    if not properties or FREE.search(path):
        yield path
        return
    if schema.get("additionalProperties") is not False:
        yield f"{path} (lets unknown keys pass)"
    for key, below in properties.items():
        yield from schema_paths(below, whole, f"{path}.{key}".strip("."))


@functools.cache
def outcome(values):
    """What is rendered of values, as JSON, or why nothing is."""
    try:
        return render("helm 4", json.loads(values))
    except Refused as refused:
        return str(refused)


def effect_faults(path, default, everything):
    """Whether anything is rendered otherwise when one value of `everything` is what it is by default, or a switch is turned."""
    base = overlaid(everything, NEEDS.get(path, {}))
    value = at(base, path)
    other = default
    if value == default:
        if not isinstance(value, bool):
            yield "ci/everything.yaml has the default"
            return
        other = not value
    if outcome(json.dumps(base)) == outcome(json.dumps(with_value(base, path, other))):
        yield f"{value!r} and {other!r} render the same"


def check_values():
    defaults = yaml.safe_load((CHART / "values.yaml").read_text())
    everything = yaml.safe_load((CHART / "ci/everything.yaml").read_text())
    schema = json.loads((CHART / "values.schema.json").read_text())
    known = dict(leaves(defaults))
    paths = set(schema_paths(schema, schema)) - {"global"}
    check("the schema knows what values.yaml has, and nothing else", (f"{path}" for path in sorted(paths ^ set(known))))
    rows = dict(re.findall(r"^\| `([^`]+)` \| (.*?) \|", (CHART / "README.md").read_text(), re.M))
    shown = {path: f"`{json.dumps(value)}`" for path, value in known.items()}
    wrong = (f"{path}: README.md has {rows.get(path)}, values.yaml {shown.get(path)}" for path in sorted(set(rows) | set(shown)) if rows.get(path) != shown.get(path))
    check("README.md has every value with its default", wrong)
    for path, default in known.items():
        check(f"{path} has an effect", effect_faults(path, default, everything))


def check_refusals():
    for case in yaml.safe_load((ROOT / "e2e/charts/refused.yaml").read_text()):
        for program in HELMS:
            check(f"{program} refuses {json.dumps(case['values'])}", refusal_faults(program, case))


def refusal_faults(program, case):
    try:
        render(program, case["values"], apis=[])
        yield "it was rendered"
    except Refused as refused:
        if case["says"] not in str(refused):
            yield f"it does not say {case['says']!r}, but: {refused}"


# === Rights ===


def rights(things):
    """What a set of objects permits: rules and who has them, by name."""
    found = {}
    for thing in things:
        if thing["kind"].startswith(("Role", "ClusterRole")):
            found[identity(thing)] = {key: thing.get(key) for key in ("rules", "roleRef", "subjects")}
    return found


def rights_of_files(*patterns):
    return rights(thing for pattern in patterns for path in sorted((ROOT / "deploy/operator").glob(pattern)) for thing in load(path.read_text()))


def check_rights():
    own = rights_of_files("*.yaml")
    wide = {**rights_of_files("10-*.yaml", "40-*.yaml"), **rights_of_files("all-namespaces/*.yaml")}
    for name, tested in (("default", own), ("all-namespaces", wide)):
        rendered = rights(load(render("helm 4", CHART / f"ci/{name}.yaml")))
        faults = (f"{who}: {rendered.get(who)} in the chart, {tested.get(who)} tested" for who in sorted(set(rendered) | set(tested)) if rendered.get(who) != tested.get(who))
        check(f"the rights of {name}.yaml are those that the suite operator runs with", faults)
    listed = rights(load(render("helm 4", {"operator": {"watchNamespaces": ["team-a", "team-b"], "secretNamespaces": ["team-b"]}})))
    check("lists of namespaces give the same rights in each, and no others", listed_faults(listed, own))
    rendered = rights(load(render("helm 4", CHART / "ci/existing-secret.yaml")))
    makes = [who for who, right in rendered.items() for rule in right["rules"] or [] if rule["resources"] == ["secrets"] and "create" in rule["verbs"]]
    check("with an existing Secret nobody may make one", makes)


def listed_faults(rendered, tested):
    places = {"watched": ["team-a", "team-b"], "secrets": ["team-b"], "gateways": ["route-switch"], "": ["route-switch"]}
    expected = {}
    for kind in ("Role", "RoleBinding"):
        for suffix, namespaces in places.items():
            name = "-".join(["route-switch-operator", suffix]).strip("-")
            expected |= {f"{kind} {namespace}/{name}": tested[f"{kind} route-switch/{name}"] for namespace in namespaces}
    return (f"{who}: {rendered.get(who)}, not {expected.get(who)}" for who in sorted(set(rendered) | set(expected)) if rendered.get(who) != expected.get(who))


def check_flows():
    simulated = load(render("helm 4", CHART / "ci/simulated.yaml"))
    check("the NetworkPolicies let through what must go, and nothing else", flows.faults(simulated, flows.TABLE))
    narrow = load(render("helm 4", flows.NARROW_VALUES))
    check("the NetworkPolicies can be made narrower for clients and wider for providers", flows.faults(narrow, flows.NARROW))


def main():
    parts = {"flows": check_flows, "render": check_rendering, "values": check_values, "refusals": check_refusals, "rights": check_rights}
    for part in sys.argv[1:] or parts:
        parts[part]()


if __name__ == "__main__":
    main()
