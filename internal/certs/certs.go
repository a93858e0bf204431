// Package certs provides the certificate with which the servers prove who they are: the one that a person supplies, or
// a self-signed one that is made once and kept.
package certs

import (
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/google/renameio/v2"
)

// Config says where a certificate comes from.
type Config struct {
	// Certificate and Key are PEM files: the chain, the server's certificate first, and its private key, without a
	// passphrase. Key may be empty if the key is in Certificate too. Without both there is a self-signed certificate.
	Certificate, Key string

	// Kept is the file in which the self-signed certificate and its key are kept, so that viewers who have accepted it
	// once know it again. Its folder is made if the one above it is there. If it cannot be written, each start makes
	// another certificate.
	Kept string

	// Host is the host name and Addresses are the IP addresses to be named in a self-signed certificate.
	Host      string
	Addresses []net.IP

	// Logger is told of what a person may want to mend; nil discards.
	Logger *slog.Logger
}

// Load returns the configuration of a TLS server, version 1.2 or higher. The error is one line that names the key of
// camera.yaml that a person should look at.
func Load(cfg Config) (*tls.Config, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	cert, err := cfg.certificate()
	if err != nil {
		return nil, err
	}
	sum := fingerprint(cert)
	cfg.Logger.Info("certificate", "subject", cert.Leaf.Subject.CommonName, "until", cert.Leaf.NotAfter.Format(time.DateOnly), "sha256", sum)
	return &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}, nil
}

func (cfg Config) certificate() (tls.Certificate, error) {
	if cfg.Certificate == "" && cfg.Key == "" {
		return cfg.selfSigned()
	}
	cert, err := cfg.supplied()
	if err != nil {
		return cert, err
	}
	// An old certificate is served as well, for players that do not look. A board without a clock begins in the past,
	// so that one that seems to be over is over.
	if time.Now().After(cert.Leaf.NotAfter) {
		cfg.Logger.Warn("tls.certificate has expired, viewers will refuse it", "until", cert.Leaf.NotAfter.Format(time.DateOnly))
	}
	return cert, nil
}

// supplied reads the certificate that a person has put on the board.
func (cfg Config) supplied() (tls.Certificate, error) {
	keyName := "tls.key"
	keyFile := cfg.Key
	switch {
	case cfg.Certificate == "":
		return tls.Certificate{}, errors.New("tls.key: there is a key but no certificate; set tls.certificate too")
	case keyFile == "":
		keyName, keyFile = "tls.certificate", cfg.Certificate
	}
	chain, err := readPEM("tls.certificate", cfg.Certificate, "CERTIFICATE")
	if err != nil {
		return tls.Certificate{}, err
	}
	key, err := readPEM(keyName, keyFile, "PRIVATE KEY", "EC PRIVATE KEY", "RSA PRIVATE KEY")
	if err != nil {
		return tls.Certificate{}, err
	}
	cert, err := tls.X509KeyPair(chain, key)
	if err != nil {
		return cert, fmt.Errorf("tls.certificate: use %s with the key in %s: %w", cfg.Certificate, keyFile, err)
	}
	return cert, nil
}

// maxFile is more than any chain of certificates.
const maxFile = 256 << 10

// readPEM reads a file and looks whether it has a PEM block of one of the types, to say what is wrong better than the
// library does.
func readPEM(key, file string, types ...string) ([]byte, error) {
	info, err := os.Stat(file)
	if err == nil && (!info.Mode().IsRegular() || info.Size() > maxFile) {
		return nil, fmt.Errorf("%s: %s is not a PEM file", key, file)
	}
	var data []byte
	if err == nil {
		data, err = os.ReadFile(file)
	}
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		return nil, fmt.Errorf("%s: read %s: %w", key, file, pathErr.Err)
	} else if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	for rest := data; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return nil, fmt.Errorf("%s: %s has no PEM block %s", key, file, types[0])
		}
		if block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "" {
			return nil, fmt.Errorf("%s: the key in %s has a passphrase; remove it with openssl pkey", key, file)
		}
		if slices.Contains(types, block.Type) {
			return data, nil
		}
	}
}

// selfSigned returns the kept certificate, or makes one and keeps it.
func (cfg Config) selfSigned() (tls.Certificate, error) {
	if cfg.Kept != "" {
		cert, err := tls.LoadX509KeyPair(cfg.Kept, cfg.Kept)
		if err == nil {
			return cert, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			cfg.Logger.Warn("kept certificate cannot be used, another one is made", "file", cfg.Kept, "err", err)
		}
	}
	data, err := generate(cfg.Host, cfg.Addresses)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make certificate: %w", err)
	}
	if err := cfg.keep(data); err != nil {
		cfg.Logger.Warn("self-signed certificate is not kept: the next start makes another one, and viewers must accept it anew", "err", err)
	}
	return tls.X509KeyPair(data, data)
}

var errNoPlace = errors.New("there is no place for it")

// keep writes the certificate and its key. That is one file, so that there is never one without the other.
func (cfg Config) keep(data []byte) error {
	if cfg.Kept == "" {
		return errNoPlace
	}
	dir := filepath.Dir(cfg.Kept)
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("make folder for certificate: %w", err)
	}
	if err := renameio.WriteFile(cfg.Kept, data, 0o600, renameio.IgnoreUmask()); err != nil {
		return fmt.Errorf("keep certificate: %w", err)
	}
	return nil
}

// LocalAddresses are the addresses of this machine that others may use at the moment, and its loopback addresses.
func LocalAddresses() ([]net.IP, error) {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil, fmt.Errorf("list addresses of this machine: %w", err)
	}
	var ips []net.IP
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && (n.IP.IsGlobalUnicast() || n.IP.IsLoopback()) {
			ips = append(ips, n.IP)
		}
	}
	return ips, nil
}
