package rtspd

import (
	"net/netip"

	"github.com/bluenviron/gortsplib/v5"
	"github.com/bluenviron/gortsplib/v5/pkg/description"
)

// groups are the multicast groups of the streams; those of the zero value do not exist.
type groups struct {
	first netip.AddrPort // of the RTP of the first stream
}

// network is what gortsplib takes groups from when it is not told which; without one it knows no multicast.
func (g groups) network() string {
	if !g.first.IsValid() {
		return ""
	}
	return netip.PrefixFrom(g.first.Addr(), 24).Masked().String()
}

func (g groups) rtcpPort() int {
	if !g.first.IsValid() {
		return 0
	}
	return int(g.first.Port()) + 1
}

// params has the group of the stream with a number.
func (g groups) params(media *description.Media, index int) map[*description.Media]gortsplib.StreamMediaMulticastParams {
	if !g.first.IsValid() {
		return nil
	}
	group := g.first.Addr()
	for range index {
		group = group.Next()
	}
	return map[*description.Media]gortsplib.StreamMediaMulticastParams{
		media: {IP: group.AsSlice(), RTPPort: int(g.first.Port()), RTCPPort: g.rtcpPort()},
	}
}
