"""Who a process runs as: an account without a name, as in a container, is told by its number."""

from __future__ import annotations

import getpass
import os

import pytest

from warehouse.account import account


@pytest.mark.parametrize("error", [KeyError("getpwuid(): uid not found: 10001"), OSError("No username set")])
def test_an_account_without_a_name_is_told_by_its_number(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def nameless() -> str:
        raise error

    monkeypatch.setattr(getpass, "getuser", nameless)
    assert account() == str(os.getuid())
