package vcemu

// opaqueKind is what an opaque image consists of (picamera's "OPAQUE sub-formats"). The protocol does not tell it:
// ports of different kinds have the same encoding, and only some pairs work.
type opaqueKind int

const (
	singleImage opaqueKind = iota // one picture
	dualImage                     // and one of half the size, for the encoder's search for motion
	strips                        // the picture in horizontal strips, as the camera's still port makes it for JPEG
)

// understands says that the port, an input, can work on opaque images of that kind. Recent firmware does not care
// whether there is a second picture; a picture in strips is read by the JPEG encoder only.
func (p *port) understands(made opaqueKind) bool {
	switch {
	case p.kind == made:
		return true
	case made == strips:
		return false
	case p.kind == strips:
		return p.comp.vc.cfg.Quirks.ImageEncodeConverts
	}
	return true
}
