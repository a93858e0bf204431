package webd

// Status is the state of the appliance as /status.json shows it. A nil pointer is what this machine cannot tell.
type Status struct {
	Version  string            `json:"version"`
	UptimeS  int64             `json:"uptime_s"`
	Healthy  bool              `json:"healthy"`
	Problems []string          `json:"problems"`
	Notices  []string          `json:"notices"` // worth knowing, and no reason to do anything
	Board    string            `json:"board"`
	Camera   CameraStatus      `json:"camera"`
	Streams  map[string]Stream `json:"streams"`
	Snapshot Snapshot          `json:"snapshot"`
	Host     Host              `json:"host"`
	Ports    Ports             `json:"ports"`
	Recovery Recovery          `json:"recovery"`
}

// Recovery counts what was done against trouble, over restarts and reboots of its own. Streams rebuilt alone are counted
// there.
type Recovery struct {
	Pipelines    int    `json:"pipelines"`
	Reconnects   int    `json:"reconnects"`
	Restarts     int    `json:"restarts"`
	Reboots      int    `json:"reboots"`
	Snapshots    int    `json:"snapshots"`     // rebuilds of their part alone
	RebootWanted string `json:"reboot_wanted"` // why; "" if it is not
}

// Ports are the TCP ports where the appliance can be reached; 0 is none.
type Ports struct {
	RTSP    int `json:"rtsp"`
	RTSPS   int `json:"rtsps"`
	HTTP    int `json:"http"`
	HTTPS   int `json:"https"`
	Gokrazy int `json:"gokrazy"` // the system's own page
}

// CameraStatus tells of the sensor and its pipeline.
type CameraStatus struct {
	Sensor    string `json:"sensor"`
	Mode      string `json:"mode"` // how the sensor is read out and what it sees, in words; "" if it is not known
	State     string `json:"state"`
	Restarts  int    `json:"restarts"` // pipelines built after the first one
	LastError string `json:"last_error"`
	// EmulatedDrops counts the frames that the emulated sensor dropped because this machine was too slow; nil on a
	// board, whose firmware does not tell.
	EmulatedDrops *uint64 `json:"emulated_drops,omitempty"`
}

// Stream tells of one coded stream.
type Stream struct {
	Width        int     `json:"width"`
	Height       int     `json:"height"`
	Framerate    float64 `json:"framerate"`   // 1/s, that the encoder gets; 0 until the camera runs
	BitrateBPS   int     `json:"bitrate_bps"` // measured over the last seconds
	Frames       uint64  `json:"frames"`
	Keyframes    uint64  `json:"keyframes"`
	Bytes        uint64  `json:"bytes"`
	Dropped      uint64  `json:"dropped"`       // pictures lost inside this program
	EncoderSkips uint64  `json:"encoder_skips"` // pictures that the encoder left out, of which nothing came
	FrameAgeMS   *int64  `json:"frame_age_ms"`  // since the newest picture; nil before the first
	TakenAgeMS   *int64  `json:"taken_age_ms"`  // since RTSP and live view took a picture; nil before the first
	Content      string  `json:"content"`       // moving, unchanging or uniform
	Link         string  `json:"link"`          // how frames reach the encoder
	Readers      int     `json:"readers"`
	ReaderDrops  uint64  `json:"reader_drops"` // viewers sent away because they took nothing for 10 s
	ReaderSkips  uint64  `json:"reader_skips"` // times that a slow viewer lost pictures until the next key frame
	// ReadersRefused counts the viewers for whom there was no place.
	ReadersRefused uint64 `json:"readers_refused"`
	Watchers       int    `json:"watchers"` // of the live view over HTTP
	// WatcherDrops counts the pictures that watchers of the live view lost because they were too slow.
	WatcherDrops uint64 `json:"watcher_drops"`
	Recoveries   int    `json:"recoveries"` // times that it was built anew alone
}

// Snapshot tells of the stills.
type Snapshot struct {
	Frames uint64 `json:"frames"`
	AgeMS  *int64 `json:"age_ms"` // since the newest one; nil before the first
}

// Host tells of the board.
type Host struct {
	TemperatureC   *float64 `json:"temperature_c"`
	Throttled      *bool    `json:"throttled"`     // the firmware has lowered the clock
	UnderVoltage   *bool    `json:"under_voltage"` // the supply is too weak, or was a moment ago
	MemoryRSSBytes uint64   `json:"memory_rss_bytes"`
	// MemoryTotalBytes and MemoryAvailableBytes are the board's; 0 if it does not tell.
	MemoryTotalBytes     uint64  `json:"memory_total_bytes"`
	MemoryAvailableBytes uint64  `json:"memory_available_bytes"`
	SDSectorsWritten     *uint64 `json:"sd_sectors_written"` // since boot
}
