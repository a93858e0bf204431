package camera

import "sync"

// meterWindow is how many pictures the bitrate is averaged over.
const meterWindow = 128

// meter measures the bitrate of a stream over its last pictures, on the sensor's clock.
type meter struct {
	mu    sync.Mutex
	sizes [meterWindow]int
	times [meterWindow]int64 // microseconds
	n     int                // pictures seen
	sum   int                // of sizes
	span  int64              // from the oldest time to the newest
}

// add counts a picture.
func (m *meter) add(bytes int, pts int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	i := m.n % meterWindow
	m.sum += bytes - m.sizes[i]
	m.sizes[i], m.times[i] = bytes, pts
	m.n++
	oldest := 0
	if m.n > meterWindow {
		oldest = m.n % meterWindow
	}
	m.span = pts - m.times[oldest]
}

// bitrate is in bit/s; 0 until there are two pictures.
func (m *meter) bitrate() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	count := int64(min(m.n, meterWindow))
	if count < 2 || m.span <= 0 {
		return 0
	}
	// n pictures last one picture's time longer than from the first one's time to the last one's.
	return int(int64(m.sum) * 8 * 1e6 * (count - 1) / count / m.span)
}
