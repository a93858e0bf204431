package webd

import (
	_ "embed"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"text/template"
	"time"
)

// Feed is one stream as the configuration has it.
type Feed struct {
	Name             string
	Width, Height    int
	FrameRate        float64 // 1/s
	KeyFrameInterval time.Duration
}

//go:embed frigate.yaml.tmpl
var frigateText string

// frigateView is what the template needs.
type frigateView struct {
	Camera         string // a name that Frigate takes
	Address        string // HOST:PORT of RTSP
	Login          string // "user:password@", or empty
	Scheme         string
	Record, Detect Feed // the same one if there is one stream only
	DetectFPS      int
	Notes          []string // what Frigate would rather have otherwise
}

// The pictures a second that Frigate's detection wants, and that it takes at most, by its documentation.
const (
	detectFPS    = 5
	maxDetectFPS = 10
)

// hostName is what may stand in a URL of the file; a client can send anything as Host.
var hostName = regexp.MustCompile(`^([A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])$`)

// frigate answers /frigate.yaml: a configuration for Frigate with this camera's sizes, rates and addresses.
func (s *Server) frigate(w http.ResponseWriter, r *http.Request) {
	view, err := s.frigateView(r.Host)
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	var text strings.Builder
	if err := template.Must(template.New("frigate").Parse(frigateText)).Execute(&text, view); err != nil {
		s.log.Error("make frigate.yaml", "err", err)
		http.Error(w, "cannot make the file", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8") // which browsers show
	h.Set("Cache-Control", "no-store")
	w.Write([]byte(text.String()))
}

func (s *Server) frigateView(requested string) (frigateView, error) {
	v := frigateView{Scheme: "rtsp"}
	ports := s.cfg.Status().Ports
	port := ports.RTSP
	if port == 0 {
		v.Scheme, port = "rtsps", ports.RTSPS
	}
	if port == 0 || len(s.cfg.Feeds) == 0 {
		return v, fmt.Errorf("there is no RTSP for Frigate: set rtsp.listen in camera.yaml")
	}
	host := requested
	if name, _, err := net.SplitHostPort(requested); err == nil {
		host = name
		if strings.Contains(name, ":") {
			host = "[" + name + "]"
		}
	}
	own, err := os.Hostname()
	if err != nil {
		own = "camkrazy"
	}
	if !hostName.MatchString(host) {
		host = own + ".local"
	}
	v.Address = fmt.Sprintf("%s:%d", host, port)
	v.Camera = regexp.MustCompile(`[^A-Za-z0-9_-]+`).ReplaceAllString(own, "_")
	if len(s.cfg.Users) > 0 {
		v.Login = url.User(s.cfg.Users[0].Name).String() + ":{FRIGATE_CAMERA_PASSWORD}@"
	}
	v.Record, v.Detect = s.cfg.Feeds[0], s.cfg.Feeds[0]
	for _, f := range s.cfg.Feeds {
		if f.Width*f.Height > v.Record.Width*v.Record.Height {
			v.Record = f
		}
		if f.Width*f.Height < v.Detect.Width*v.Detect.Height {
			v.Detect = f
		}
	}
	v.DetectFPS = int(max(1, math.Round(v.Detect.FrameRate)))
	if v.DetectFPS > maxDetectFPS {
		v.DetectFPS = detectFPS
	}
	v.Notes = frigateNotes(v)
	return v, nil
}

// frigateNotes says what in camera.yaml is not as Frigate's documentation advises.
func frigateNotes(v frigateView) []string {
	var notes []string
	note := func(format string, args ...any) { notes = append(notes, fmt.Sprintf(format, args...)) }
	if v.Record.Name == v.Detect.Name {
		note("There is one stream for both recording and detection: a second, small one at %d pictures/s would spare Frigate's CPU.", detectFPS)
	}
	shape := func(f Feed) float64 { return float64(f.Width) / float64(f.Height) }
	if math.Abs(shape(v.Record)/shape(v.Detect)-1) > 0.02 {
		note("%s and %s have different shapes, so that the live view jumps: give them the same aspect ratio.", v.Record.Name, v.Detect.Name)
	}
	if v.Detect.FrameRate > maxDetectFPS {
		note("%s has %.4g pictures/s, of which Frigate throws most away after decoding: a framerate of %d is enough for detection.",
			v.Detect.Name, v.Detect.FrameRate, detectFPS)
	}
	for _, f := range []Feed{v.Record, v.Detect} {
		if f.KeyFrameInterval > time.Second {
			note("%s has a keyframe_interval of %v: with 1s recordings are cut exactly and live views begin at once.", f.Name, f.KeyFrameInterval)
		}
		if v.Record.Name == v.Detect.Name {
			break
		}
	}
	return notes
}
