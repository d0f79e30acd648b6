# Every target does its own set-up, on a fresh Debian or Ubuntu too, and can be run again.
# The commands that a user types on a working day are ansible-playbook's: see README.md.

venv := .venv/bin
# Those unit tests in which Ansible has a part: its plugins, its templates, its programs, its way of calling a module.
with_ansible := $(addprefix tests/unit/, plugins/action plugins/callback plugins/filter plugins/plugin_utils/settings \
    plugins/plugin_utils/test_engine.py \
    roles test_demo.py test_secrets.py)

.DEFAULT_GOAL := help
.PHONY: help demo demo-down secrets test test-all check lint lint-playbooks lint-code unit oldest bench systems faults vagrant-box test-vagrant pins clean dev

help: ## show this
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

demo: ## a host in a container, and the example site deployed on it under load
	@tools/controller
	@tools/engine $(venv)/python tools/demo up

demo-down: ## take all of the demo away
	@tools/engine --running python3 tools/demo down

secrets: ## a vault of fresh secrets, where there is none yet; environment=live for those of live
	@tools/controller
	@PATH=$(CURDIR)/$(venv):$$PATH tools/secrets $(environment)

# Groups of tests go to workers in the order of their files; those of tests/unit are short, and fill up the end.
# Three on two cores: a worker waits for its hosts a good part of the time.
pytest = tools/engine $(venv)/pytest --verbose --durations=30 --numprocesses 3 --dist loadfile --no-loadscope-reorder

test: dev ## the core, in forty minutes: lint, unit tests, and every promise on hosts that are really deployed to
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target lint-playbooks oldest lint-code
	@$(pytest) tests/end_to_end tests/unit -m "not extended"

test-all: dev ## everything: that, every backend at length, every shape of a project, Ubuntu (two hours)
	@command -v rsync >/dev/null || tools/packages rsync # it carries snapshots between hosts
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target lint-playbooks oldest lint-code
	@$(pytest) tests/end_to_end tests/unit

check: dev ## the quick part: lint and unit tests
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target lint-playbooks unit lint-code

lint: dev ## what machines can say about the code
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target lint-playbooks lint-code

lint-playbooks: dev
	ANSIBLE_INVENTORY=tests/unit/inventory NO_COLOR=1 PATH=$(CURDIR)/$(venv):$$PATH ansible-lint -q
# Those that work on both environments want both. Of deploy.yml, which promote.yml imports, it says that it
# cannot be loaded: it can with the other inventory, as above.
	ANSIBLE_INVENTORY=tests/unit/inventory_of_both NO_COLOR=1 PATH=$(CURDIR)/$(venv):$$PATH ansible-lint -q playbooks/promote.yml playbooks/refresh_staging.yml

lint-code: dev
	$(venv)/yamllint --strict .
	$(venv)/ruff check --quiet
	$(venv)/ruff format --check --quiet
	$(venv)/mypy
	$(venv)/python tools/role-tables --check
	$(venv)/python tools/prose.py
	@command -v shellcheck >/dev/null || tools/packages shellcheck
	tools/shell-files | xargs shellcheck

unit: dev ## the tests that need no host
	$(venv)/pytest tests/unit --quiet --numprocesses 2 --dist worksteal

# The rest imports nothing but the standard library and itself, and was tested by `make unit`, in the same Python:
# a unit test holds this list to what there is.
oldest: .cache/oldest/made-of ## the unit tests that go through Ansible, with the oldest ansible-core that we say we support
	.cache/oldest/bin/pytest $(with_ansible) --quiet --numprocesses 2 --dist worksteal

.cache/oldest/made-of: requirements-oldest.txt | dev
	rm -rf .cache/oldest && $(venv)/python -m venv .cache/oldest
	.cache/oldest/bin/python -m pip install --quiet --no-compile --disable-pip-version-check --requirement $<
	cp $< $@

systems: dev ## the whole way on Debian 13, Ubuntu 22.04 and 24.04, whose images come from their own packages
	@$(pytest) tests/end_to_end/test_systems.py

faults: ## break deploys in every way, and see what is left: docs/reliability.md (two hours)
	@tools/controller
	@tools/engine $(venv)/python tools/faults.py
	@tools/engine $(venv)/python tools/faults_fleet.py

vagrant-box: ## the box of Vagrantfile, out of Debian's own packages: docs/vagrant.md
	@tools/vagrant-box

test-vagrant: ## a virtual machine, provisioned, deployed to and rolled back: docs/vagrant.md
	@tools/provider
	@tools/controller dev
	@PATH=$(CURDIR)/$(venv):$$PATH molecule test --scenario-name vagrant

bench: ## how long a deploy takes, beside other ways, near and over a slow line
	@tools/controller
	@tools/engine $(venv)/python tools/bench.py
	@tools/engine $(venv)/python tools/bench_fleet.py

pins: dev ## take the newest versions that the .in files allow
	$(venv)/uv pip compile --quiet --upgrade --universal --python-version 3.11 \
	    --custom-compile-command 'make pins' requirements.in --output-file requirements.txt
	$(venv)/uv pip compile --quiet --upgrade --universal --python-version 3.11 \
	    --custom-compile-command 'make pins' --constraints requirements.txt \
	    requirements-dev.in --output-file requirements-dev.txt

clean: demo-down ## take away what make made: hosts, images, .venv, .cache
	@tools/engine --running python3 tools/host.py clean
	rm -rf .venv .cache .ansible .mypy_cache .pytest_cache .ruff_cache

dev:
	@tools/controller dev
