"""The vendors' own SDKs, unmodified, with response validation on.

OPENAI_BASE_URL, OPENAI_API_KEY         where to and with which key, as the SDKs read them themselves
ANTHROPIC_BASE_URL, ANTHROPIC_API_KEY
ROUTE_SWITCH_TARGET                     what stands there, which selects the tests: see TARGETS
MODEL_CHAT, MODEL_TOOLS, ...            names of models, see MODELS
"""

import os
from collections import namedtuple
from pathlib import Path

import pytest

Target = namedtuple("Target", "gateway simulator dialects attempts")

# What each target is: behind the gateway, with our simulator as the provider, which dialects the provider that answers
# speaks, and at which attempt it answers.
TARGETS = {
    "simulate": Target(False, True, {"openai", "anthropic"}, 1),
    "openai": Target(True, True, {"openai"}, 1),
    "anthropic": Target(True, True, {"anthropic"}, 1),
    "to-openai": Target(True, True, {"openai"}, 2),
    "to-anthropic": Target(True, True, {"anthropic"}, 2),
    "aimock": Target(True, False, {"openai"}, 1),
    "aimock-anthropic": Target(True, False, {"anthropic"}, 1),
}
TARGET = TARGETS[os.environ.get("ROUTE_SWITCH_TARGET", "simulate")]

MODELS = {
    "CHAT": "sim-fast",
    "TOOLS": "sim-tools",
    "TOOLS_TWO": "sim-tools-2",
    "ECHO": "sim-echo",
    "REASONING": "sim-reasoning",
    "REASONING_TOOLS": "sim-reasoning-tools",
    "CACHED": "sim-cached-2-written-3",
    "429": "sim-429",
    "500": "sim-500",
    "529": "sim-529",
    "CUT": "sim-cut-3",
    "DOWN": "sim-down",
    "UNKNOWN": "no-such-model",
}


def left_out(sdk):
    """Markers of the tests that the target cannot or should not run."""
    marks = {"direct"} if TARGET.gateway else {"gateway"}
    marks |= set() if TARGET.simulator else {"simulator"}
    marks |= set() if TARGET.attempts == 1 else {"single"}
    return marks | ({"crossing"} if sdk in TARGET.dialects else {"same"})


def pytest_collection_modifyitems(config, items):
    def gone(item):
        marks = {marker.name for marker in item.iter_markers()}
        return marks & left_out(Path(item.path).parent.name.removesuffix("_sdk"))

    deselected = [item for item in items if gone(item)]
    config.hook.pytest_deselected(items=deselected)
    items[:] = [item for item in items if item not in deselected]


@pytest.fixture
def model():
    """The name of a model by its purpose."""
    return lambda purpose: os.environ.get(f"MODEL_{purpose}", MODELS[purpose])


@pytest.fixture
def attempts():
    """The attempt at which the gateway gets an answer."""
    return TARGET.attempts
