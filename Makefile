# Everything sets itself up: Node packages, the bundle and, for tests and demo, Kubernetes itself.
.DEFAULT_GOAL := help
.PHONY: help setup demo test test-e2e test-gitops test-faults test-mutation test-guards build lint audit sbom release generate check-generated bench bench-backup bench-migrations bench-operator bench-zero-downtime bench-drift-check clean
.DELETE_ON_ERROR:

# Node 24 comes with the packages on Linux; elsewhere scripts/check-tools.sh asks the machine for it.
BIN := $(CURDIR)/node_modules/.bin
export PATH := $(BIN):$(PATH)
# npm's own record of what is installed, which `npm install` keeps newer than the lock file too.
SETUP := node_modules/.package-lock.json
BUNDLE := dist/glance-schema.js

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(SETUP) ## Fetch the packages; the other targets do it by themselves

demo: $(BUNDLE) ## Show the operator at work on a real Kubernetes and PostgreSQL; ONCE=1 ends after the story, STORY=backup tells of backups
	@node scripts/demo/main.ts $(if $(ONCE),--once) $(if $(STORY),--story $(STORY))

test: $(BUNDLE) ## Run all tests; ONLY="unit integration/database" runs some of them
	@node scripts/test/main.ts

test-e2e: $(BUNDLE) ## Build the image and run the operator and its Jobs as pods on a real node; as root, on Debian
	@ONLY="$(or $(ONLY),e2e)" node scripts/test/main.ts

test-gitops: $(BUNDLE) ## Have Flux sync commits of a Git repository on loopback; its build takes five to ten minutes, the first time
	@ONLY=gitops node scripts/test/main.ts

test-faults: $(BUNDLE) ## Run the fault tests alone: frozen, killed, full and cut-off servers; see docs/faults.md
	@ONLY=faults node scripts/test/main.ts

test-mutation: $(SETUP) ## Change the decisions in some 3,300 ways and count how many changes the unit tests see
	NODE_OPTIONS="--require ./test/mutation/mocha-12.cjs" stryker run

test-guards: $(SETUP) ## Take each guard of the controller out once and count the simulated histories until that is seen
	@node test/simulation/guards.ts

build: $(BUNDLE) ## Bundle the program into dist/glance-schema.js

lint: $(SETUP) check-generated ## Check formatting, rules, types, the direction of imports, doc comments, and generated files
	biome check --error-on-warnings
	tsc --noEmit
	npm run --silent --if-present lint:deps
	npm run --silent --if-present lint:unused
	npm run --silent --if-present lint:docs
	node test/simulation/guards.ts --check

audit: $(SETUP) ## Ask the registry for known vulnerabilities in what is shipped; see docs/security.md
	npm audit --omit=dev --audit-level=high

sbom: $(SETUP) ## Write what the bundle is made of to dist/glance-schema.cdx.json
	@node scripts/sbom.ts

release: $(BUNDLE) ## Write to dist/release what a version is installed from; URL=https://... is where that will be
	@node scripts/release.ts

generate: $(SETUP) ## Write the CRD and what else is made from the source
	node scripts/generate.ts

check-generated: $(SETUP) ## Fail when `make generate` would change a file
	@sh scripts/check-generated.sh

bench: $(BUNDLE) ## Measure; see bench/
	@found=; for each in bench/*.ts; do [ -e "$$each" ] || continue; found=1; node "$$each" || exit 1; done; \
	[ -n "$$found" ] || echo "There is no benchmark in bench/ yet."

bench-backup: $(BUNDLE) ## Race a backup and its proof with the engine's own program alone; ARGS="--engine mariadb --images 100000"
	@node bench/backup.ts $(ARGS)

bench-migrations: $(BUNDLE) ## Race the migrations with the real glance-manage; ARGS="--engine postgres --images 1000000 --runs 5"
	@node bench/migrations.ts $(ARGS)

bench-zero-downtime: $(BUNDLE) ## Put the real Glance API under load through an online upgrade; ARGS="--engine mariadb --seconds 20"
	@node bench/zero-downtime.ts $(ARGS)

bench-drift-check: $(BUNDLE) ## Time the queries of a drift check, by the server's own clock; IMAGES=1000000
	@node bench/drift-check.ts

bench-operator: $(BUNDLE) ## Measure the operator with many resources; ARGS="--resources 50 --minutes 1 --part kills"
	@node bench/operator.ts $(ARGS)

clean: ## Remove what was built here; packages and the cache of Kubernetes stay
	rm -rf dist coverage

$(SETUP): package-lock.json
	@sh scripts/check-tools.sh
	npm ci --no-progress --loglevel=error
	@touch $@

$(BUNDLE): $(SETUP) $(shell find src migrations scripts/build.ts scripts/licences.ts scripts/never-loaded.ts -name '*.ts' 2>/dev/null)
	node scripts/build.ts
	@touch $@
