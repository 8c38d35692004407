"""Energy: an estimate by name, asked of nobody, refused where its package is missing."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from crowdmask.errors import SettingsError
from crowdmask.runs import energy


def test_work_is_estimated_without_asking_anybody(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("codecarbon", reason="needs crowdmask[energy]")

    def refused(*_: Any, **__: Any) -> Any:
        raise AssertionError("nothing may be asked of the network")

    monkeypatch.setattr(socket.socket, "connect", refused)
    with energy.measured("DEU") as used:
        assert used.watt_hours == 0.0
        sum(i * i for i in range(2_000_000))
    told = used.as_dict()
    assert told["estimated"] is True
    assert 0 < told["watt_hours"] < 1
    assert told["co2_grams"] > 0
    assert told["country"] == "DEU"
    assert "CodeCarbon" in told["method"]
    assert "memory: a constant power" in told["method"]


def test_work_that_fails_fails_as_it_would_have() -> None:
    pytest.importorskip("codecarbon", reason="needs crowdmask[energy]")
    with pytest.raises(KeyError), energy.measured("FRA"):
        raise KeyError("of the work")


def test_what_is_missing_or_no_country_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match="three capital letters"), energy.measured("Germany"):
        pass
    monkeypatch.setattr(energy, "available", lambda: False)
    with pytest.raises(SettingsError, match=r"crowdmask\[energy\]"), energy.measured("DEU"):
        pass
