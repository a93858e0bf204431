// Package mmal speaks VideoCore's Multi-Media Abstraction Layer as a client, over a Transport that carries its messages.
//
// Everything below is little-endian. Offsets count from the start of a message; lengths are in bytes. The source of all
// layouts is interface/mmal/vc/mmal_vc_msgs.h of Raspberry Pi's userland as compiled for the 32-bit ARM ABI, which is
// the firmware's; words that were pointers there are opaque here, and zero unless said otherwise.
//
// # Header, 24 bytes
//
//	off len field
//	  0   4 magic            0x6c616d6d
//	  4   4 message id       the reply repeats the request's
//	  8   4 control service  the firmware's own; 0 in requests
//	 12   4 context          chosen by the client, non-zero; the reply repeats it
//	 16   4 status           not the result: that is the word at 24 of the reply
//	 20   4 unused
//
// # Messages
//
//	id  message            request                                        reply
//	 3  GET_VERSION        40 any                                         flags@24 major@28 minor@32 minimum@36
//	 4  COMPONENT_CREATE   client component@24 name[128]@28 pid@156       status@24 handle@28 inputs@32 outputs@36 clocks@40
//	 5  COMPONENT_DESTROY  handle@24                                      status@24
//	 6  COMPONENT_ENABLE   handle@24                                      status@24
//	 7  COMPONENT_DISABLE  handle@24                                      status@24
//	 8  PORT_INFO_GET      component@24 type@28 index@32                  port information
//	 9  PORT_INFO_SET      component@24 type@28 index@32 port block@36    port information
//	                       format@100 video format@132 extradata@176
//	10  PORT_ACTION        component@24 port@28 action@32, then the port  status@24
//	                       block@36 or the peer's component@36 port@40
//	11  BUFFER_FROM_HOST   buffer                                         none
//	12  BUFFER_TO_HOST     (from the firmware) buffer                     none
//	14  PORT_PARAMETER_SET component@24 port@28 parameter@32              status@24
//	15  PORT_PARAMETER_GET component@24 port@28 parameter@32              status@24 parameter@28
//	16  EVENT_TO_HOST      (from the firmware) client component@24        none
//	                       port type@28 index@32 command@36 length@40
//	                       data[256]@44 unused@300
//
// Port information, 316: status@24 component@28 type@32 index@36 found@40 port handle@44 port block@48 format@112
// video format@144 extradata[128]@188.
//
// A parameter is {id, size, value}; size counts all three.
//
// # Port block, 64 bytes (struct mmal_port)
//
//	 8 type   12 index u16   14 index among all ports u16   16 enabled   24 buffers, least   28 buffer size, least
//	32 alignment, least   36 buffers, advised   40 buffer size, advised   44 buffers   48 buffer size   60 capabilities
//
// # Format, 32 bytes (struct mmal_es_format), and video format, 44 bytes
//
//	0 type   4 encoding   8 variant   16 bit rate, bit/s   20 flags   24 extradata size
//	0 width   4 height   8 crop x y width height   24 frame rate num/den   32 pixel aspect num/den   40 colour space
//
// # Buffer, 296 bytes
//
//	 24 magic 28 component 32 port 36 client context (non-zero, comes back)   40 the same four of a referenced buffer
//	 64 command  68 data (non-zero)  72 capacity  76 length  80 offset  84 flags  88 pts s64 us  96 dts s64 us
//	112 planes  116 offsets[4]  132 pitches[4]  148 video flags
//	152 zero copy  156 has reference  160 payload in message, 0..128   164 payload[128]   292 padding
//
// A buffer from the firmware with a length and no payload in its message is followed by one bulk transfer of the length
// rounded up to 4 bytes; an end of stream without data by one of 8 bytes. Bulk transfers carry no tag: the n-th receive
// that the client posts gets the n-th transfer, so each one must be posted, in the order of the messages, wanted or not.
package mmal
