"""Certificates for all tests of this room; each is made once."""

from __future__ import annotations

import pytest

from tests.probes.targets import Certificate, certificate


@pytest.fixture(scope="session")
def good(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return certificate(tmp_path_factory.mktemp("good"), "IP:127.0.0.1", days=30)


@pytest.fixture(scope="session")
def expired(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return certificate(tmp_path_factory.mktemp("expired"), "IP:127.0.0.1", days=-1)


@pytest.fixture(scope="session")
def of_another(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return certificate(tmp_path_factory.mktemp("of-another"), "DNS:another.example", days=30)
