# make demo: install and analyse the sample.  make test: every test.  make lint: ruff and mypy.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo test lint clean

$(VENV)/.installed: setup.cfg
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --upgrade pip
	$(BIN)/pip install --quiet --disable-pip-version-check --editable .
	touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[test,lint]'
	# Without its dependencies: they bring a second OpenCV, which would lie in the same folder as the first.
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps 'retina-face>=0.0.19,<0.1'
	touch $@

demo: $(VENV)/.installed
	$(BIN)/crowdmask analyze samples/crowd.mp4 --out-dir outputs --overwrite

test: $(VENV)/.installed-test
	$(BIN)/python -m pytest

lint: $(VENV)/.installed-test
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

clean:
	rm -rf $(VENV) build dist *.egg-info
