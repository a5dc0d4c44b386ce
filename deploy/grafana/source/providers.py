"""Which provider or model fails or is slow, and what the gateway does about it."""

from panels import dashboard, increase, lines, or_none, quantile, rate, select, share, stat, states, table
from words import MODEL, NAMESPACE, PICO, POD, PODS, PROVIDER, ROUTE, failing, success

CALLS = "gen_ai_client_operation_duration_seconds"
FIRST = "gen_ai_client_operation_time_to_first_chunk_seconds"
TOKENS = "gen_ai_client_token_usage_sum"
INPUT, OUTPUT = 'gen_ai_token_type="input"', 'gen_ai_token_type="output"'
ATTEMPTS = "route_switch_attempts_total"
CALLED = f'{PODS}, provider=~"$provider", gen_ai_request_model=~"$model"'
ROUTED = f'{PODS}, route=~"$route"'
ACCOUNT = f'{PODS}, provider=~"$provider"'
BY_MODEL = ("provider", "gen_ai_request_model")
# A client that leaves, or asks for nonsense, is no failure of the provider's.
FAILED = 'error_type!~"|client_error|cancelled"'
COUNTED = 'error_type!~"client_error|cancelled"'


def failures(by=(), over=rate):
    part = over(f"{CALLS}_count", CALLED, FAILED, by=by)
    return share(part, over(f"{CALLS}_count", CALLED, COUNTED, by=by))


def now():
    return [
        stat("Calls", "Calls to providers a second; retries and failovers count for themselves.", "reqps", rate(f"{CALLS}_count", CALLED)),
        stat("Success of calls", "Share of calls that were answered well. Clients may see none of the failures: the gateway retries, and fails over.", "percentunit",
             f"1 - ({failures()})", warn=0.98, alarm=0.9, low_is_bad=True, decimals=2),
        stat("Success for clients", "The same of the chosen Routes, after retries and failover.", "percentunit",
             success("route_switch_requests_total", ROUTED), warn=0.99, alarm=0.95, low_is_bad=True, decimals=2),
        stat("Open breakers", "Targets that are left alone after failures in a row, over all gateways. One request at a time tries whether they are back.", "short",
             or_none(f'count({select("route_switch_breaker_state", ROUTED)} == 2)'), warn=1, alarm=5),
        stat("Keys left alone", "Keys of providers that were left alone in the range shown, because a provider limited or refused them.", "short",
             or_none(increase("route_switch_key_cooldowns_total", ACCOUNT)), warn=1, decimals=0),
        stat("Failovers", "Requests a second that went on to another target after the first had failed.", "reqps",
             or_none(rate("route_switch_failovers_total", ROUTED)), warn=0.1),
    ]


def providers():
    return [
        table("Providers and models", "All calls in the range shown. Look at what fails most first; no cost means that the Provider lists no price for the model.",
              {"provider": "Provider", "gen_ai_request_model": "Model"},
              [("Calls", "short", increase(f"{CALLS}_count", CALLED, by=BY_MODEL)),
               ("Failed", "percentunit", failures(BY_MODEL, increase)),
               ("p95", "s", quantile(0.95, CALLS, CALLED, by=BY_MODEL, window="$__range")),
               ("First chunk, p95", "s", quantile(0.95, FIRST, CALLED, by=BY_MODEL, window="$__range")),
               ("Tokens", "short", increase(TOKENS, CALLED, by=BY_MODEL)),
               ("Cost", "currencyUSD", f'{increase("route_switch_model_cost_pico_usd_total", CALLED, by=BY_MODEL)} / {PICO}')]),
        lines("Calls by provider and model", "Where requests go.", "reqps",
              (rate(f"{CALLS}_count", CALLED, by=BY_MODEL), "{{provider}} {{gen_ai_request_model}}"), stacked=True),
        lines("Failures by provider and model", "Share of calls that failed. A provider that stays high: take its weight down, or give its Routes a second target.",
              "percentunit", (failures(BY_MODEL), "{{provider}} {{gen_ai_request_model}}"), maximum=1),
        lines("Failures by kind", "`rate_limited`: more keys, or fewer requests at once (`limits.maxConcurrent`); `timeout`: the Provider's `timeouts`; "
              "`cut`: an answer broke off; `upstream_error`: its own fault, or a key that it refuses.", "reqps",
              (or_none(rate(f"{CALLS}_count", CALLED, FAILED, by=("error_type", "provider")), "error_type"), "{{provider}} {{error_type}}"), stacked=True),
        lines("Time of calls, median", "Whole calls, by provider and model.", "s",
              (quantile(0.5, CALLS, CALLED, by=BY_MODEL), "{{provider}} {{gen_ai_request_model}}")),
        lines("Time of calls, p95", "One call in twenty takes longer. Failed calls count: a timeout shows here.", "s",
              (quantile(0.95, CALLS, CALLED, by=BY_MODEL), "{{provider}} {{gen_ai_request_model}}")),
        lines("Time to the first chunk, p95", "Of streams: how long until the model says something.", "s",
              (quantile(0.95, FIRST, CALLED, by=BY_MODEL), "{{provider}} {{gen_ai_request_model}}")),
        lines("Tokens in", "As providers count them, a second.", "short",
              (rate(TOKENS, CALLED, INPUT, by=BY_MODEL), "{{provider}} {{gen_ai_request_model}}"), stacked=True),
        lines("Tokens out", "As providers count them, a second.", "short",
              (rate(TOKENS, CALLED, OUTPUT, by=BY_MODEL), "{{provider}} {{gen_ai_request_model}}"), stacked=True),
        lines("Tokens out a second of a call", "How fast models write: tokens by the time of their calls.", "short",
              (f"{rate(TOKENS, CALLED, OUTPUT, by=BY_MODEL)} / {rate(f'{CALLS}_sum', CALLED, by=BY_MODEL)}", "{{provider}} {{gen_ai_request_model}}")),
    ]


def faults():
    target = ("route", "target")
    return [
        states("Circuit breakers", "Red: the target is left alone after failures in a row. Orange: one request tries it. The worst of all gateways is shown.",
               f'max by (route, target) ({select("route_switch_breaker_state", ROUTED)})', "{{route}} {{target}}",
               {0: ("closed", "green"), 1: ("half open", "orange"), 2: ("open", "red")}),
        lines("Attempts by target", "Tries at the targets of Routes: how weights, breakers and failover spread the load.", "reqps",
              (rate(ATTEMPTS, ROUTED, by=target), "{{route}} {{target}}"), stacked=True, width=12),
        lines("Failures by target", "Share of tries at a target that failed.", "percentunit",
              (failing(ATTEMPTS, ROUTED, by=target), "{{route}} {{target}}"), maximum=1),
        lines("Further tries at the same target", "Retries, by the target that failed. They cost time: a first token waits for them.", "reqps",
              (or_none(rate("route_switch_retries_total", ROUTED, by=target), "target"), "{{route}} {{target}}")),
        lines("Failovers", "Requests that went on to the next target, by the one that failed.", "reqps",
              (or_none(rate("route_switch_failovers_total", ROUTED, by=target), "target"), "{{route}} {{target}}")),
        lines("Breakers that opened", "In the last five minutes, over all gateways. One that opens again and again is a target that only seems to be back.", "short",
              (or_none(increase("route_switch_breaker_openings_total", ROUTED, by=target, window="5m"), "target"), "{{route}} {{target}}")),
        lines("Keys left alone", "In the last five minutes. `limited`: the provider said 429, the key rests; `refused`: it said 401 or 403, look at the Secret.", "short",
              (or_none(increase("route_switch_key_cooldowns_total", ACCOUNT, by=("provider", "cause"), window="5m"), "cause"), "{{provider}} {{cause}}")),
        lines("Waits for a place", "Requests that found all of `limits.maxConcurrent` taken: `entered` got a place in time, `full` did not and went on to another target.", "reqps",
              (or_none(rate("route_switch_place_waits_total", ACCOUNT, by=("provider", "result")), "result"), "{{provider}} {{result}}")),
    ]


def build():
    rows = [("Now", now()), ("Providers and models", providers()), ("What is done about failures", faults())]
    about = "Which provider or model fails or is slow, what it is used for, and what the gateway does about it."
    return dashboard("providers", "Providers", about, [NAMESPACE, POD, ROUTE, PROVIDER, MODEL], rows)
