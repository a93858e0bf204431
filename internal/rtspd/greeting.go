package rtspd

import "bytes"

// upgrading begins the answer to a client that changes from HTTP to WebSocket.
const upgrading = "HTTP/1.1 101 "

// greeting keeps what a client sends behind its first request until somebody reads on: it ends a read where the first
// header ends. gortsplib v5.6.5 changes to WebSocket with a connection that panics when it is closed, and it is closed if
// more than the header has been read by then, or if the answer cannot be sent. A stranger could end the program by that.
type greeting struct {
	line  int    // 0: in a line, 1: at the start of one, 2: the same, after a carriage return
	ended bool   // the header has
	held  []byte // what came with its end
}

// rest is what is left of the last read.
func (g *greeting) rest(p []byte) int {
	n := copy(p, g.held)
	g.held = g.held[n:]
	return n
}

// cut returns how many bytes of what was read may be passed on, and keeps the others. A header ends with an empty line,
// and a line with a newline, with or without a carriage return, as in package net/textproto.
func (g *greeting) cut(p []byte) int {
	for i, b := range p {
		switch {
		case g.ended:
			return len(p)
		case b == '\n' && g.line > 0:
			g.ended = true
			g.held = bytes.Clone(p[i+1:])
			return i + 1
		case b == '\n':
			g.line = 1
		case b == '\r' && g.line == 1:
			g.line = 2
		default:
			g.line = 0
		}
	}
	return len(p)
}
