// Package rtspd serves the camera's H.264 streams over RTSP and RTSPS, on gortsplib.
//
// Sessions, transports and the fan-out to viewers are the library's. This package decides what the viewers get:
//
//   - The session description is complete from the first DESCRIBE: the answer waits for the first SPS and PPS, for at
//     most 5 s, then it is 503 Service Unavailable.
//   - RTP timestamps come from [camera.AccessUnit.PTS] alone and share one random offset, so two streams show the
//     same picture with the same timestamp and no step of the wall clock moves them. Wall clock is in the RTCP sender
//     reports only (see clock); one that stepped shows there after the next IDR picture.
//   - Over RTSPS everything is interleaved in the encrypted connection. UDP is refused with 461, and taken out of what a
//     viewer offers if it offers interleaving too.
//   - Each session begins with a sender report and the newest picture or two (see greet), and soon gets an IDR
//     picture, which is asked of the camera when the session starts to play. Where there is no new picture, the sender
//     report goes ahead of the next one.
//   - Multicast, where it is configured, is sent while somebody has asked for it, each stream to a group of its own.
//   - A viewer over TCP that does not keep up loses whole pictures, up to the next IDR picture, and never a part of one
//     (see lane). In a tunnel through HTTP or WebSocket, where that is not possible, it is disconnected instead. Whoever
//     takes nothing for 10 s is disconnected. All of that is counted, and neither the camera nor another viewer waits.
//   - There may be MaxReaders sessions; one more is answered with 453 Not Enough Bandwidth, and counted.
//   - Users are asked for a digest, with SHA-256 or MD5, and over TLS also for the password as it is (see door). Who
//     gives wrong ones waits, as does all that comes from that address (package throttle).
//   - A connection that does not play has 10 s for its next request. There may be 192 of them, 64 from one address: one
//     more takes the place of the one that has been idle for longest (see guests), so that those who say nothing cannot
//     keep the viewers out. What a viewer may send is bounded, and with it the memory that it can use up.
//   - Nobody can publish: ANNOUNCE and RECORD are answered with 405.
//
// Of gortsplib v5.6.5 three faults are worked round: a change to WebSocket that ends the program (see greeting), a tunnel
// through HTTP whose second half comes too early (see tunnelPause), and a second that it waits for GStreamer (see
// handler.OnRequest). One is not: it measures the silence of a viewer over UDP by the wall clock, so that a step of that
// by a minute or more ends the session of one that has sent no request for a minute, whatever RTCP it has sent.
//
// H.264 is packed as RFC 6184 says for packetization-mode 1.
package rtspd
