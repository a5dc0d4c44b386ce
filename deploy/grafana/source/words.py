"""What the dashboards have in common: which series they look at, and what counts as a failure."""

from panels import increase, quantile, rate, share, variable

# The gateways that are chosen, and the operator beside them.
PODS = 'namespace=~"$namespace", pod=~"$pod"'
OPERATOR = 'namespace=~"$namespace"'

# What the client spoilt or cancelled says nothing about the service.
COUNTED = 'outcome!~"client_error|cancelled"'
FAILED = 'outcome!~"ok|client_error|cancelled"'

PICO = "1e12"  # of the units of cost that make a US dollar

NAMESPACE = variable("namespace", "Namespace", "route_switch_build_info")
POD = variable("pod", "Gateway", "route_switch_build_info", OPERATOR)
ROUTE = variable("route", "Route", "route_switch_requests_total", PODS)
PROVIDER = variable("provider", "Provider", "gen_ai_client_operation_duration_seconds_count", PODS)
MODEL = variable("model", "Model", "gen_ai_client_operation_duration_seconds_count", PODS,
                 'provider=~"$provider"', of="gen_ai_request_model")
PROMPT = variable("prompt", "Prompt", "route_switch_prompt_requests_total", PODS)
REVISION = variable("revision", "Revision", "route_switch_prompt_requests_total", PODS, 'prompt=~"$prompt"')


def failing(metric, *matchers, by=(), over=rate):
    """The share of requests or attempts that failed."""
    part = over(metric, *matchers, FAILED, by=by)
    return share(part, over(metric, *matchers, COUNTED, by=by))


def success(metric, *matchers, by=(), over=rate):
    return f"1 - ({failing(metric, *matchers, by=by, over=over)})"


def percentiles(metric, *matchers, legend=""):
    """Three lines: the median, and what one in twenty and one in a hundred wait for."""
    return [(quantile(of, metric, *matchers), f"{name}{legend}")
            for of, name in ((0.5, "p50"), (0.95, "p95"), (0.99, "p99"))]


def usd(metric, *matchers, by=(), window="$__range"):
    return f"{increase(metric, *matchers, by=by, window=window)} / {PICO}"


def usd_an_hour(metric, *matchers, by=()):
    return f"{rate(metric, *matchers, by=by)} * 3600 / {PICO}"
