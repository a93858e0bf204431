// Package camkrazy_test holds the architecture: which package may import which.
package camkrazy_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/camkrazy/camkrazy/"

// allowed lists, for each package, the packages of this module and of others that it may import, tests left out. An
// entry that ends in / stands for all below it.
var allowed = map[string][]string{
	"cmd/camkrazy": {
		"internal/camera", "internal/certs", "internal/config", "internal/host", "internal/lifesign", "internal/live", "internal/mdns", "internal/mmal", "internal/pressure", "internal/ramdisk", "internal/recovery", "internal/rtspd",
		"internal/throttle",
		"internal/vcemu", "internal/vcemu/faults", "internal/vcemu/scene", "internal/vchiq", "internal/webd",
		"github.com/google/renameio/v2", "golang.org/x/sync/errgroup",
	},
	"cmd/camwatch":          {"internal/guard", "internal/host", "internal/lifesign", "internal/recovery"},
	"cmd/vcinfo":            {"internal/host", "internal/mmal", "internal/recording", "internal/vcemu", "internal/vchiq"},
	"internal/camera":       {"internal/exif", "internal/mmal", "internal/recovery", "internal/strftime"},
	"internal/certs":        {"github.com/google/renameio/v2"},
	"internal/config":       {"internal/strftime", "github.com/goccy/go-yaml/"},
	"internal/exif":         {},
	"internal/guard":        {"internal/lifesign", "internal/recovery"},
	"internal/host":         {},
	"internal/lifesign":     {"internal/recovery", "github.com/google/renameio/v2"},
	"internal/live":         {"internal/camera", "github.com/bluenviron/mediacommon/"},
	"internal/mdns":         {"github.com/brutella/dnssd", "github.com/brutella/dnssd/log", "github.com/miekg/dns", "golang.org/x/net/"},
	"internal/mmal":         {},
	"internal/origin":       {},
	"internal/pressure":     {},
	"internal/ramdisk":      {"internal/camera", "github.com/google/renameio/v2"},
	"internal/rarelog":      {},
	"internal/recording":    {"internal/mmal"},
	"internal/recovery":     {},
	"internal/rtspd":        {"internal/camera", "internal/origin", "internal/rarelog", "internal/throttle", "github.com/bluenviron/", "github.com/pion/"},
	"internal/strftime":     {},
	"internal/throttle":     {"internal/origin"},
	"internal/vcemu":        {"internal/mmal", "internal/vcemu/h264", "internal/vcemu/scene"},
	"internal/vcemu/faults": {"internal/vcemu"},
	"internal/vcemu/h264":   {},
	"internal/vcemu/scene":  {},
	"internal/vcemu/slots":  {"internal/mmal", "internal/vcemu"},
	"internal/vchiq":        {"internal/mmal"},
	"internal/webd":         {"internal/camera", "internal/live", "internal/origin", "internal/rarelog", "internal/throttle", "github.com/prometheus/client_golang/", "golang.org/x/sync/errgroup"},
}

// dangerous are imports that only one package may have.
var dangerous = map[string]string{
	"unsafe":                "internal/vchiq",
	"C":                     "no package",
	"golang.org/x/sys/unix": "internal/vchiq",
}

func TestImports(t *testing.T) {
	dirs := packageDirs(t)
	for name := range allowed {
		if !slices.Contains(dirs, name) {
			t.Errorf("%s is in the table but not in the tree", name)
		}
	}
	for _, dir := range dirs {
		may, known := allowed[dir]
		if !known {
			t.Errorf("%s is not in the table: add it with the imports that the architecture gives it", dir)
			continue
		}
		for _, imported := range importsOf(t, dir) {
			if owner, ok := dangerous[imported]; ok && owner != dir {
				t.Errorf("%s imports %s, which %s may", dir, imported, owner)
			}
			if !permitted(strings.TrimPrefix(imported, module), may) {
				t.Errorf("%s imports %s, which its place in the architecture does not allow", dir, imported)
			}
		}
	}
}

// importsOf lists what the files of a package import, whatever system they are for.
func importsOf(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var imports []string
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range parsed.Imports {
			imports = append(imports, strings.Trim(spec.Path.Value, `"`))
		}
	}
	return imports
}

// permitted says whether a package may be imported: the standard library always may.
func permitted(imported string, may []string) bool {
	first, _, _ := strings.Cut(imported, "/")
	if first != "internal" && first != "cmd" && !strings.Contains(first, ".") {
		return true
	}
	return slices.ContainsFunc(may, func(m string) bool {
		return imported == m || strings.HasSuffix(m, "/") && strings.HasPrefix(imported, m)
	})
}

// packageDirs lists the folders with Go code that is not only tests.
func packageDirs(t *testing.T) []string {
	t.Helper()
	var dirs []string
	for _, root := range []string{"cmd", "internal"} {
		err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			if dir := filepath.ToSlash(filepath.Dir(path)); !slices.Contains(dirs, dir) {
				dirs = append(dirs, dir)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return dirs
}
