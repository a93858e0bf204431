package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// runGok builds the instance and brings it where the options say.
func runGok(ctx context.Context, o options, s *secrets, stdout io.Writer) error {
	parent, err := os.MkdirTemp("", "camkrazy-instance-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(parent)
	dir := filepath.Join(parent, hostname)
	if err := copyInstance(dir, o, s); err != nil {
		return err
	}
	temp := filepath.Join(parent, "tmp") // so that what gok leaves behind when it is stopped goes too
	if err := os.Mkdir(temp, 0o700); err != nil {
		return err
	}
	args := append([]string{"tool", "-modfile=tools.mod", "gok", "--parent_dir", parent, "-i", hostname}, gokArgs(o)...)
	fmt.Fprintf(stdout, "go %s\n", strings.Join(args, " "))
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = o.root
	cmd.Env = append(os.Environ(), "TMPDIR="+temp)
	var said bytes.Buffer
	var out io.Writer = &said
	if o.update != "" {
		out = stdout
	}
	out = redacted{out, []byte(s.gokrazyPassword)}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Run(); err != nil {
		if o.update != "" {
			err = fmt.Errorf("%w: until an update has gone through, leave the power of %s on", err, o.update)
		}
		return fmt.Errorf("%s\n%s: %w", said.String(), strings.Join(cmd.Args, " "), err)
	}
	// gok adds what was missing, as it would have in the instance itself.
	return copyModules(filepath.Join(o.root, "instance", "camkrazy", "builddir"), filepath.Join(dir, "builddir"), func(goMod string) string {
		return strings.Replace(goMod, absoluteModule(o.root), relativeModule, 1)
	})
}

// redacted leaves the password out of what gok says. gok writes whole lines.
type redacted struct {
	to       io.Writer
	password []byte
}

// Write implements io.Writer.
func (r redacted) Write(p []byte) (int, error) {
	_, err := r.to.Write(bytes.ReplaceAll(p, r.password, []byte("…")))
	return len(p), err
}

// gokArgs is what gok has to do.
func gokArgs(o options) []string {
	if o.update != "" {
		return []string{"update"}
	}
	args := []string{"overwrite", "--full=" + o.out}
	if !isDevice(o.out) {
		args = append(args, "--target_storage_bytes="+strconv.FormatInt(o.size, 10))
	}
	return args
}

// greetDevice finds out, before a minute is spent on building, whether the device will take an update.
func greetDevice(ctx context.Context, host string, s *secrets) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	u := url.URL{Scheme: "http", Host: withPort(host), Path: "/"}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return err
	}
	req.SetBasicAuth("gokrazy", s.gokrazyPassword)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("find the device: %w", err)
	}
	resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK:
		return nil
	case http.StatusUnauthorized:
		return fmt.Errorf("%s has another password than %s: it was made with other secrets", host, filepath.Join(filepath.Dir(s.cameraPath), passwordFile))
	default:
		return fmt.Errorf("%s answers %s: is it a gokrazy?", host, resp.Status)
	}
}
