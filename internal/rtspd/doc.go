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
//     picture, which is asked of the camera when the session starts to play.
//   - A viewer that cannot keep up is disconnected as soon as it has lost one packet, so that nobody watches a broken
//     group of pictures; it is counted, and neither the camera nor another viewer waits for it.
//   - A connection that does not play has 10 s for its next request, and an address has 64 of them at most (see
//     guests), so that one host that says nothing cannot keep the viewers out.
//   - Nobody can publish: ANNOUNCE and RECORD are answered with 405.
//
// H.264 is packed as RFC 6184 says for packetization-mode 1.
package rtspd
