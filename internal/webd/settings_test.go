package webd

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// settingsServer answers for settings of one key, brightness.
func settingsServer(users ...User) (http.Handler, *int) {
	brightness := 50
	cfg := testConfig()
	cfg.Users = users
	state := func() map[string]any { return map[string]any{"brightness": brightness} }
	cfg.Settings = &Settings{
		State: state,
		Change: func(_ context.Context, object []byte) (map[string]any, error) {
			var change map[string]int
			switch err := json.Unmarshal(object, &change); {
			case err != nil:
				return nil, ErrNotObject
			case change["brightness"] == 99:
				return nil, errors.New("the camera is asleep")
			case change["brightness"] > 100:
				return nil, Problems{{"brightness", "is too much"}, {"contrast", "is none"}}
			}
			brightness = change["brightness"]
			return state(), nil
		},
		Save: func() (string, error) {
			if brightness == 0 {
				return "", errors.New("the card is full")
			}
			return "/perm/x.yaml", nil
		},
		Controls: func() ControlList { return ControlList{File: "/perm/x.yaml", Controls: []Control{{Key: "brightness"}}} },
	}
	return New(cfg).Handler(), &brightness
}

func TestSettings(t *testing.T) {
	const patch, save, js = "PATCH /settings.json", "POST /settings.json/save", "application/json"
	tests := []struct {
		name, request, contentType, body string
		header                           http.Header
		code                             int
		answer                           string // without white space
		left                             int    // brightness then
	}{
		{"state", "GET /settings.json", "", "", nil, 200, `{"brightness":50}`, 50},
		{"controls", "GET /settings.json/controls", "", "", nil, 200,
			`{"file":"/perm/x.yaml","unsaved":null,"controls":[{"key":"brightness","kind":"","value":null,"saved":null,"default":null}]}`, 50},
		{"change", patch, js, `{"brightness": 60}`, nil, 200, `{"brightness":60}`, 60},
		{"with a character set", patch, "application/json; charset=utf-8", `{"brightness": 60}`, nil, 200, `{"brightness":60}`, 60},
		{"curl -d", patch, "application/x-www-form-urlencoded", `{"brightness": 60}`, nil, 200, `{"brightness":60}`, 60},
		{"no type", patch, "", `{"brightness": 60}`, nil, 200, `{"brightness":60}`, 60},
		{"refused", patch, js, `{"brightness": 101}`, nil, 422,
			`{"errors":[{"key":"brightness","problem":"istoomuch"},{"key":"contrast","problem":"isnone"}]}`, 50},
		{"no JSON", patch, js, `brightness`, nil, 400,
			`{"errors":[{"key":"","problem":"thebodymustbeaJSONobjectlike{\"brightness\":60}"}]}`, 50},
		{"text", patch, "text/plain", `{"brightness": 60}`, nil, 415, `{"errors":[{"key":"","problem":"thebodymustbeapplication/json"}]}`, 50},
		{"nonsense for a type", patch, "application/json; =", `{"brightness": 60}`, nil, 415, `{"errors":[{"key":"","problem":"thebodymustbeapplication/json"}]}`, 50},
		{"too long", patch, js, `{"brightness": 60` + strings.Repeat(" ", maxChange) + "}", nil, 413,
			`{"errors":[{"key":"","problem":"thebodyislargerthananychangeofsettings"}]}`, 50},
		{"camera asleep", patch, js, `{"brightness": 99}`, nil, 503, `{"errors":[{"key":"","problem":"thecameraisasleep"}]}`, 50},
		{"of another site", patch, js, `{"brightness": 60}`, http.Header{"Sec-Fetch-Site": {"cross-site"}}, 403, "", 50},
		{"of this site", patch, js, `{"brightness": 60}`, http.Header{"Sec-Fetch-Site": {"same-origin"}}, 200, `{"brightness":60}`, 60},
		{"save", save, "", "", nil, 200, `{"saved":"/perm/x.yaml"}`, 50},
		{"save for another site", save, "", "", http.Header{"Sec-Fetch-Site": {"cross-site"}}, 403, "", 50},
		{"save by GET", "GET /settings.json/save", "", "", nil, 405, "", 50},
		{"PUT", "PUT /settings.json", js, `{"brightness": 60}`, nil, 405, "", 50},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			handler, brightness := settingsServer()
			method, path, _ := strings.Cut(tt.request, " ")
			r := httptest.NewRequest(method, path, strings.NewReader(tt.body))
			maps.Copy(r.Header, tt.header)
			if tt.contentType != "" {
				r.Header.Set("Content-Type", tt.contentType)
			}
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			got := strings.Join(strings.Fields(w.Body.String()), "")
			if w.Code != tt.code || tt.answer != "" && got != tt.answer || *brightness != tt.left {
				t.Errorf("got %d %s and brightness %d, want %d %s and %d", w.Code, got, *brightness, tt.code, tt.answer, tt.left)
			}
			if tt.answer != "" && w.Header().Get("Content-Type") != js {
				t.Errorf("headers are %v", w.Header())
			}
		})
	}
}

func TestSaveFails(t *testing.T) {
	handler, brightness := settingsServer()
	*brightness = 0
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest("POST", "/settings.json/save", nil))
	if w.Code != 500 || !strings.Contains(w.Body.String(), `"problem": "the card is full"`) {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}

// TestSettingsUsers asks for the same name and password as everything else.
func TestSettingsUsers(t *testing.T) {
	for _, request := range []string{"GET /settings.json", "PATCH /settings.json", "GET /settings.json/controls", "POST /settings.json/save"} {
		for _, known := range []bool{false, true} {
			handler, brightness := settingsServer(User{"viewer", "hunter2"})
			method, path, _ := strings.Cut(request, " ")
			r := httptest.NewRequest(method, path, strings.NewReader(`{"brightness": 60}`))
			if known {
				r.SetBasicAuth("viewer", "hunter2")
			}
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			if want := map[bool]int{false: 401, true: 200}[known]; w.Code != want {
				t.Errorf("%s, known %v: got %d, want %d", request, known, w.Code, want)
			}
			if !known && *brightness != 50 {
				t.Errorf("%s changed something for a stranger", request)
			}
		}
	}
}
