# make demo: install and analyse the sample.  make test: every test.  make lint: ruff and mypy.
# make test-cluster: the tests that need Ray, which make test passes over: 240 MB that nothing else needs.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# quiet about editable installs too: setuptools warns of each that maps a folder, as ours does weights/
PIP := PYTHONWARNINGS=ignore $(BIN)/pip install --quiet --disable-pip-version-check

.PHONY: demo test test-cluster lint clean

$(VENV)/.installed: setup.cfg
	$(PYTHON) -m venv $(VENV)
	$(PIP) --upgrade pip
	$(PIP) --editable .
	touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	$(PIP) --editable '.[test,lint]'
	# Without its dependencies: they bring a second OpenCV, which would lie in the same folder as the first.
	$(PIP) --no-deps 'retina-face>=0.0.19,<0.1'
	touch $@

demo: $(VENV)/.installed
	$(BIN)/crowdmask analyze samples/crowd.mp4 --out-dir outputs --overwrite

test: $(VENV)/.installed-test
	$(BIN)/python -m pytest --numprocesses logical --maxprocesses 4 --dist worksteal

$(VENV)/.installed-cluster: $(VENV)/.installed-test
	$(PIP) --editable '.[cluster]'
	touch $@

# Ray's own niceness of 15 makes its actors wait for whatever else the machine does.
test-cluster: $(VENV)/.installed-cluster
	RAY_worker_niceness=0 $(BIN)/python -m pytest tests/contract/test_executors.py -n 0

lint: $(VENV)/.installed-test
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

clean:
	rm -rf $(VENV) build dist *.egg-info
