# Two commands to start: `make setup`, `make demo`. The rest is for those who change the code.

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

# The first Python of 3.11 or later that there is.
PYTHON ?= $(shell for name in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	command -v $$name >/dev/null 2>&1 && $$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& { echo $$name; break; }; done)

.PHONY: setup demo test lint bench docs matcher clean

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "Polysee needs Python 3.11 or later; none was found." >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { \
		rm -rf $(VENV); \
		echo "Could not make $(VENV). On Debian and Ubuntu: sudo apt install python3-venv" >&2; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	# For the vocabularies that they carry; their code, which wants torchvision, is never imported.
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --no-deps open-clip-torch cn-clip
	@touch $(READY)

# MEDIA=folder adds your own pictures.
demo: setup
	@$(BIN)/polysee demo $(if $(MEDIA),--media "$(MEDIA)")

test: setup
	$(BIN)/python -m pytest $(ARGS)

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: setup
	$(BIN)/python -m benchmarks $(ARGS)

docs: setup
	$(BIN)/zensical build --strict
	@echo "Open site/index.html"

# After a new align-nano: what reranks drawings reads its insides, and is trained on them again.
REVISION ?= 1
matcher: setup
	$(BIN)/polysee train recipes/dalle-nano/4-matcher.yaml --anew
	$(BIN)/polysee train recipes/dalle-nano/4-matcher-eyes.yaml --anew
	$(BIN)/polysee train recipes/dalle-nano/4-matcher-on.yaml --anew
	$(BIN)/polysee train recipes/dalle-nano/4-matcher-drawn.yaml --anew
	$(BIN)/python -m recipes.bundle scene-matcher-drawn scene-matcher --revision $(REVISION)

clean:
	rm -rf $(VENV) site demo-out
