package recording

import "github.com/camkrazy/camkrazy/internal/mmal"

// describe is one line about a message.
func describe(msg []byte, sent bool) string { return oneLine(mmal.Describe(msg, sent)) }
