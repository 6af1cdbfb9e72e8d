# The words of this project. Each does what it needs first, on a bare machine too.
.POSIX:
.PHONY: help setup run demo test check bench

BIN = .venv/bin

help:
	@echo 'make run     start the agent and the desk on this machine'
	@echo 'make demo    break things on purpose and watch them heal'
	@echo 'make test    every gate and every test'
	@echo 'make check   the gates alone, in under a minute'
	@echo 'make bench   measure against other monitors'
	@echo 'make setup   make the environment .venv, which all of these do first'

setup:
	@deploy/setup desk test

run:
	@deploy/setup desk
	@$(BIN)/beforehand run --config agent/defaults --state .state

demo:
	@deploy/setup desk
	@$(BIN)/beforehand demo

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: check
	@deploy/packages borgbackup busybox-static chromium chrony dbus-daemon dnsmasq-base e2fsprogs haproxy logrotate mariadb-server memcached nginx-light openssl pgbackrest \
		podman postfix postgresql procps prometheus prometheus-alertmanager prometheus-blackbox-exporter prometheus-node-exporter redis-server restic runc shellcheck sudo systemd \
		systemd-journal-remote curl monitoring-plugins-basic monitoring-plugins-standard
	@[ -d .venv/node_modules/statuspage.io ] || ! command -v npm >/dev/null || npm install --prefix .venv --ignore-scripts --no-save --no-audit --no-fund --silent statuspage.io@3.3.8 || \
	  echo 'the reader of status pages for Node.js could not be installed; its test is left out'
	@$(BIN)/pytest || { \
	  printf '\nWhat failed runs once more, alone. A test that passes now is unsteady: mend it.\n\n'; \
	  $(BIN)/pytest --last-failed --last-failed-no-failures none; }

bench:
	@deploy/setup desk test
	@deploy/packages icinga2-bin monit monitoring-plugins-basic nagios4-core nginx-light postfix postgresql prometheus prometheus-alertmanager \
	  prometheus-blackbox-exporter prometheus-node-exporter redis-server
	@$(BIN)/python -m bench
	@$(BIN)/python -m bench.checks
	@$(BIN)/python -m bench.rules
	@$(BIN)/python -m bench.host
	@$(BIN)/python -m bench.alertmanager
	@$(BIN)/python -m bench.recipients --worlds 10
	@$(BIN)/python -m bench.told_first
	@$(BIN)/python -m bench.delivery
