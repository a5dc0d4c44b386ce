"""Do the gateways answer, does the configuration reach them, is traffic recorded?"""

from panels import dashboard, lines, or_none, quantile, rate, select, stat, states
from words import NAMESPACE, OPERATOR, POD, PODS, ROUTE, failing, percentiles, success

ROUTED = f'{PODS}, route=~"$route"'
REQUESTS = "route_switch_requests_total"
# Epoch and sequence as one number: what is higher is newer.
NEWEST = f'{select("route_switch_fleet_snapshot_epoch", PODS)} * 4294967296 + {select("route_switch_fleet_snapshot_sequence", PODS)}'


def now():
    return [
        stat("Requests", "Requests of clients a second, refused ones included.", "reqps", rate(REQUESTS, ROUTED)),
        stat("Success", "Share of requests that were answered well; what clients spoilt or cancelled is left out. "
             "When it falls, the panels below say on which Route and how.", "percentunit",
             success(REQUESTS, ROUTED), warn=0.99, alarm=0.95, low_is_bad=True, decimals=2),
        stat("First token, p95", "Of 20 requests, 19 had their first content within this time.", "s",
             quantile(0.95, "gen_ai_server_time_to_first_token_seconds", ROUTED)),
        stat("Gateway's own time, p99", "What the gateway itself adds to a request. Beyond 5 ms: look at its CPU below, and at its limit.",
             "s", quantile(0.99, "route_switch_overhead_seconds", PODS), warn=0.005, alarm=0.025),
        stat("Gateways not ready", "Pods that are up and not ready: they start, drain, or have no configuration. `/readyz` on the admin port says which.",
             "short", or_none(f'count({select("route_switch_ready", PODS)} == 0)'), warn=1, alarm=2),
        stat("Alerts", "Alerts of Route-Switch that fire now; each says what to do. 0 also where its rules are not installed.",
             "short", or_none('count(ALERTS{alertname=~"RouteSwitch.*", alertstate="firing"})'), warn=1, alarm=3),
    ]


def traffic():
    return [
        lines("Requests by outcome", "How requests ended. `client_error` and `cancelled` are the client's doing; `no_target` means that a Route "
              "has nothing left to try: see the dashboard of providers.", "reqps",
              (rate(REQUESTS, ROUTED, by=("outcome",)), "{{outcome}}"), stacked=True),
        lines("Failures by Route", "Share of a Route's requests that failed. One Route: look at its targets in the dashboard of providers. All of them: look at the gateways below.",
              "percentunit", (failing(REQUESTS, ROUTED, by=("route",)), "{{route}}"), maximum=1),
        lines("Requests by Route", "Where the load is. (none): requests for a model that no Route serves, or that their key may not use.",
              "reqps", (f'label_replace({rate(REQUESTS, ROUTED, by=("route",))}, "route", "(none)", "route", "")', "{{route}}"), stacked=True),
        lines("Time of whole requests", "From a request's head to the last byte of its answer. Long answers take long: compare with the first token.",
              "s", *percentiles("gen_ai_server_request_duration_seconds", ROUTED)),
        lines("Time to the first token", "What people wait for, by Route (p95).", "s",
              (quantile(0.95, "gen_ai_server_time_to_first_token_seconds", ROUTED, by=("route",)), "{{route}}")),
        lines("The gateway's own time", "What the gateway adds, without the time of providers. It is tens of microseconds; if it grows, CPU is short.",
              "s", *percentiles("route_switch_overhead_seconds", PODS)),
        lines("Requests under way", "Requests that have begun and not ended, open streams included, by gateway. It falls to 0 where one drains.",
              "short", (select("route_switch_requests_in_flight", PODS), "{{pod}}"), stacked=True),
        lines("Requests by gateway", "Whether load is spread. Clients that keep one connection open stay at one gateway: that is no fault.",
              "reqps", (rate(REQUESTS, ROUTED, by=("pod",)), "{{pod}}"), stacked=True),
        lines("Without a valid key", "Requests that were turned away for their key; no other panel counts them. A burst is an application with an old key, or somebody who guesses.",
              "reqps", (rate("route_switch_unauthenticated_requests_total", PODS, by=("pod",)), "{{pod}}")),
    ]


def configuration():
    return [
        states("Ready", "Green: the gateway takes requests. It is not ready while it starts, drains, or has no configuration.",
               select("route_switch_ready", PODS), "{{pod}}", {0: ("not ready", "red"), 1: ("ready", "green")}),
        states("Which operator leads", "One is to lead. While none does, gateways serve on with what they have, and edits wait.",
               or_none(select("route_switch_operator_leader", OPERATOR), "pod"), "{{pod}}", {0: ("waits", "blue"), 1: ("leads", "green")}),
        lines("Configuration in use", "How many gateways serve each revision of the configuration. More than one line for longer than a moment: see which gateway is behind.",
              "short", (f'count by (revision) ({select("route_switch_config_info", PODS)})', "{{revision}}"), stacked=True, width=6),
        lines("Gateways that are behind", "Pods whose configuration is older than the newest one of the fleet. "
              "The operator's log and `status.propagation.behind` of a Route say why.", "short",
              (or_none(f"count(max by (namespace) ({NEWEST}) - on (namespace) group_right () ({NEWEST}) > 0)"), "behind"), width=6),
        lines("From edit to gateways", "From a change in the cluster to its acknowledgement by every gateway that is ready. 0 where nothing was changed.",
              "s", *((or_none(quantile(of, "route_switch_operator_propagation_seconds", OPERATOR) + " >= 0"), name)
                     for of, name in ((0.5, "p50"), (0.99, "p99"))), width=6),
        lines("Pushes by outcome", "What came of the operator's pushes. `partly_refused` and `refused`: see objects below; `unauthorized`: the fleet keys differ; "
              "`unanswered`: a gateway cannot be reached.", "cps",
              (or_none(rate("route_switch_operator_pushes_total", OPERATOR, by=("outcome",)), "outcome"), "{{outcome}}"), width=6),
        lines("Objects that gateways refuse", "`kubectl describe` of the object tells the pod's own words. What it was before serves on.", "short",
              (or_none(f'max by (pod, kind) ({select("route_switch_fleet_refused_objects", PODS)})', "pod"), "{{pod}} {{kind}}"), width=6),
        lines("Objects with a fault", "What the operator found wrong; `kubectl get` shows Accepted or ResolvedRefs False.", "short",
              (or_none(f'max by (kind) ({select("route_switch_operator_faulty_objects", OPERATOR)})', "kind"), "{{kind}}"), width=6),
        lines("Objects that serve what they last were", "Became bad after having been good: their last good version serves on, until somebody mends them.", "short",
              (f'max by (kind) ({select("route_switch_config_stale_objects", PODS)})', "{{kind}}"), width=6),
        lines("Age of the last known good", "Since the file was written from which a gateway would start without an operator. It grows while nothing is edited; "
              "what counts is whether writing fails (the alert tells).", "s",
              (or_none(select("route_switch_fleet_last_known_good_age_seconds", PODS), "pod"), "{{pod}}"), width=6),
    ]


def records():
    dropped = [("route_switch_capture_dropped_records_total", "records, no room in the queue"),
               ("route_switch_store_dropped_records_total", "records, a store failed"),
               ("route_switch_capture_dropped_contents_total", "contents, no room in the queue"),
               ("route_switch_capture_thinned_contents_total", "contents, faster than they are taken")]
    queue = f'{select("route_switch_capture_queue_bytes", PODS)} / {select("route_switch_capture_queue_capacity_bytes", PODS)}'
    return [
        states("Stores", "Red: the store takes no records, traffic goes on. `/health/storage` and the log say why; most often the disk is full or read-only.",
               f'min by (pod, store) ({select("route_switch_store_up", PODS)})', "{{pod}} {{store}}",
               {0: ("fails", "red"), 1: ("takes records", "green")}),
        lines("What is not kept", "Requests that leave no record, or no content. Records that are dropped are missing in all figures: the disk is too slow, or fails. "
              "Thinned content is as configured (`maxExamples`).", "cps",
              *((rate(metric, PODS), name) for metric, name in dropped), width=12),
        lines("Queue of records", "How full the queue to the stores is. At 100 % records are dropped: the disk does not keep up.", "percentunit",
              (queue, "{{pod}}"), maximum=1),
        lines("Size of the stores", "What the files take. With `--data-max-bytes` the oldest goes before the bound is reached.", "bytes",
              (f'sum by (pod, store) ({select("route_switch_store_bytes", PODS)})', "{{pod}} {{store}}")),
        lines("Of what they may take", "The files of both stores, of `--data-max-bytes`. It stays below 90 %; 0 where there is no bound.", "percentunit",
              (or_none(f'sum by (pod) ({select("route_switch_store_bytes", PODS)}) / on (pod) sum by (pod) ({select("route_switch_store_max_bytes", PODS)})', "pod"), "{{pod}}"),
              maximum=1),
    ]


def processes():
    # `process_*` is told by many programs: only those of gateways.
    gateways = f'and on (namespace, pod) {select("route_switch_build_info", PODS)}'

    def of(metric):
        return f"{select(metric, PODS)} {gateways}"

    cpu = f'rate({select("process_cpu_seconds_total", PODS)}[$__rate_interval]) {gateways}'
    lost = rate("route_switch_log_lost_lines_total", PODS)
    spans = rate("route_switch_spans_total", PODS, 'outcome!="sent"')
    return [
        lines("Memory", "Resident memory of the gateways. Compare with the limit of the container.", "bytes",
              (of("process_resident_memory_bytes"), "{{pod}}"), width=6),
        lines("CPU", "Cores in use. At the limit of the container the gateway's own time grows.", "short", (cpu, "{{pod}}"), width=6),
        lines("Open files", "Connections of clients and to providers, mostly.", "short", (of("process_open_fds"), "{{pod}}"), width=6),
        lines("Lost log lines and spans", "Whoever reads the log, or the OpenTelemetry Collector, does not keep up. Requests do not wait for either.", "cps",
              (lost, "log lines"), (or_none(spans), "spans"), width=6),
    ]


def build():
    rows = [
        ("Now", now()),
        ("Traffic", traffic()),
        ("Configuration", configuration()),
        ("What is recorded", records()),
        ("Processes", processes()),
    ]
    about = "Whether gateways answer, whether edits reach them, and whether traffic is recorded."
    return dashboard("fleet", "Fleet", about, [NAMESPACE, POD, ROUTE], rows)
