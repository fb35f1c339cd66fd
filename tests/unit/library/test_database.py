"""LanceDB comes without its cloud client, and is otherwise itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CHILD = """
import sys
from polysee.library.database import import_lancedb

lancedb = import_lancedb()
assert not any(name.startswith("lance_namespace_urllib3_client.api") for name in sys.modules)
assert import_lancedb() is lancedb
import pyarrow as pa

database = lancedb.connect(sys.argv[1])
database.create_table("t", pa.table({"a": [1, 2]})).add(pa.table({"a": [3]}))
assert database.list_tables().tables == ["t"]
assert database.open_table("t").count_rows() == 3

from lance_namespace_urllib3_client.api.table_api import TableApi

assert hasattr(TableApi, "create_table"), "the real client has to be there for those who ask"
print("whole")
"""


def test_in_a_process_of_its_own(tmp_path: Path) -> None:
    command = [sys.executable, "-c", CHILD, str(tmp_path / "database")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "whole\n"
