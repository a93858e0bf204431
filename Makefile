.DEFAULT_GOAL := help
export CGO_ENABLED = 0

# The daemon as `make run` starts it. SCENE=clip.y4m shows real footage, CONFIG=file another configuration.
CONFIG ?= examples/local.yaml
SCENE ?=

help: ## list the targets
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

build/camkrazy: FORCE
	go build -trimpath -o $@ ./cmd/camkrazy

run: build/camkrazy ## watch the emulated camera on this machine (SCENE=clip.y4m CONFIG=camera.yaml)
	exec build/camkrazy --emulate --ram '' --config '$(CONFIG)' $(if $(SCENE),--scene '$(SCENE)')

test: ## run every test, with the players that judge the streams (installs them: apt, as root)
	tools/testdeps
	go test -timeout 15m ./...

race: ## the tests of what runs at the same time, with the race detector
	tools/testdeps
	CGO_ENABLED=1 go test -race ./internal/mmal ./internal/camera ./internal/rtspd ./internal/webd ./internal/vcemu

lint: ## gofmt, vet, go fix, staticcheck
	@test -z "$$(gofmt -l .)" || { gofmt -d .; exit 1; }
	go vet ./...
	go fix -diff ./...
	go mod tidy -diff
	go tool -modfile=tools.mod staticcheck ./...

bench: ## encoding and RTP throughput, allocations for each access unit
	@tools/bench

FORCE:
.PHONY: help run test race lint bench FORCE
