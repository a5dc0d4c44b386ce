"""What it costs, and whom."""

from panels import dashboard, increase, lines, or_none, rate, stat, table
from words import MODEL, NAMESPACE, PICO, POD, PODS, PROVIDER, ROUTE, usd, usd_an_hour

ROUTED = f'{PODS}, route=~"$route"'
CALLED = f'{PODS}, provider=~"$provider", gen_ai_request_model=~"$model"'
BY_MODEL = ("provider", "gen_ai_request_model")
OF_ROUTES = "route_switch_cost_pico_usd_total"
OF_MODELS = "route_switch_model_cost_pico_usd_total"
OF_PROMPTS = "route_switch_prompt_cost_pico_usd_total"
UNPRICED = "route_switch_unpriced_requests_total"
REQUESTS = "route_switch_requests_total"
TOKENS = "route_switch_tokens_total"
READ = 'part="cache_read"'
INPUT, OUTPUT = 'gen_ai_token_type="input"', 'gen_ai_token_type="output"'
# `client_error` and the like use no tokens.
ANSWERED = 'outcome="ok"'


def now():
    thousand = f"{usd(OF_ROUTES, ROUTED)} / {increase(REQUESTS, ROUTED, ANSWERED)} * 1000"
    unknown = f"clamp_max(({or_none(increase(UNPRICED, ROUTED))}) / {increase(REQUESTS, ROUTED, ANSWERED)}, 1)"
    return [
        stat("Cost", "In the range shown, of requests whose price is known.", "currencyUSD", or_none(usd(OF_ROUTES, ROUTED)), decimals=4),
        stat("An hour", "At the pace of the range shown.", "currencyUSD", f"{rate(OF_ROUTES, ROUTED, window='$__range')} * 3600 / {PICO}", decimals=4),
        stat("A day", "At the pace of the range shown.", "currencyUSD", f"{rate(OF_ROUTES, ROUTED, window='$__range')} * 86400 / {PICO}", decimals=3),
        stat("1,000 requests", "What a thousand answered requests cost.", "currencyUSD", thousand, decimals=4),
        stat("A million tokens", "In and out together, as far as prices are known.", "currencyUSD",
             f"{usd(OF_ROUTES, ROUTED)} / {increase(TOKENS, ROUTED)} * 1e6", decimals=3),
        stat("Without a price", "Share of answered requests whose cost is not known: it is missing above. The table below says which models lack a price.", "percentunit",
             unknown, warn=0.01, alarm=0.2, decimals=1),
    ]


def money():
    return [
        lines("By Route", "US dollars an hour.", "currencyUSD", (usd_an_hour(OF_ROUTES, ROUTED, by=("route",)), "{{route}}"), stacked=True, width=12),
        lines("By provider", "US dollars an hour; attempts that failed after they had used tokens count.", "currencyUSD",
              (usd_an_hour(OF_MODELS, CALLED, by=("provider",)), "{{provider}}"), stacked=True, width=12),
        lines("By model", "US dollars an hour.", "currencyUSD",
              (usd_an_hour(OF_MODELS, CALLED, by=BY_MODEL), "{{provider}} {{gen_ai_request_model}}"), stacked=True, width=12),
        lines("By prompt", "US dollars an hour, of requests that were rendered from a prompt.", "currencyUSD",
              (usd_an_hour(OF_PROMPTS, PODS, by=("prompt", "revision")), "{{revision}}"), stacked=True, width=12),
        table("Routes", "In the range shown.", {"route": "Route"},
              [("Cost", "currencyUSD", usd(OF_ROUTES, ROUTED, by=("route",))),
               ("Requests", "short", increase(REQUESTS, ROUTED, ANSWERED, by=("route",))),
               ("Tokens in", "short", increase(TOKENS, ROUTED, INPUT, by=("route",))),
               ("Tokens out", "short", increase(TOKENS, ROUTED, OUTPUT, by=("route",))),
               ("Cost of 1,000", "currencyUSD",
                f"{usd(OF_ROUTES, ROUTED, by=('route',))} / {increase(REQUESTS, ROUTED, ANSWERED, by=('route',))} * 1000")], width=12),
        table("Models", "In the range shown.", {"provider": "Provider", "gen_ai_request_model": "Model"},
              [("Cost", "currencyUSD", usd(OF_MODELS, CALLED, by=BY_MODEL)),
               ("Calls", "short", increase("gen_ai_client_operation_duration_seconds_count", CALLED, by=BY_MODEL)),
               ("Tokens", "short", increase("gen_ai_client_token_usage_sum", CALLED, by=BY_MODEL))], width=12),
    ]


def unknown():
    parts = "route_switch_token_parts_total"
    cached = f"({or_none(rate(parts, ROUTED, READ))}) / {rate(TOKENS, ROUTED, INPUT)}"
    return [
        table("Models without a price", "Calls whose cost is not known, in the range shown. Give the model its prices in the Provider: `inputMicroUsdPerMTok` and `outputMicroUsdPerMTok`.",
              {"provider": "Provider", "gen_ai_request_model": "Model"},
              [("Calls", "short", or_none(increase("route_switch_model_unpriced_calls_total", CALLED, by=BY_MODEL), "gen_ai_request_model"))], width=8),
        lines("Tokens by type", "A second, of the chosen Routes.", "short",
              (rate(TOKENS, ROUTED, by=("gen_ai_token_type",)), "{{gen_ai_token_type}}"), stacked=True),
        lines("Read from a cache", "Share of the input that providers read from their cache, which costs less. It grows with prompts whose beginning stays the same.",
              "percentunit", (cached, "of the input"), maximum=1),
    ]


def build():
    rows = [("Now", now()), ("Who spends it", money()), ("What is not known, and tokens", unknown())]
    about = "What requests cost by Route, provider, model and prompt, in US dollars, and what has no price."
    return dashboard("cost", "Cost", about, [NAMESPACE, POD, ROUTE, PROVIDER, MODEL], rows, since="now-24h")
