package webd

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"

	"github.com/camkrazy/camkrazy/internal/camera"
)

// stillQuery is what a client wants of a snapshot.
type stillQuery struct {
	fresh bool // taken now
	camera.StillOptions
}

// snapshotQuery reads what follows the question mark of /camera.jpg: fresh, width and quality. Whoever asks for a width
// or quality gets a picture taken for it. Other keys mean nothing: pages add one with the time, so that no cache answers.
func snapshotQuery(raw string) (stillQuery, error) {
	var q stillQuery
	values, err := url.ParseQuery(raw)
	if err != nil {
		return q, err
	}
	for key, list := range values {
		if !slices.Contains([]string{"fresh", "width", "quality"}, key) {
			continue
		}
		if len(list) > 1 {
			return q, fmt.Errorf("%s: more than one value", key)
		}
		switch value := list[0]; key {
		case "fresh":
			if q.fresh, err = strconv.ParseBool(value); err != nil {
				return q, fmt.Errorf("%s: %q must be 0 or 1", key, value)
			}
		case "width":
			q.Width, err = positive(key, value)
		case "quality":
			q.Quality, err = positive(key, value)
		}
		if err != nil {
			return q, err
		}
	}
	q.fresh = q.fresh || q.Width != 0 || q.Quality != 0
	return q, nil
}

func positive(key, value string) (int, error) {
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("%s: %q must be a number above 0", key, value)
	}
	return n, nil
}
