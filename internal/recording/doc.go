// Package recording keeps the exchange between an MMAL client and the firmware as text, and plays it back to a client.
// A person with a board sends the text; a test here replays it.
//
// # The text
//
// The first line is "camkrazy recording 1". Lines that begin with "# " follow: notes about the machine. Then come
// blocks, oldest first, each a line of its own and indented ones below it:
//
//	0.001234 > PORT_INFO_GET 36 bytes
//	  = context=4 {Component:2654435760 Type:control Index:0}
//	  000000  6d 6d 61 6c 08 00 00 00  00 00 00 00 04 00 00 00
//	  000010  00 00 00 00 00 00 00 00  b0 79 37 9e 01 00 00 00
//	  000020  00 00 00 00
//	0.020345 < BULK 30000 bytes sha256 4355a46b19d348dc2f57c046f8ef63d4538ebb936000f3c9ee954a27460dd865
//	  000000  00 00 00 01 67 64 00 28
//	0.030000 > CLOSE
//	0.030012 < END MMAL service closed
//
// A block's line has the seconds since the start; > for what the client sent, < for what it received; and what it is:
//
//	NAME n bytes             a message, by mmal.MessageID's String; UNREADABLE if it has no header
//	BULK n bytes sha256 sum  a bulk transfer. The client's directly follows its message. Often only its beginning is kept
//	ABORTED                  a bulk transfer that was asked for and did not come
//	CLOSE                    the client closed the transport, for the first time
//	END text                 the transport failed with this error: at its end (<), or when the client sent (>)
//
// The line with = is for people: what package mmal read in the message when it was recorded. Then come the bytes, with
// their offset in hexadecimal. Of a message, lines of 16 zeros are left out, but for the last.
//
// # Replay
//
// A [Player] delivers what was received, each block not before its time and not before the client has sent all that was
// sent before it. Of what the client sends every byte has to be as recorded, bulk transfers by their sum, except for:
//
//	header, context@12                  chosen by the client. The reply gets the one of this run; unmatched ones become 0
//	COMPONENT_CREATE, component@24      chosen by the client. Events get the one of this run
//	COMPONENT_CREATE, process id@156    not compared
//	BUFFER_FROM_HOST, context@36        chosen by the client. BUFFER_TO_HOST gets the one of this run, and so does the
//	  and data@68                       reference@52 of a buffer that was passed through
//
// Handles of components and ports are the firmware's, hence the recorded ones, and are compared. What is sent to one
// component has to come in the recorded order, and the buffers of one port have to; between them the order is free, for
// several goroutines of a client send. How many buffers a client has given when it disables a port is a matter of
// chance: it need not be as many as were recorded, and those that are more come back empty. The cookies of bulk
// receives are the client's; their sizes are compared.
//
// When the client has done something else, or nothing for longer than the recording tells and Patience besides, all
// calls fail with a [*Divergence]. [Player.Finish] says whether the client sent all that was recorded.
package recording
