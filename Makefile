# Each target does its own set-up in .venv; nothing but Python 3.10+, make and PyPI is needed.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin

.PHONY: site demo test test-export test-screen test-scale wheel lint clean

demo: $(VENV)/.installed
	$(BIN)/cam-audit demo

# Shows how much of cam_audit/ the tests run, lines and branches. Three processes for two cores, as some tests wait; one
# that has none left takes half of another's, so that files, and with them what their tests share, stay together.
test: $(VENV)/.tests
	$(BIN)/python -m coverage erase
	$(BIN)/python -m coverage run -m pytest -n 3 --dist worksteal
	$(BIN)/python -m coverage combine --quiet
	$(BIN)/python -m coverage report

# The tests that compare with torch on the same weights. torchvision and timm come without their dependencies, so that
# they do not replace the torch that is there.
test-export: $(VENV)/.torch
	$(BIN)/python -m pytest -m "torch or shared"

# The tests in a real browser and in real windows, whose programs come from the system:
# apt-get install chromium xvfb openbox xdotool imagemagick
test-screen: $(VENV)/.browser
	$(BIN)/python -m pytest -m "browser or window"

# The tests with a cluster of Ray on this machine.
test-scale: $(VENV)/.ray
	$(BIN)/python -m pytest -m scale

lint: $(VENV)/.lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

wheel:
	PYTHON=$(PYTHON) .ci/wheel

# The documentation as a site, in build/site; a link that leads nowhere is an error.
site: $(VENV)/.site
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

clean:
	rm -rf $(VENV) build *.egg-info cam-audit-out cam-audit-demo

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(BIN)/python setup.cfg pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	@touch $@

$(VENV)/.tests: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test]'
	@touch $@

$(VENV)/.torch: $(VENV)/.tests
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[imagenet]' torch==2.13.0 'onnxscript>=0.5'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps torchvision==0.28.0 \
		timm==1.0.31 safetensors==0.8.0
	@touch $@

$(VENV)/.browser: $(VENV)/.tests
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test-screen]'
	@touch $@

$(VENV)/.ray: $(VENV)/.tests
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[ray]'
	@touch $@

$(VENV)/.site: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[site]'
	@touch $@

$(VENV)/.lint: $(VENV)/.tests
	$(BIN)/python -m pip install --quiet --disable-pip-version-check ruff mypy
	@touch $@
