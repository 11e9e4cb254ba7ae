# Everything a newcomer needs: `make demo`, `make test`. `make install` is shared by both.
PYTHON ?= python3
VENV ?= .venv
# One known-good torch; where pip looks for it decides between a CPU build and one with CUDA.
TORCH ?= torch==2.13.0
# Processes that run tests side by side.
JOBS ?= 2
ifeq ($(OS),Windows_NT)
BIN := $(VENV)/Scripts
else
BIN := $(VENV)/bin
endif
STAMP := $(VENV)/.installed

.PHONY: install demo test lint window screenshots clean
install: $(STAMP)

$(STAMP): pyproject.toml Makefile
	$(PYTHON) -c "import sys; sys.exit(0 if (3, 10) <= sys.version_info[:2] <= (3, 13) else 'CrossModalSynth needs Python 3.10 to 3.13; set PYTHON=/path/to/python.')"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet "$(TORCH)"
	$(BIN)/python -m pip install --quiet -e ".[dev]"
	# nnU-Net's own check of a data set; what else it depends on wants a torch with CUDA.
	$(BIN)/python -m pip install --quiet --no-deps nnunetv2==2.8.1 acvl-utils==0.2.6 batchgenerators==0.25.5
	@$(BIN)/python -c "open('$(STAMP)', 'w').close()"

demo: install
	$(BIN)/crossmodalsynth demo --output demo

# In parallel, each process with one thread; then what measures time, by itself.
test: install
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) --dist loadfile -m "not alone"
	$(BIN)/python -m pytest -m alone

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The Slicer module in a window of the test harness, which is not Slicer; needs a display.
window: install
	PYTHONPATH=Testing $(BIN)/python -m harness window CrossModalSynth/CrossModalSynth.py

screenshots: install
	$(BIN)/python Testing/module/screenshots.py docs/images

clean:
	rm -rf demo runs benchmark build dist
