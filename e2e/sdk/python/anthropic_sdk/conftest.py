import pytest
from anthropic import Anthropic, AsyncAnthropic


@pytest.fixture
def client():
    with Anthropic(_strict_response_validation=True, max_retries=0, timeout=30) as client:
        yield client


@pytest.fixture
def async_client():
    return AsyncAnthropic(_strict_response_validation=True, max_retries=0, timeout=30)
