.DEFAULT_GOAL := help
export CGO_ENABLED = 0

# The daemon as `make run` starts it. SCENE=clip.y4m shows real footage, CONFIG=file another configuration,
# FAULTS=10s:stall:lqstream,45s:disconnect lets the emulated GPU fail. The page saves into the configuration, so that of
# the examples is a copy; a newer example does not replace it.
CONFIG ?= build/local.yaml
SCENE ?=
FAULTS ?=

help: ## list the targets
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

build/camkrazy: FORCE
	go build -trimpath -o $@ ./cmd/camkrazy

build/local.yaml:
	install -D -m 644 examples/local.yaml $@

run: build/camkrazy $(filter build/local.yaml,$(CONFIG)) ## watch the emulated camera on this machine (SCENE=clip.y4m CONFIG=camera.yaml FAULTS=10s:stall)
	exec build/camkrazy --emulate --ram '' --config '$(CONFIG)' $(if $(SCENE),--scene '$(SCENE)') $(if $(FAULTS),--faults '$(FAULTS)')

test: ## run every test, with the players that judge the streams (installs them: apt, as root)
	tools/testdeps
	go test -timeout 15m ./...

# Minutes and hours of pictures would take too long so; what happens in them is in other tests, too.
race: ## the tests of what runs at the same time, with the race detector
	tools/testdeps
	CGO_ENABLED=1 go test -race -skip '^Test(Soak|FrozenOften|StillWorld)$$' ./internal/mmal ./internal/camera ./internal/guard ./internal/rtspd ./internal/webd ./internal/live ./internal/throttle ./internal/vcemu ./internal/vcemu/slots ./internal/vchiq ./internal/recording \
		./tools/qemu-videocore/host

lint: ## gofmt, vet, go fix, staticcheck
	@test -z "$$(gofmt -l .)" || { gofmt -d .; exit 1; }
	go vet ./...
	go fix -diff ./...
	go mod tidy -diff
	go tool -modfile=tools.mod staticcheck ./...

# What the appliance answers to, the card to write, and FORCE=1 for a disk that does not say that it is removable.
HOST = camkrazy
DISK =

image: ## build the appliance for an SD card: build/camkrazy.img; prints its addresses, passwords and sizes, and what comes next
	go run ./tools/image

flash: ## write the appliance to a card (DISK=/dev/sdX), after showing what it erases and asking
	go run ./tools/flash $(if $(filter 1,$(FORCE)),-force) $(if $(DISK),'$(DISK)')

update: ## bring the appliance on the network up to date (HOST=camkrazy)
	go run ./tools/image -update '$(HOST)'

systest: ## build the appliance, boot it in QEMU and judge it from outside (LONG=1 looks longer)
	tools/systest/deps
	CAMKRAZY_SYSTEST=1 go test -count=1 -v -p 1 -timeout 170m ./tools/qemu-videocore/... ./tools/systest

bench: ## encoding, RTP, and the RTSP server with 1 to 100 readers (PEER=FILE: another server)
	@tools/bench

FORCE:
.PHONY: help run test race lint image flash update systest bench FORCE
