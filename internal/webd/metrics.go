package webd

import (
	"net/http"
	"runtime"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

const sectorBytes = 512

// collector makes metrics of the same Status that /status.json shows.
type collector struct {
	status func() Status
	server *Server
}

// family is one metric name.
type family struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
}

func counter(name, help string, labels ...string) family {
	return family{prometheus.NewDesc("camkrazy_"+name, help, labels, nil), prometheus.CounterValue}
}

func gauge(name, help string, labels ...string) family {
	return family{prometheus.NewDesc("camkrazy_"+name, help, labels, nil), prometheus.GaugeValue}
}

// Describe implements prometheus.Collector.
func (c collector) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, ch) }

// Collect implements prometheus.Collector.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	give := func(f family, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(f.desc, f.kind, value, labels...)
	}
	st := c.status()
	c.appliance(give, st)
	for name, s := range st.Streams {
		c.stream(give, name, s)
	}
	c.host(give, st.Host)
	c.http(give)
}

type giver func(f family, value float64, labels ...string)

func (c collector) appliance(give giver, st Status) {
	give(gauge("info", "What runs: always 1.", "version", "board", "sensor"), 1, st.Version, st.Board, st.Camera.Sensor)
	give(gauge("uptime_seconds", "Time since the program started."), float64(st.UptimeS))
	give(gauge("healthy", "1 if /healthz says that all is well."), truth(st.Healthy))
	give(gauge("problems", "Number of problems that /status.json lists."), float64(len(st.Problems)))
	give(gauge("camera_streaming", "1 while the camera delivers pictures."), truth(st.Camera.State == "streaming"))
	give(counter("camera_restarts_total", "Camera pipelines built after the first one."), float64(st.Camera.Restarts))
	if n := st.Camera.EmulatedDrops; n != nil {
		give(counter("camera_emulated_dropped_frames_total", "Frames that the emulated sensor dropped because this machine is too slow."), float64(*n))
	}
	recoveries := counter("recoveries_total", "What was done against trouble, streams built anew alone aside.", "kind")
	for kind, n := range map[string]int{
		"pipeline": st.Recovery.Pipelines, "reconnect": st.Recovery.Reconnects, "restart": st.Recovery.Restarts,
		"reboot": st.Recovery.Reboots, "snapshot": st.Recovery.Snapshots,
	} {
		give(recoveries, float64(n), kind)
	}
	give(counter("snapshots_total", "JPEG pictures taken."), float64(st.Snapshot.Frames))
	if age := st.Snapshot.AgeMS; age != nil {
		give(gauge("snapshot_age_seconds", "Time since the newest JPEG picture."), float64(*age)/1000)
	}
}

func (c collector) stream(give giver, name string, s Stream) {
	of := func(f func(name, help string, labels ...string) family, metric, help string, value float64) {
		give(f(metric, help, "stream"), value, name)
	}
	of(gauge, "stream_width_pixels", "Width of the pictures.", float64(s.Width))
	of(gauge, "stream_height_pixels", "Height of the pictures.", float64(s.Height))
	of(gauge, "stream_nominal_rate_hertz", "Pictures a second that the encoder is to get; 0 until the camera runs.", s.Framerate)
	of(counter, "stream_frames_total", "Pictures that the encoder delivered.", float64(s.Frames))
	of(counter, "stream_keyframes_total", "Those of them at which decoding can start.", float64(s.Keyframes))
	of(counter, "stream_bytes_total", "Size of the coded pictures.", float64(s.Bytes))
	of(counter, "stream_dropped_frames_total", "Pictures lost inside the program.", float64(s.Dropped))
	of(counter, "stream_skipped_frames_total", "Pictures that the encoder left out.", float64(s.EncoderSkips))
	of(counter, "stream_recoveries_total", "Times that the stream was built anew alone.", float64(s.Recoveries))
	if s.FrameAgeMS != nil {
		of(gauge, "stream_frame_age_seconds", "Time since the newest picture.", float64(*s.FrameAgeMS)/1000)
	}
	of(gauge, "rtsp_readers", "Viewers over RTSP.", float64(s.Readers))
	of(counter, "rtsp_slow_readers_total", "Viewers over RTSP that were sent away because they took nothing.", float64(s.ReaderDrops))
	of(counter, "rtsp_reader_skips_total", "Times that a slow viewer over RTSP lost pictures until the next key frame.", float64(s.ReaderSkips))
	of(counter, "rtsp_refused_readers_total", "Viewers over RTSP for whom there was no place.", float64(s.ReadersRefused))
	if view := c.server.cfg.Live[name]; view != nil {
		live := view.Stats()
		of(gauge, "http_watchers", "Live views over HTTP.", float64(live.Watchers))
		of(counter, "http_watcher_frames_total", "Pictures sent to live views.", float64(live.Fragments))
		of(counter, "http_watcher_bytes_total", "Bytes sent to live views.", float64(live.Bytes))
		of(counter, "http_watcher_dropped_frames_total", "Pictures that slow live views lost.", float64(live.Drops))
	}
}

func (c collector) host(give giver, h Host) {
	if h.TemperatureC != nil {
		give(gauge("host_temperature_celsius", "Temperature of the SoC."), *h.TemperatureC)
	}
	if h.Throttled != nil {
		give(gauge("host_throttled", "1 if the firmware has lowered the clock for heat or a weak power supply."), truth(*h.Throttled))
	}
	if h.UnderVoltage != nil {
		give(gauge("host_under_voltage", "1 if the power supply is too weak."), truth(*h.UnderVoltage))
	}
	if h.MemoryTotalBytes > 0 {
		give(gauge("host_memory_available_bytes", "Memory of the board that is left."), float64(h.MemoryAvailableBytes))
	}
	if h.SDSectorsWritten != nil {
		give(counter("host_card_written_bytes_total", "Written to the SD card since boot."), float64(*h.SDSectorsWritten)*sectorBytes)
	}
	give(gauge("process_resident_memory_bytes", "Memory of the program."), float64(h.MemoryRSSBytes))
	give(gauge("process_goroutines", "Goroutines of the program."), float64(runtime.NumGoroutine()))
}

func (c collector) http(give giver) {
	open, refused := c.server.plain.counts()
	openTLS, refusedTLS := c.server.secure.counts()
	give(gauge("http_connections", "Open connections to the web server."), float64(open+openTLS))
	give(counter("http_refused_connections_total", "Connections that were closed because too many were open."), float64(refused+refusedTLS))
	give(counter("http_wrong_passwords_total", "Requests with a wrong password."), float64(c.server.guessers.Failures()))
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// newMetrics makes what answers /metrics, and counts the requests to next.
func (s *Server) newMetrics(next *http.ServeMux) (metrics, counting http.Handler) {
	registry := prometheus.NewRegistry()
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "camkrazy_http_requests_total", Help: "Requests that were answered, by the pattern that their path matched.",
	}, []string{"path", "code"})
	registry.MustRegister(requests, collector{s.cfg.Status, s})
	metrics = promhttp.HandlerFor(registry, promhttp.HandlerOpts{MaxRequestsInFlight: 5})
	counting = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen := &answer{ResponseWriter: w, code: http.StatusOK}
		next.ServeHTTP(seen, r)
		pattern := r.Pattern
		if pattern == "" {
			pattern = "none"
		}
		requests.WithLabelValues(pattern, strconv.Itoa(seen.code)).Inc()
	})
	return metrics, counting
}

// answer remembers the code of a response.
type answer struct {
	http.ResponseWriter
	code int
}

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(code int) {
	a.code = code
	a.ResponseWriter.WriteHeader(code)
}

// Unwrap is for http.ResponseController.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }
