package main

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/camkrazy/camkrazy/internal/config"
)

const (
	hostname     = "camkrazy"
	gokrazyPort  = "8080"
	passwordFile = "gokrazy-password.txt"
	cameraFile   = "camera.yaml"
	keysFile     = "breakglass.authorized_keys"
)

// secrets are what makes one owner's appliances theirs. They are made once and then belong to the owner, who may edit
// them: later builds only read them.
type secrets struct {
	gokrazyPassword string        // of user gokrazy: status page and updates
	cameraPath      string        // the configuration for /etc/camkrazy/camera.yaml
	camera          config.Config // what is in it
	keysPath        string        // SSH keys of those who may use breakglass, if the owner has made that file
}

// loadSecrets reads the secrets in dir and makes up those that are missing; not for an update, which needs those that the
// board has.
func loadSecrets(dir string, update bool) (*secrets, error) {
	if update {
		for _, name := range []string{passwordFile, cameraFile} {
			if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
				return nil, fmt.Errorf("%w: an update needs the secrets that the board was made with: copy the folder from where that was done", err)
			}
		}
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	s := &secrets{cameraPath: filepath.Join(dir, cameraFile), keysPath: filepath.Join(dir, keysFile)}
	var err error
	s.gokrazyPassword, err = loadPassword(filepath.Join(dir, passwordFile))
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(s.cameraPath); errors.Is(err, fs.ErrNotExist) {
		content, err := cameraWithUser("viewer", newPassword())
		if err != nil {
			return nil, err
		}
		if err := writeSecret(s.cameraPath, content); err != nil {
			return nil, err
		}
	}
	// gok copies the mode into the image.
	if err := os.Chmod(s.cameraPath, 0o600); err != nil {
		return nil, err
	}
	if s.camera, err = config.Load(s.cameraPath); err != nil {
		return nil, err
	}
	return s, s.checkKeys()
}

// checkKeys finds out now whether the file of SSH keys, if there is one, has any, and not in the emergency.
func (s *secrets) checkKeys() error {
	content, err := os.ReadFile(s.keysPath)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if _, _, _, _, err := ssh.ParseAuthorizedKey(content); err != nil {
		return fmt.Errorf("%s: no SSH public key in it: it needs lines as in ~/.ssh/id_ed25519.pub, or remove it", s.keysPath)
	}
	return nil
}

// loadPassword reads the password for gokrazy, or takes over the one that gok knows for this host name, or makes one.
func loadPassword(path string) (string, error) {
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		password := newPassword()
		if shared, err := gokPasswordFile(); err == nil {
			if known, err := os.ReadFile(shared); err == nil {
				password = cmp.Or(strings.TrimSpace(string(known)), password)
			}
		}
		content = []byte(password)
		err = writeSecret(path, content)
	}
	if err != nil {
		return "", err
	}
	password := strings.TrimSpace(string(content))
	if password == "" {
		return "", fmt.Errorf("%s is empty: write a password into it, or remove it to get a new one", path)
	}
	return password, nil
}

// newPassword is 100 random bits, easy to type on a phone.
func newPassword() string {
	return strings.ToLower(rand.Text()[:20])
}

// writeSecret makes a file that nobody else on this machine may read. It never overwrites one.
func writeSecret(path string, content []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Close())
}

// cameraWithUser is the reference configuration with one user who may watch.
func cameraWithUser(name, password string) ([]byte, error) {
	const nobody = "\nusers: []\n"
	if n := bytes.Count(config.Reference(), []byte(nobody)); n != 1 {
		return nil, fmt.Errorf("the reference configuration has %d lines %q, want one", n, strings.TrimSpace(nobody))
	}
	users := fmt.Sprintf("\nusers: [{name: %q, password: %q}]\n", name, password)
	return bytes.Replace(config.Reference(), []byte(nobody), []byte(users), 1), nil
}

// gokPasswordFile is where gok looks for the password if the instance does not have it.
func gokPasswordFile() (string, error) {
	dir, err := os.UserConfigDir()
	return filepath.Join(dir, "gokrazy", "hosts", hostname, "http-password.txt"), err
}

// shareWithGok lets a plain `gok --parent_dir instance -i camkrazy` use the password too. If it cannot, the image is as
// good without.
func shareWithGok(w io.Writer, s *secrets) {
	path, err := gokPasswordFile()
	if err == nil {
		var known []byte
		if known, err = os.ReadFile(path); err == nil {
			if strings.TrimSpace(string(known)) != s.gokrazyPassword {
				fmt.Fprintf(w, "note: %s has another password; gok used by hand takes that one\n", path)
			}
			return
		}
		if err = os.MkdirAll(filepath.Dir(path), 0o700); err == nil {
			err = writeSecret(path, []byte(s.gokrazyPassword))
		}
	}
	if err != nil {
		fmt.Fprintf(w, "note: gok used by hand does not know the password: %v\n", err)
	}
}

// print tells the owner where everything is, with the passwords.
func (s *secrets) print(w io.Writer) {
	link := func(scheme, port, path string, user *url.Userinfo) string {
		u := url.URL{Scheme: scheme, User: user, Host: hostname + ".local" + port, Path: path}
		return u.String()
	}
	var viewer *url.Userinfo
	if users := s.camera.Users; len(users) > 0 {
		viewer = url.UserPassword(users[0].Name, users[0].Password)
	}
	fmt.Fprintln(w)
	for _, stream := range s.camera.Streams {
		if s.camera.RTSP.Addr == "" {
			break
		}
		fmt.Fprintf(w, "%-10s%s\n", "stream", link("rtsp", portOf(s.camera.RTSP.Addr), "/"+stream.Name, viewer))
	}
	if s.camera.HTTP.Addr != "" {
		fmt.Fprintf(w, "%-10s%s\n", "page", link("http", portOf(s.camera.HTTP.Addr), "/", viewer))
		fmt.Fprintf(w, "%-10s%s\n", "snapshot", link("http", portOf(s.camera.HTTP.Addr), "/camera.jpg", viewer))
	}
	fmt.Fprintf(w, "%-10s%s\n", "gokrazy", link("http", ":"+gokrazyPort, "/", url.UserPassword("gokrazy", s.gokrazyPassword)))
	fmt.Fprintf(w, "\nThe passwords are in %s; keep it: only they can update the appliance.\n", filepath.Dir(s.cameraPath))
	if viewer == nil {
		fmt.Fprintf(w, "WARNING: users: is empty in %s: anyone on the network may watch.\n", s.cameraPath)
	}
}

// portOf is the part of a URL that names the port of a listening address; port 80 needs none.
func portOf(addr string) string {
	_, port, found := strings.Cut(addr, "]:")
	if !found {
		port = addr[strings.LastIndexByte(addr, ':')+1:]
	}
	if port == "80" {
		return ""
	}
	return ":" + port
}
