# Every target makes what it needs in .venv; nothing else has to be installed but Python 3.11+ and make.
PYTHON ?= python3
BIN := .venv/bin
WORKERS ?= 2

.PHONY: demo test check wheel bench validate clean
.DELETE_ON_ERROR:

# The stamp is written last: an installation that was interrupted is done again.
.venv/installed: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "arraysmith needs Python 3.11 or newer; try: make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

demo: .venv/installed
	rm -rf out/demo
	$(BIN)/arraysmith search poster --out out/demo/poster --workers $(WORKERS)
	$(BIN)/arraysmith search poster_default --out out/demo/poster_default --workers $(WORKERS)
	$(BIN)/arraysmith search vgg16 --out out/demo/vgg16 --workers $(WORKERS)
	@echo
	@echo 'Reports: out/demo/*/report.html (poster, poster_default, vgg16)'

test: check wheel
	$(BIN)/python -m pytest -n $(WORKERS)

check: .venv/installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# One top-level name, installs and runs from an empty environment.
wheel: .venv/installed
	$(BIN)/python validation/check_wheel.py

# With PEER_PYTHON=PATH, a Python that has scalesim 3.0.0, also against that tool (minutes); with
# ZIGZAG_PYTHON=PATH (zigzag-dse 3.9.1, six) and MAESTRO=BINARY against those.
bench: .venv/installed
	$(BIN)/python validation/bench_counting.py
	$(BIN)/python validation/bench_mappers.py $(if $(ZIGZAG_PYTHON),--zigzag-python $(ZIGZAG_PYTHON)) $(if $(MAESTRO),--maestro $(MAESTRO))
	$(BIN)/python validation/bench_gamma.py --seeds 3
	$(BIN)/python validation/bench_traces.py
	$(BIN)/python validation/bench_poster.py
	$(BIN)/python validation/bench_dram.py $(if $(DRAMSIM3),--dramsim3 $(DRAMSIM3))
	$(BIN)/python validation/bench_noc.py $(if $(BOOKSIM),--booksim $(BOOKSIM))
	$(if $(PEER_PYTHON),$(BIN)/python validation/bench_scalesim.py --peer-python $(PEER_PYTHON))

SUITES := dram gamma maestro noc poster-energy rtl scalesim silicon silicon-latency spatial-array-rtl spatial-rtl timeloop zigzag

# `make -k validate` goes on behind one that is out of tolerance.
validate: $(addprefix validate-,$(SUITES))

validate-%: .venv/installed
	$(BIN)/arraysmith validate $*

clean:
	find arch sim traces search validation tests -name __pycache__ -prune -exec rm -rf {} +
	rm -rf .venv build dist out *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
