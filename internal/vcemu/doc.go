// Package vcemu emulates the VideoCore of a Raspberry Pi as an MMAL server: the firmware's side of the messages that
// package mmal describes, with a camera, scaler and encoders behind them that really make pictures.
//
// What the firmware does is taken from its clients' sources and from what users reported; where nobody knows, [Quirks]
// answers either way. It is strict: what the firmware would refuse is refused with the firmware's status.
//
// # Inside
//
// One lock guards all of VideoCore's state. A session executes its requests one after the other on its own goroutine,
// as the firmware is believed to; every component that computes (splitter, ISP, encoders) has a goroutine which takes
// images from the component's input, works without the lock, and passes the result on. Nothing waits while it
// holds the lock, and sending to the host never waits.
//
// Images live in pools of fixed size, one per output port that makes images, and are reference counted. An image that
// somebody keeps is missing in its pool, so a component that stalls starves those before it, up to the camera, which
// then drops whole frames; the sensor's clock never waits.
//
// A session does not know what carries its messages: see session.feed and link. Dial gives the carrier within the
// process.
package vcemu
