"""Who may reach whom, as a chart's NetworkPolicies say: no cluster of the tests enforces them, so they are worked out here."""

# Ports of each component's pods, by name and number.
PORTS = {"gateway": {"http": 8080, "admin": 9090}, "operator": {"admin": 9091}, "simulator": {"http": 9100}}


def component(name, things):
    """The labels that pods of a component have in a rendering; of others, none that the chart knows."""
    for thing in things:
        labels = thing["metadata"].get("labels", {})
        if thing["kind"] in ("StatefulSet", "Deployment") and labels.get("app.kubernetes.io/component") == name:
            return thing["spec"]["template"]["metadata"]["labels"]
        if thing["kind"] == "Pod" and labels.get("app.kubernetes.io/component") == name:
            return labels
    return {"app": name}


def chosen(selector, labels):
    return all(labels.get(key) == value for key, value in (selector or {}).get("matchLabels", {}).items())


def is_peer(peer, labels, namespace):
    """Whether a pod of these labels, in the release's namespace or in another one that is named, is meant."""
    if "ipBlock" in peer:
        return False
    if "namespaceSelector" in peer:
        if not chosen(peer["namespaceSelector"], {"kubernetes.io/metadata.name": namespace}):
            return False
    elif namespace != "route-switch":
        return False
    return chosen(peer.get("podSelector"), labels)


def has_port(rule, port, target):
    numbers = PORTS.get(target, {})
    return "ports" not in rule or any(numbers.get(entry["port"], entry["port"]) == port for entry in rule["ports"] if entry.get("protocol", "TCP") == "TCP")


def permitted(things, direction, own, other, namespace, port, target):
    """Whether the policies of pods with the labels `own` let a connection in (from `other`) or out (to it)."""
    key, side = ("ingress", "from") if direction == "Ingress" else ("egress", "to")
    policies = [thing["spec"] for thing in things if thing["kind"] == "NetworkPolicy" and chosen(thing["spec"]["podSelector"], own) and direction in thing["spec"]["policyTypes"]]
    if not policies:
        return True
    rules = [rule for policy in policies for rule in policy.get(key, [])]
    return any(has_port(rule, port, target) and (side not in rule or any(is_peer(peer, other, namespace) for peer in rule[side])) for rule in rules)


def flows(things, source, target, port):
    """Whether `source` may connect to `target`. A source or target "NAMESPACE/POD" is a pod elsewhere, with no labels that matter."""
    namespaces = [name.split("/")[0] if "/" in name else "route-switch" for name in (source, target)]
    labels = [component(name, things) for name in (source, target)]
    goes_out = "/" in source or permitted(things, "Egress", labels[0], labels[1], namespaces[1], port, target)
    comes_in = "/" in target or permitted(things, "Ingress", labels[1], labels[0], namespaces[0], port, target)
    return goes_out and comes_in


# source, target, port, and whether it may be, with a simulator and else as it comes.
TABLE = [
    ("operator", "gateway", 9090, True),
    ("gateway", "gateway", 9090, True),
    ("operator", "anywhere/api-server", 6443, True),
    ("gateway", "anywhere/provider", 443, True),
    ("monitoring/prometheus", "gateway", 9090, True),
    ("monitoring/prometheus", "operator", 9091, True),
    ("apps/app", "gateway", 8080, True),
    ("test", "gateway", 8080, True),
    ("gateway", "simulator", 9100, True),
    ("apps/app", "gateway", 9090, False),
    ("apps/app", "operator", 9091, False),
    ("apps/app", "simulator", 9100, False),
    ("stranger", "gateway", 9090, False),
    ("stranger", "operator", 9091, False),
    ("simulator", "gateway", 9090, False),
    ("gateway", "anywhere/provider", 11434, False),
    ("gateway", "operator", 9091, False),
    ("operator", "gateway", 8080, False),
    ("simulator", "anywhere/provider", 443, False),
]
# With `networkPolicy.clients` for one namespace, and other ports of providers.
NARROW = [
    ("apps/app", "gateway", 8080, True),
    ("others/app", "gateway", 8080, False),
    ("stranger", "gateway", 8080, False),
    ("test", "gateway", 8080, True),
    ("operator", "gateway", 9090, True),
    ("gateway", "anywhere/provider", 11434, True),
    ("gateway", "observability/collector", 4318, True),
]
NARROW_VALUES = {
    "networkPolicy": {"clients": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "apps"}}}], "providerPorts": [443, 11434]},
    "gateway": {"otlp": {"endpoint": "http://collector.observability.svc:4318"}},
}


def faults(things, table):
    for source, target, port, may in table:
        if flows(things, source, target, port) != may:
            yield f"{source} -> {target}:{port} is {'refused' if may else 'let through'}"
