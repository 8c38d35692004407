"""Holds what the program prints as JSON against the schemas published in docs/schemas/."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

SCHEMAS = Path(__file__).parents[1] / "docs" / "schemas"


def assert_fits(name: str, found: Any) -> None:
    """The value fits docs/schemas/NAME.schema.json, references between the schemas included."""
    jsonschema = pytest.importorskip("jsonschema", reason="the schemas need the test extra's jsonschema")
    from referencing import Registry, Resource

    schemas = {path.name: json.loads(path.read_text()) for path in SCHEMAS.glob("*.schema.json")}
    registry = Registry().with_resources((key, Resource.from_contents(value)) for key, value in schemas.items())
    kind = jsonschema.Draft202012Validator
    kind.check_schema(schemas[f"{name}.schema.json"])
    kind(schemas[f"{name}.schema.json"], registry=registry).validate(found)
