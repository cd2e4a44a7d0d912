"""Lets the tests import the fake beside them, and read the table of the repository."""

import json
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))


@pytest.fixture(scope="session")
def table():
    path = pathlib.Path(__file__).parents[3] / "tests" / "conformance" / "belonging.json"
    if not path.exists():
        pytest.skip("not in the source package")
    return json.loads(path.read_text("utf-8"))
