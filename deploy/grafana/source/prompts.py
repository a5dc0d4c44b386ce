"""How each revision of a prompt does, beside the one before."""

from panels import dashboard, increase, lines, or_none, quantile, rate, stat, table
from words import COUNTED, NAMESPACE, PICO, POD, PODS, PROMPT, REVISION, failing, success

REQUESTS = "route_switch_prompt_requests_total"
TIME = "route_switch_prompt_request_duration_seconds"
TOKENS = "route_switch_prompt_tokens_total"
COST = "route_switch_prompt_cost_pico_usd_total"
CHOSEN = f'{PODS}, prompt=~"$prompt", revision=~"$revision"'
BY = ("prompt", "revision")
LEGEND = "{{revision}}"
SHAPELESS = 'outcome="schema_invalid"'
ANSWERED = 'outcome=~"ok|schema_invalid"'
INPUT, OUTPUT = 'gen_ai_token_type="input"', 'gen_ai_token_type="output"'


def a_request(metric, *matchers, over=rate, requests=(COUNTED,)):
    """Of what is counted, how much a request took."""
    return f"{over(metric, CHOSEN, *matchers, by=BY)} / {over(REQUESTS, CHOSEN, *requests, by=BY)}"


def now():
    return [
        stat("Requests", "Requests a second that were rendered from a prompt.", "reqps", rate(REQUESTS, CHOSEN)),
        stat("Success", "Share that was answered well; what clients spoilt or cancelled is left out.", "percentunit",
             success(REQUESTS, CHOSEN), warn=0.99, alarm=0.95, low_is_bad=True, decimals=2),
        stat("Not of the shape asked for", "Answers that do not have the shape of the prompt's `responseFormat`, of those that could. "
             "Say it more clearly in the prompt, or take a model that keeps to schemas.", "percentunit",
             f"({or_none(rate(REQUESTS, CHOSEN, SHAPELESS))}) / {rate(REQUESTS, CHOSEN, ANSWERED)}", warn=0.01, alarm=0.05, decimals=2),
        stat("Prompts in use", "Prompts that served a request since a gateway started.", "short", f"count(count by (prompt) ({REQUESTS}{{{CHOSEN}}}))"),
        stat("Revisions in use", "Revisions of them that did.", "short", f"count(count by (prompt, revision) ({REQUESTS}{{{CHOSEN}}}))"),
        stat("Cost", "In the range shown, as far as prices are known.", "currencyUSD", or_none(f"{increase(COST, CHOSEN)} / {PICO}"), decimals=4),
    ]


def revisions():
    return [
        table("Revisions", "All requests in the range shown, a line for each revision. Compare lines of the same prompt: the digits are those of `kubectl get promptrevisions`.",
              {"prompt": "Prompt", "revision": "Revision"},
              [("Requests", "short", increase(REQUESTS, CHOSEN, by=BY)),
               ("Failed", "percentunit", failing(REQUESTS, CHOSEN, by=BY, over=increase)),
               ("p50", "s", quantile(0.5, TIME, CHOSEN, by=BY, window="$__range")),
               ("p95", "s", quantile(0.95, TIME, CHOSEN, by=BY, window="$__range")),
               ("Tokens in, a request", "short", a_request(TOKENS, INPUT, over=increase)),
               ("Tokens out, a request", "short", a_request(TOKENS, OUTPUT, over=increase)),
               ("Cost of 1,000", "currencyUSD", f"{a_request(COST, over=increase)} * 1000 / {PICO}"),
               ("Cost", "currencyUSD", f"{increase(COST, CHOSEN, by=BY)} / {PICO}")]),
        lines("Requests by revision", "When an edit went live: one revision gives way to the next.", "reqps",
              (rate(REQUESTS, CHOSEN, by=BY), LEGEND), stacked=True),
        lines("Share of the prompt's requests", "How traffic is split between revisions of a prompt.", "percentunit",
              (f"{rate(REQUESTS, CHOSEN, by=BY)} / on (prompt) group_left () {rate(REQUESTS, CHOSEN, by=('prompt',))}", LEGEND), maximum=1),
        lines("Failures by revision", "Share of requests that failed. Only the new revision: take the edit back.", "percentunit",
              (failing(REQUESTS, CHOSEN, by=BY), LEGEND), maximum=1),
        lines("Not of the shape asked for", "Share of answers without the shape of `responseFormat`, by revision.", "percentunit",
              (f"({rate(REQUESTS, CHOSEN, SHAPELESS, by=BY)} or {rate(REQUESTS, CHOSEN, ANSWERED, by=BY)} * 0) / {rate(REQUESTS, CHOSEN, ANSWERED, by=BY)}", LEGEND), maximum=1),
        lines("Time of requests, median", "From a request's head to the last byte of its answer.", "s",
              (quantile(0.5, TIME, CHOSEN, by=BY), LEGEND)),
        lines("Time of requests, p95", "One request in twenty takes longer.", "s", (quantile(0.95, TIME, CHOSEN, by=BY), LEGEND)),
        lines("Tokens in, a request", "What the prompt and its variables come to. A step up is a longer prompt.", "short",
              (a_request(TOKENS, INPUT), LEGEND)),
        lines("Tokens out, a request", "How long answers are. They cost most, and take the time.", "short",
              (a_request(TOKENS, OUTPUT), LEGEND)),
        lines("Cost of 1,000 requests", "At the pace shown, as far as prices are known.", "currencyUSD",
              (f"{a_request(COST)} * 1000 / {PICO}", LEGEND)),
    ]


def build():
    rows = [("Now", now()), ("Prompts and revisions", revisions())]
    about = "How each revision of a prompt does: requests, failures, time, tokens and cost, beside the revision before."
    return dashboard("prompts", "Prompts and revisions", about, [NAMESPACE, POD, PROMPT, REVISION], rows)
