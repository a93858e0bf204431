package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
)

const (
	module = "github.com/camkrazy/camkrazy"
	daemon = module + "/cmd/camkrazy"
	// breakglass is gokrazy's shell for emergencies.
	breakglass = "github.com/gokrazy/breakglass"
)

// instanceConfig is gokrazy's config.json, as far as this program has to do with it; the rest passes through.
type instanceConfig map[string]any

// section is the object at a key, made if it is not there.
func (c instanceConfig) section(key string) instanceConfig {
	object, ok := c[key].(map[string]any)
	if !ok {
		object = make(map[string]any)
		c[key] = object
	}
	return object
}

// copyInstance makes, in dir, the instance that gok builds: the one in the repository with the passwords and the
// options put in.
func copyInstance(dir string, o options, s *secrets) error {
	source := filepath.Join(o.root, "instance", "camkrazy")
	content, err := os.ReadFile(filepath.Join(source, "config.json"))
	if err != nil {
		return err
	}
	var c instanceConfig
	if err := json.Unmarshal(content, &c); err != nil {
		return fmt.Errorf("read config.json: %w", err)
	}
	if err := c.adapt(o, s); err != nil {
		return err
	}
	if content, err = json.MarshalIndent(c, "", "    "); err != nil {
		return err
	}
	builddir := filepath.Join(dir, "builddir")
	if err := os.MkdirAll(builddir, 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "config.json"), content, 0o600); err != nil {
		return err
	}
	return copyModules(builddir, filepath.Join(source, "builddir"), func(goMod string) string {
		return strings.Replace(goMod, relativeModule, absoluteModule(o.root), 1)
	})
}

// adapt puts secrets and options into the configuration, and makes its paths absolute.
func (c instanceConfig) adapt(o options, s *secrets) error {
	lines, err := bootLines(o.root)
	if err != nil {
		return err
	}
	c["BootloaderExtraLines"] = lines
	c.section("Update")["HTTPPassword"] = s.gokrazyPassword
	if o.update != "" {
		u := url.URL{Scheme: "http", User: url.UserPassword("gokrazy", s.gokrazyPassword), Host: withPort(o.update), Path: "/"}
		c.section("InternalCompatibilityFlags")["Update"] = u.String()
	}
	packages := c.section("PackageConfig")
	for name := range packages {
		files := packages.section(name).section("ExtraFilePaths")
		for dest, path := range files {
			files[dest] = filepath.Join(o.root, "instance", "camkrazy", path.(string))
		}
	}
	main := packages.section(daemon)
	main.section("ExtraFilePaths")["/etc/camkrazy/camera.yaml"] = s.cameraPath
	if _, err := os.Stat(s.keysPath); err == nil {
		shell := packages.section(breakglass)
		shell.section("ExtraFilePaths")["/etc/breakglass.authorized_keys"] = s.keysPath
		shell["CommandLineFlags"] = []any{"-authorized_keys=/etc/breakglass.authorized_keys"}
	}
	for name := range strings.SplitSeq(o.extra, ",") {
		if name == "" {
			continue
		}
		list, _ := c["Packages"].([]any)
		c["Packages"] = append(list, name)
		packages.section(name)["DontStart"] = true
	}
	if o.emulate {
		flags, _ := main["CommandLineFlags"].([]any)
		main["CommandLineFlags"] = append(flags, "--emulate")
	}
	return nil
}

// withPort adds gokrazy's port to a host that has none.
func withPort(host string) string {
	if _, _, err := net.SplitHostPort(host); err == nil {
		return host
	}
	return net.JoinHostPort(strings.Trim(host, "[]"), gokrazyPort)
}

// bootLines are the lines that overlay/config.txt adds to the boot partition's config.txt.
func bootLines(root string) ([]string, error) {
	content, err := os.ReadFile(filepath.Join(root, "overlay", "config.txt"))
	if err != nil {
		return nil, err
	}
	lines := strings.Split(string(content), "\n")
	return slices.DeleteFunc(lines, func(line string) bool {
		return strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#")
	}), nil
}

// relativeModule is how the instance's go.mod finds this repository.
const relativeModule = module + " => ../../../\n"

// absoluteModule is the same for a copy anywhere else.
func absoluteModule(root string) string {
	return module + " => " + modfile.AutoQuote(root) + "\n"
}

// copyModules copies go.mod, edited, and go.sum. It writes only what changes.
func copyModules(dest, source string, edit func(string) string) error {
	for _, name := range []string{"go.mod", "go.sum"} {
		content, err := os.ReadFile(filepath.Join(source, name))
		if err != nil {
			return err
		}
		if name == "go.mod" {
			content = []byte(edit(string(content)))
		}
		path := filepath.Join(dest, name)
		if old, err := os.ReadFile(path); err == nil && string(old) == string(content) {
			continue
		}
		if err := os.WriteFile(path, content, 0o644); err != nil {
			return err
		}
	}
	return nil
}
