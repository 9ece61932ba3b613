"""Requests are checked against the JSON schemas inside the installed ``clearml`` package.

Those schemas stop at API 2.23 and know the public calls only; what the 2.34 server adds to them
is written here. The server itself checks less than this: a request that passes here is one that
every server since 2.23 understands.
"""

import copy
import functools
import importlib
import inspect
import pkgutil
from typing import Any

from clearml_snapshot.exporter.standin.errors import fail

Schema = dict[str, Any]

_STRING: Schema = {"type": "string"}
_STRINGS: Schema = {"type": "array", "items": _STRING}
_INTEGER: Schema = {"type": "integer"}
_BOOLEAN: Schema = {"type": "boolean"}
_METRIC: Schema = {
    "type": "object",
    "required": ["metric"],
    "properties": {"metric": _STRING, "variants": _STRINGS},
}
_METRICS: Schema = {"type": "array", "items": _METRIC}
_EVENT_TYPES = "* training_stats_scalar training_stats_vector training_debug_image plot log"
_EVENT_TYPE: Schema = {"enum": _EVENT_TYPES.split(" ")}
_TASKS: Schema = {"type": "array", "items": _STRING, "minItems": 1}
_FILTER_PART: Schema = {"type": "object", "properties": {"include": {}, "exclude": {}}}
_FILTERS: Schema = {
    "type": "object",
    "additionalProperties": {
        "type": "object",
        "properties": {
            "any": _FILTER_PART,
            "all": _FILTER_PART,
            "op": {"enum": ["and", "or"]},
        },
    },
}
_TYPES = {
    "string": "str",
    "integer": "int",
    "number": "float",
    "boolean": "bool",
    "array": "list",
    "object": "dict",
}
# The server's own handlers refuse these numbers, with their own messages.
_PAGING: Schema = {"page": _INTEGER, "page_size": _INTEGER, "size": {}}
_DATES: Schema = {"type": ["array", "string"], "items": _STRING}
_LISTING: Schema = {
    **_PAGING,
    **dict.fromkeys(("status_changed", "last_update", "last_change"), _DATES),
    "include_subprojects": _BOOLEAN,
    "allow_public": _BOOLEAN,
    "filters": _FILTERS,
}

# endpoint -> (the endpoint whose schema it shares, properties that newer servers add)
_NEWER: dict[str, tuple[str, Schema]] = {
    "tasks.get_all": ("tasks.get_all", _LISTING),
    "tasks.get_all_ex": ("tasks.get_all", _LISTING),
    "projects.get_all": ("projects.get_all", _LISTING),
    "projects.get_all_ex": (
        "projects.get_all",
        {**_LISTING, "include_stats": _BOOLEAN, "active_users": _STRINGS},
    ),
    "events.get_task_events": (
        "events.get_task_events",
        {
            "metrics": _METRICS,
            "count_total": _BOOLEAN,
            "model_events": _BOOLEAN,
            "event_type": _EVENT_TYPE,
        },
    ),
    "events.scalar_metrics_iter_histogram": (
        "events.scalar_metrics_iter_histogram",
        {"metrics": _METRICS, "samples": {"type": "integer", "minimum": 1, "maximum": 6000}},
    ),
    "events.get_task_single_value_metrics": (
        "events.get_task_single_value_metrics",
        {"metrics": _METRICS, "tasks": _TASKS},
    ),
}

# Calls for which the package has no schema, or one without the required fields.
_OWN: dict[str, Schema] = {
    "tasks.get_by_id_ex": {"type": "object", "required": ["id"], "properties": {"id": {}}},
    "events.scalar_metrics_iter_raw": {
        "type": "object",
        "required": ["task", "metric"],
        "properties": {
            "task": _STRING,
            "metric": _METRIC,
            "key": {"enum": ["iter", "timestamp", "iso_time"]},
            "batch_size": _INTEGER,
            "count_total": _BOOLEAN,
            "scroll_id": _STRING,
            "model_events": _BOOLEAN,
        },
    },
    "events.get_scalar_metric_data": {
        "type": "object",
        "required": ["task", "metric"],
        "properties": {
            "task": _STRING,
            "metric": _STRING,
            "scroll_id": _STRING,
            "no_scroll": _BOOLEAN,
            "model_events": _BOOLEAN,
        },
    },
    "events.get_multi_task_metrics": {
        "type": "object",
        "required": ["tasks"],
        "properties": {"tasks": _TASKS, "event_type": _EVENT_TYPE, "model_events": _BOOLEAN},
    },
    "users.get_all": {
        "type": "object",
        "properties": {
            "name": _STRING,
            "id": _STRINGS,
            "only_fields": _STRINGS,
            "order_by": _STRINGS,
            "active_in_projects": _STRINGS,
            **_PAGING,
        },
    },
    "users.get_by_id": {
        "type": "object",
        "required": ["user"],
        "properties": {"user": _STRING},
    },
    "users.get_current_user": {"type": "object"},
    "server.info": {"type": "object"},
}
_OWN["users.get_all_ex"] = _OWN["users.get_all"]


def validate(endpoint: str, body: dict[str, Any]) -> None:
    """Raise 400/12 unless the body fits the endpoint's schema; nulls count as absent."""
    from jsonschema.exceptions import best_match

    error = best_match(_validator(endpoint).iter_errors(_without_nulls(body)))
    if error is not None:
        fail(400, 12, _worded(error))


def _worded(error: Any) -> str:
    """Word the problem as the server does for the fields that it checks itself."""
    if error.validator == "required":
        missing = next(name for name in error.validator_value if name not in error.instance)
        return f"error for field '{missing}'. field is required!"
    where = ".".join(str(part) for part in error.absolute_path)
    if error.validator == "type":
        allowed = error.validator_value
        kinds = [allowed] if isinstance(allowed, str) else allowed
        types = ", ".join(_TYPES[kind] for kind in kinds if kind in _TYPES)
        inner = (f'value is wrong, expected type "{types}"', error.instance)
        return f"error for field '{where}': {inner}."
    return f"error for field '{where}': {error.message}.".lower()


def load() -> None:
    """Read the package's schemas now (half a second, once per process)."""
    _package_schemas()


def schema_of(endpoint: str) -> Schema:
    """Return the request schema of an endpoint.

    Raises:
        KeyError: neither the package nor this module knows the endpoint.
    """
    if endpoint in _OWN:
        return _OWN[endpoint]
    source, additions = _NEWER.get(endpoint, (endpoint, {}))
    schema = copy.deepcopy(_package_schemas()[source])
    schema.setdefault("properties", {}).update(additions)
    # "page" without "page_size" is answered: with 500.
    schema.pop("dependencies", None)
    return schema


@functools.cache
def _validator(endpoint: str) -> Any:
    from jsonschema import Draft7Validator

    return Draft7Validator(schema_of(endpoint))


@functools.cache
def _package_schemas() -> dict[str, Schema]:
    """Collect every request schema of the newest ``services.v2_*`` package: no configuration."""
    from clearml.backend_api import services

    versions = [name for _, name, _ in pkgutil.iter_modules(services.__path__) if "v2_" in name]
    newest = max(versions, key=lambda name: int(name.rpartition("_")[2]))
    schemas: dict[str, Schema] = {}
    member: Any
    for service in ("auth", "tasks", "events", "projects", "organization"):
        module = importlib.import_module(f"{services.__name__}.{newest}.{service}")
        for name, member in inspect.getmembers(module, inspect.isclass):
            if name.endswith("Request") and getattr(member, "_action", None):
                schemas[f"{member._service}.{member._action}"] = member._schema
    return schemas


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_nulls(item) for item in value if item is not None]
    return value
