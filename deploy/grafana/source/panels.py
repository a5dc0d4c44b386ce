"""The parts that dashboards are made of, in Grafana's JSON. Nothing here knows what is shown.

A dashboard is a list of rows, each a heading and its panels; where a panel stands follows from its width.
"""

SCHEMA_VERSION = 41  # of the dashboard's JSON; Grafana 12 writes it, older ones read it, newer ones convert it
COLUMNS = 24
HEIGHTS = {"stat": 4, "timeseries": 8, "state-timeline": 8, "table": 9}
SOURCE = {"type": "prometheus", "uid": "${datasource}"}


# === Expressions ===

def rate(metric, *matchers, by=(), window="$__rate_interval"):
    """Per second, summed up by some labels."""
    return summed(f"rate({select(metric, *matchers)}[{window}])", by)


def increase(metric, *matchers, by=(), window="$__range"):
    """How many in the range that is shown, summed up by some labels."""
    return summed(f"increase({select(metric, *matchers)}[{window}])", by)


def summed(expression, by=()):
    return f"sum by ({', '.join(by)}) ({expression})" if by else f"sum({expression})"


def select(metric, *matchers):
    return f"{metric}{{{', '.join(matchers)}}}"


def quantile(of, metric, *matchers, by=(), window="$__rate_interval"):
    """A percentile of a histogram."""
    return f"histogram_quantile({of}, {rate(metric + '_bucket', *matchers, by=('le', *by), window=window)})"


def share(part, whole):
    """Part of a whole; 0 where there is a whole and no such part. No value while there is no whole."""
    return f"({part} or {whole} * 0) / {whole}"


def or_none(expression, label=None):
    """A zero where there is nothing, for what happens only when something is amiss."""
    if label is None:
        return f"{expression} or on() vector(0)"
    return f'{expression} or on() label_replace(vector(0), "{label}", "none", "", "")'


# === Panels ===

def stat(title, description, unit, expression, *, width=4, warn=None, alarm=None, low_is_bad=False, decimals=None):
    """One number. It turns orange at `warn` and red at `alarm`."""
    panel = _panel("stat", title, description, width, [(expression, "")], instant=True)
    panel["fieldConfig"] = _fields(unit, steps=_steps(warn, alarm, low_is_bad), decimals=decimals)
    panel["options"] = {
        "colorMode": "value",
        "graphMode": "none",
        "justifyMode": "auto",
        "orientation": "auto",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "textMode": "auto",
    }
    return panel


def lines(title, description, unit, *expressions, width=8, stacked=False, maximum=None, minimum=0):
    """Lines over time: each an expression and its legend."""
    panel = _panel("timeseries", title, description, width, expressions)
    custom = {
        "drawStyle": "line",
        "fillOpacity": 40 if stacked else 8,
        "lineWidth": 1,
        "showPoints": "never",
        "spanNulls": False,
        "stacking": {"group": "A", "mode": "normal" if stacked else "none"},
    }
    panel["fieldConfig"] = _fields(unit, custom=custom, minimum=minimum, maximum=maximum)
    panel["options"] = {
        "legend": {"calcs": ["lastNotNull", "max"], "displayMode": "table", "placement": "bottom", "showLegend": True},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    return panel


def states(title, description, expression, legend, names, *, width=12):
    """A bar for each series, coloured by state: `names` maps values to (text, colour)."""
    panel = _panel("state-timeline", title, description, width, [(expression, legend)])
    options = {str(value): {"color": color, "index": index, "text": text}
               for index, (value, (text, color)) in enumerate(names.items())}
    panel["fieldConfig"] = _fields("none", custom={"fillOpacity": 70, "lineWidth": 0})
    panel["fieldConfig"]["defaults"]["mappings"] = [{"options": options, "type": "value"}]
    panel["options"] = {
        "alignValue": "left",
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": False},
        "mergeValues": True,
        "rowHeight": 0.8,
        "showValue": "never",
        "tooltip": {"mode": "single", "sort": "none"},
    }
    return panel


def table(title, description, labels, columns, *, width=24, sort=None):
    """A line for each set of labels: `labels` maps them to headings; a column is (heading, unit, expression)."""
    panel = _panel("table", title, description, width, [(column[2], "") for column in columns], instant=True)
    for target in panel["targets"]:
        target["format"] = "table"
    # Grafana names the values of several queries after them, and that of a single one not.
    values = ["Value"] if len(columns) == 1 else [f"Value #{target['refId']}" for target in panel["targets"]]
    headings = {value: column[0] for value, column in zip(values, columns)}
    order = [*labels, *values]
    panel["fieldConfig"] = _fields("none")
    panel["fieldConfig"]["overrides"] = [
        {"matcher": {"id": "byName", "options": heading}, "properties": [{"id": "unit", "value": unit}]}
        for heading, unit, _ in columns
    ]
    panel["options"] = {
        "cellHeight": "sm",
        "showHeader": True,
        "sortBy": [{"desc": True, "displayName": sort or columns[0][0]}],
    }
    panel["transformations"] = [
        {"id": "merge", "options": {}},
        {"id": "organize", "options": {
            "excludeByName": {"Time": True},
            "indexByName": {name: index for index, name in enumerate(order)},
            "renameByName": {**labels, **headings},
        }},
    ]
    return panel


# === Dashboards ===

def variable(name, label, metric, *matchers, of=None):
    """A choice among the values of a label; everything by default, also what has no such label."""
    query = f"label_values({select(metric, *matchers)}, {of or name})" if matchers else f"label_values({metric}, {of or name})"
    return {
        "allValue": ".*",
        "current": {"text": ["All"], "value": ["$__all"]},
        "datasource": SOURCE,
        "definition": query,
        "includeAll": True,
        "label": label,
        "multi": True,
        "name": name,
        "options": [],
        "query": {"qryType": 1, "query": query, "refId": "PrometheusVariableQueryEditor-VariableQuery"},
        "refresh": 2,
        "regex": "",
        "sort": 1,
        "type": "query",
    }


def dashboard(name, title, description, variables, rows, *, since="now-1h"):
    """`rows` are (heading, panels)."""
    source = {
        "current": {},
        "includeAll": False,
        "label": "Data source",
        "multi": False,
        "name": "datasource",
        "options": [],
        "query": "prometheus",
        "refresh": 1,
        "regex": "",
        "type": "datasource",
    }
    links = {
        "asDropdown": False,
        "icon": "external link",
        "includeVars": True,
        "keepTime": True,
        "tags": ["route-switch"],
        "targetBlank": False,
        "title": "",
        "type": "dashboards",
    }
    return {
        "annotations": {"list": []},
        "description": description,
        "editable": True,
        "graphTooltip": 1,
        "id": None,
        "links": [links],
        "panels": _placed(rows),
        "refresh": "30s",
        "schemaVersion": SCHEMA_VERSION,
        "tags": ["route-switch"],
        "templating": {"list": [source, *variables]},
        "time": {"from": since, "to": "now"},
        "timezone": "browser",
        "title": f"Route-Switch / {title}",
        "uid": f"route-switch-{name}",
        "version": 1,
    }


def _panel(kind, title, description, width, expressions, *, instant=False):
    targets = []
    for index, (expression, legend) in enumerate(expressions):
        target = {"datasource": SOURCE, "editorMode": "code", "expr": expression, "refId": chr(ord("A") + index)}
        target.update({"instant": True, "range": False} if instant else {"instant": False, "range": True})
        target["legendFormat"] = legend
        targets.append(target)
    return {
        "datasource": SOURCE,
        "description": description,
        "gridPos": {"h": HEIGHTS[kind], "w": width},
        "targets": targets,
        "title": title,
        "type": kind,
    }


def _fields(unit, *, custom=None, steps=None, minimum=None, maximum=None, decimals=None):
    defaults = {"mappings": [], "unit": unit}
    if custom is not None:
        defaults["custom"] = custom
    if steps is not None:
        defaults["thresholds"] = {"mode": "absolute", "steps": steps}
    for name, value in (("min", minimum), ("max", maximum), ("decimals", decimals)):
        if value is not None:
            defaults[name] = value
    return {"defaults": defaults, "overrides": []}


def _steps(warn, alarm, low_is_bad):
    marks = [(color, value) for color, value in (("orange", warn), ("red", alarm)) if value is not None]
    if not marks:
        return [{"color": "text", "value": None}]
    if low_is_bad:
        # From the worst up: each colour holds from the mark of the one before.
        colors = [color for color, _ in reversed(marks)] + ["green"]
        values = [None] + [value for _, value in reversed(marks)]
        return [{"color": color, "value": value} for color, value in zip(colors, values)]
    return [{"color": "green", "value": None}, *({"color": color, "value": value} for color, value in marks)]


def _placed(rows):
    panels, identity, top = [], 0, 0
    for heading, members in rows:
        identity += 1
        panels.append({
            "collapsed": False,
            "gridPos": {"h": 1, "w": COLUMNS, "x": 0, "y": top},
            "id": identity,
            "panels": [],
            "title": heading,
            "type": "row",
        })
        top += 1
        left = height = 0
        for panel in members:
            identity += 1
            place = panel["gridPos"]
            if left + place["w"] > COLUMNS:
                left, top, height = 0, top + height, 0
            place.update({"x": left, "y": top})
            left, height = left + place["w"], max(height, place["h"])
            panels.append({"id": identity, **panel})
        top += height
    return panels
