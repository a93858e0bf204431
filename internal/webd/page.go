package webd

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"mime"
	"net/http"
	"path"
	"time"
)

//go:embed page
var page embed.FS

// pageFile is one file of the page as it is served.
type pageFile struct {
	path string // of the URL; it matches nothing below it
	body []byte
	kind string // MIME type
	etag string
}

// pageFiles are all files of the page.
func pageFiles() []pageFile {
	entries, err := page.ReadDir("page")
	if err != nil {
		panic(err) // the files are part of the program
	}
	var files []pageFile
	for _, entry := range entries {
		body, err := page.ReadFile(path.Join("page", entry.Name()))
		if err != nil {
			panic(err)
		}
		sum := sha256.Sum256(body)
		f := pageFile{
			path: "/" + entry.Name(),
			body: body,
			kind: mime.TypeByExtension(path.Ext(entry.Name())),
			etag: `"` + hex.EncodeToString(sum[:8]) + `"`,
		}
		if entry.Name() == "index.html" {
			f.path = "/{$}"
		}
		files = append(files, f)
	}
	return files
}

// serve sends the file, if the client does not have it yet.
func (f pageFile) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", f.kind)
	h.Set("Cache-Control", "no-cache") // it may be kept, but asked for after an update
	h.Set("ETag", f.etag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.body))
}
