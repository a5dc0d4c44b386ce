"""OpenAI's own SDK, unmodified, with response validation on, against whatever OPENAI_BASE_URL names.

OPENAI_BASE_URL, OPENAI_API_KEY   where to and with which key, as the SDK reads them itself
ROUTE_SWITCH_TARGET               what stands there, which selects the tests: simulate (default), serve or aimock
MODEL_CHAT, MODEL_TOOLS, ...      names of models, see MODELS
"""

import os

import pytest
from openai import AsyncOpenAI, OpenAI

TARGET = os.environ.get("ROUTE_SWITCH_TARGET", "simulate")

# Markers of the tests that a target cannot or should not run.
LEFT_OUT = {
    "simulate": {"gateway"},
    "serve": {"direct"},
    "aimock": {"direct", "simulator"},
}

MODELS = {
    "CHAT": "sim-fast",
    "TOOLS": "sim-tools",
    "TOOLS_TWO": "sim-tools-2",
    "ECHO": "sim-echo",
    "REASONING": "sim-reasoning",
    "429": "sim-429",
    "500": "sim-500",
    "CUT": "sim-cut-3",
    "DOWN": "sim-down",
    "UNKNOWN": "no-such-model",
}


def pytest_collection_modifyitems(config, items):
    left_out = LEFT_OUT[TARGET]
    gone = [item for item in items if left_out & {marker.name for marker in item.iter_markers()}]
    if gone:
        config.hook.pytest_deselected(items=gone)
        items[:] = [item for item in items if item not in gone]


@pytest.fixture
def model():
    """The name of a model by its purpose."""
    return lambda purpose: os.environ.get(f"MODEL_{purpose}", MODELS[purpose])


@pytest.fixture
def client():
    with OpenAI(_strict_response_validation=True, max_retries=0, timeout=30) as client:
        yield client


@pytest.fixture
def async_client():
    return AsyncOpenAI(_strict_response_validation=True, max_retries=0, timeout=30)
