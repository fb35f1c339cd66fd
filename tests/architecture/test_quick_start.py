"""`import polysee` and `polysee --help` stay quick: nothing heavy is imported until it is used."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {
    "PIL", "huggingface_hub", "jinja2", "lancedb", "lightning", "numpy", "pyarrow",
    "safetensors", "tokenizers", "torch", "transformers",
}  # fmt: skip


def imported_by(code: str) -> set[str]:
    """The packages that a fresh interpreter has loaded after running `code`."""
    report = "import sys; print('\\n' + ' '.join({name.split('.')[0] for name in sys.modules}))"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{report}"],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
    )
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    "code",
    [
        "import polysee",
        "import polysee; dir(polysee); polysee.__version__",
        "from polysee.cli.main import run; run(['--help'])",
        "from polysee.cli.main import run; run(['search', '--help'])",
        "from polysee.cli.main import run; run(['eval', 'zero-shot', '--help'])",
        "from polysee.cli.main import run; run(['--version'])",
    ],
)
def test_nothing_heavy_is_imported(code):
    assert imported_by(code) & HEAVY == set()


@pytest.mark.parametrize(
    "module", ["library", "apps.draw", "apps.sentiment", "apps.texts", "apps.classify"]
)
def test_what_uses_models_does_not_import_what_trains_them(module):
    assert "lightning" not in imported_by(f"import polysee.{module}")


def test_the_public_names_are_what_they_say():
    code = "import polysee; assert all(getattr(polysee, name) for name in polysee.__all__)"
    assert "torch" in imported_by(code)


def test_an_unknown_name_is_an_attribute_error():
    import polysee

    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = polysee.nothing
