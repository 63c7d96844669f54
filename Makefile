# The four things a newcomer does. `make demo` and `make test` set up .venv when it is missing or out of date.

PYTHON ?= python3
TORCH ?= torch==2.13.0  # any build of it: `make demo TORCH=path/to/a/cpu/wheel.whl` saves gigabytes on Linux
CORES ?= all
BIN := .venv/bin
READY := .venv/.ready

.PHONY: help demo bundle gallery slurm studio lint clean
.PHONY: test test-all test-slow test-faults test-faults-all test-slurm test-studio

help:
	@echo "make demo   set up, fetch the models, run the whole workflow on the CPU (about eight minutes)"
	@echo "make bundle   train what bundle/ holds anew (about two hours)"
	@echo "make gallery  make the pictures of README anew (docs/*.jpg)"
	@echo "make test   set up and run the tests (about five minutes)"
	@echo "make test-all     run these and all that follow, an hour or so"
	@echo "make test-slow    run the tests that take minutes: real faces at 1024 px, signals, variations"
	@echo "make test-faults  kill workers, fill disks, flip bits, and see that the workflow heals"
	@echo "make test-faults-all  the same, and kill a worker of every rule"
	@echo "make test-slurm   run the workflow on a SLURM of this machine (apt-get install slurm-wlm munge)"
	@echo "make test-studio  drive the page with a headless Chromium (apt-get install chromium)"
	@echo "make slurm  set up, with what profiles/slurm needs"
	@echo "make studio       set up, with what the page in the browser needs, and open it"
	@echo "make lint   check the style and types of code and workflow"
	@echo "make clean  remove results/; models and environment stay"

demo: $(READY)
	@started=$$(date +%s) && $(BIN)/snakemake --cores $(CORES) --configfile profiles/demo/config.yaml && spent=$$(($$(date +%s) - started)) && \
	printf '\nDone in %d:%02d minutes. Look at:\n' $$((spent / 60)) $$((spent % 60))
	@ls results/animations/*.mp4 results/animations/*.png results/directions/gallery.png \
	    results/evaluation/first-pairs.* | sed 's/^/  /'

# Written over the one in the repository: `git diff --stat` tells whether it came out the same.
bundle: $(READY)
	$(BIN)/snakemake --cores $(CORES) --configfile profiles/bundle/config.yaml -- results/bundle/mobilestylegan-ffhq.safetensors
	cp results/bundle/mobilestylegan-ffhq.safetensors results/bundle/mobilestylegan-ffhq.json bundle/

gallery: $(READY)
	$(BIN)/python docs/make_gallery.py

# The finished project is made first, on both cores; then each of two processes takes a file of tests at a time.
test: $(READY)
	@scratch=$$(mktemp -d) && trap 'rm -rf "$$scratch"' EXIT && \
	export D2A_FINISHED_PROJECT="$${D2A_FINISHED_PROJECT:-$$scratch/project}" && \
	$(BIN)/python tests/support/finished_projects.py small && \
	$(BIN)/python -m pytest -m "not slow" -n 2 --dist loadfile

test-all: test test-slow test-faults test-slurm test-studio

test-slow: $(READY)
	$(BIN)/python -m pytest -m slow -n 2 --dist loadfile

test-faults: $(READY)
	$(BIN)/python -m pytest tests/faults -m "not exhaustive"

test-faults-all: $(READY)
	$(BIN)/python -m pytest tests/faults

slurm: .venv/.slurm

test-slurm: .venv/.slurm
	$(BIN)/python -m pytest tests/slurm

studio: .venv/.studio
	$(BIN)/d2a studio

test-studio: .venv/.browser
	$(BIN)/python -m pytest tests/studio

lint: .venv/.studio  # whose packages have types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/mypy d2a_core workflow_scripts snakemake_logger_plugin_d2a

clean:
	rm -rf results

# The stamp comes last: an interrupted installation is started again.
$(READY): requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "python3 ≥ 3.11 is needed and $(PYTHON) was not found; install it or run make PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "python3 ≥ 3.11 is needed and $(PYTHON) is $$($(PYTHON) -V); run make PYTHON=/path/to/a/newer/python3"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "the venv module of $(PYTHON) is missing; on Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
	@echo "Setting up .venv (some minutes the first time)"
	@$(PYTHON) -m venv --clear .venv
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check $(TORCH)
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.venv/.slurm: requirements-slurm.lock $(READY)
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-slurm.lock
	@touch $@

.venv/.studio: requirements-studio.lock $(READY)
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-studio.lock
	@touch $@

.venv/.browser: requirements-browser.lock .venv/.studio
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-browser.lock
	@touch $@
