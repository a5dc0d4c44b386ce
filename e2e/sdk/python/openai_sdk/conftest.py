import pytest
from openai import AsyncOpenAI, OpenAI


@pytest.fixture
def client():
    with OpenAI(_strict_response_validation=True, max_retries=0, timeout=30) as client:
        yield client


@pytest.fixture
def async_client():
    return AsyncOpenAI(_strict_response_validation=True, max_retries=0, timeout=30)
