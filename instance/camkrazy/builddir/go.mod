module camkrazy.image

go 1.26.0

replace github.com/camkrazy/camkrazy => ../../../

require (
	github.com/camkrazy/camkrazy v0.0.0-00010101000000-000000000000
	github.com/gokrazy/breakglass v0.0.0-20251229072214-9dbc0478d486
	github.com/gokrazy/firmware v0.0.0-20260522070551-527ce0ed43cf
	github.com/gokrazy/gokrazy v0.0.0-20260703061218-a4a45a20149d
	github.com/gokrazy/kernel.rpi v0.0.0-20251127164438-9778ec0261de
	github.com/gokrazy/rpi-eeprom v0.0.0-20260518070910-95f7328a8228
	github.com/gokrazy/rsync v0.3.6
	github.com/gokrazy/serial-busybox v0.0.0-20250119153030-ac58ba7574e7
)
