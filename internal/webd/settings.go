package webd

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
)

// The image controls over HTTP, for the users who may look:
//
//	GET   /settings.json           the live state: {"brightness": 50, …, "annotate": {"text": "", …}}
//	PATCH /settings.json           changes the keys of the JSON object in its body, all or none; answers with the live state
//	GET   /settings.json/controls  what there is to set, as ControlList
//	POST  /settings.json/save      keeps the live state for the next start; answers {"saved": FILE}
//
// The state's keys and values are those that PATCH takes. What is refused is answered with
// {"errors": [{"key": "brightness", "problem": "…"}]}: 422 for values, with nothing changed; 400 for what is no JSON
// object, 413, 415, 503 for a camera that does not answer and 500 for what cannot be saved, with an empty key.

// maxChange bounds the body of a PATCH.
const maxChange = 64 << 10

// Settings are the image controls and what can be done with them. All functions may be called at any time.
type Settings struct {
	// State returns the live values by key; those of annotate are a map of their own.
	State func() map[string]any
	// Change changes the keys of a JSON object, all or none, and returns the state then. What is wrong with it is a
	// Problems or an ErrNotObject; any other error is the camera's.
	Change func(ctx context.Context, object []byte) (map[string]any, error)
	// Save keeps the live state for the next start and returns the name of the file.
	Save func() (file string, err error)
	// Controls tells what there is to set.
	Controls func() ControlList
}

// ErrNotObject says that a change is no JSON object.
var ErrNotObject = errors.New("the body must be a JSON object like {\"brightness\": 60}")

// Problem is one thing that is wrong with a change.
type Problem struct {
	Key     string `json:"key"` // as brightness or annotate.size; empty: not about one key
	Problem string `json:"problem"`
}

// Problems are all that is wrong with a change.
type Problems []Problem

// Error returns one line per problem.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, one := range p {
		lines[i] = one.Key + ": " + one.Problem
	}
	return strings.Join(lines, "\n")
}

// ControlList tells what there is to set, in the order in which a page would show it.
type ControlList struct {
	File     string    `json:"file"`    // where a save goes
	Unsaved  []string  `json:"unsaved"` // the keys that have other values than at the next start
	Controls []Control `json:"controls"`
}

// Control is one key that can be set.
type Control struct {
	Key string `json:"key"` // as brightness; annotate.size is {"annotate": {"size": …}} in a change
	// Kind is integer, gain (a number from 1 to Max, or 0 for automatic), boolean, choice (text out of Choices), rotation (0, 90, 180 or 270), text, color (text like
	// #ff8000, or empty for the firmware's own), decimals and integers (a list of Length numbers), or pair (a list of
	// two integers, or null).
	Kind string `json:"kind"`
	// Min and Max are the limits of a number, also in a list. Max is the most bytes of a text.
	Min     *float64 `json:"min,omitempty"`
	Max     *float64 `json:"max,omitempty"`
	Length  int      `json:"length,omitempty"`
	Choices []string `json:"choices,omitempty"`
	Value   any      `json:"value"`
	Saved   any      `json:"saved"` // at the next start
	Default any      `json:"default"`
}

// handleSettings adds the settings to what the server answers.
func (s *Server) handleSettings(mux *http.ServeMux) {
	if s.cfg.Settings == nil {
		return
	}
	mux.Handle("GET /settings.json", s.restricted(s.showSettings))
	mux.Handle("PATCH /settings.json", s.restricted(s.changeSettings))
	mux.Handle("GET /settings.json/controls", s.restricted(s.showControls))
	mux.Handle("POST /settings.json/save", s.restricted(s.saveSettings))
}

func (s *Server) showSettings(w http.ResponseWriter, _ *http.Request) {
	s.json(w, http.StatusOK, s.cfg.Settings.State())
}

func (s *Server) showControls(w http.ResponseWriter, _ *http.Request) {
	s.json(w, http.StatusOK, s.cfg.Settings.Controls())
}

func (s *Server) changeSettings(w http.ResponseWriter, r *http.Request) {
	if !isJSON(r.Header.Get("Content-Type")) {
		w.Header().Set("Accept-Patch", "application/json")
		s.refuse(w, http.StatusUnsupportedMediaType, errors.New("the body must be application/json"))
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxChange))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		s.refuse(w, http.StatusRequestEntityTooLarge, errors.New("the body is larger than any change of settings"))
		return
	} else if err != nil {
		s.refuse(w, http.StatusBadRequest, err)
		return
	}
	state, err := s.cfg.Settings.Change(r.Context(), body)
	_, wrong := errors.AsType[Problems](err)
	switch {
	case err == nil:
		s.json(w, http.StatusOK, state)
	case wrong:
		s.refuse(w, http.StatusUnprocessableEntity, err)
	case errors.Is(err, ErrNotObject):
		s.refuse(w, http.StatusBadRequest, err)
	default:
		s.log.Warn("settings were not changed", "err", err)
		s.refuse(w, http.StatusServiceUnavailable, err)
	}
}

// isJSON says whether a body may be JSON. Without a word of its own about the body curl calls it a form.
func isJSON(contentType string) bool {
	media, _, err := mime.ParseMediaType(contentType)
	switch media {
	case "application/json", "application/merge-patch+json", "application/x-www-form-urlencoded":
		return err == nil
	}
	return contentType == ""
}

func (s *Server) saveSettings(w http.ResponseWriter, _ *http.Request) {
	file, err := s.cfg.Settings.Save()
	if err != nil {
		s.log.Warn("settings were not saved", "err", err)
		s.refuse(w, http.StatusInternalServerError, err)
		return
	}
	s.log.Info("settings saved", "file", file)
	s.json(w, http.StatusOK, map[string]string{"saved": file})
}

// refuse answers with what is wrong.
func (s *Server) refuse(w http.ResponseWriter, code int, err error) {
	problems, ok := errors.AsType[Problems](err)
	if !ok {
		problems = Problems{{Problem: err.Error()}}
	}
	s.json(w, code, map[string]Problems{"errors": problems})
}
