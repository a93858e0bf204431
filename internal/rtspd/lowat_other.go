//go:build !linux

package rtspd

import "net"

// boundUnsent does nothing: only Linux can bound what waits in the kernel.
func boundUnsent(*net.TCPConn, int) {}
