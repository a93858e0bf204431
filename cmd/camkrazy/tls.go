package main

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"

	"github.com/camkrazy/camkrazy/internal/certs"
	"github.com/camkrazy/camkrazy/internal/config"
)

// keptCertificate is the self-signed certificate, of an appliance that was not given another one.
const keptCertificate = "/perm/camkrazy/tls.pem"

// checkTLS says whether serverTLS will take the certificate that the configuration names. It makes none.
func checkTLS(cfg config.Config) error {
	if cfg.TLS == (config.TLS{}) {
		return nil
	}
	_, err := serverTLS(cfg, slog.New(slog.DiscardHandler))
	return err
}

// serverTLS is what all servers with TLS use; nil if there is none.
func serverTLS(cfg config.Config, log *slog.Logger) (*tls.Config, error) {
	if cfg.RTSP.TLSAddr == "" && cfg.HTTP.TLSAddr == "" {
		return nil, nil
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("find host name for certificate: %w", err)
	}
	addresses, err := certs.LocalAddresses()
	if err != nil {
		return nil, err
	}
	return certs.Load(certs.Config{
		Certificate: cfg.TLS.Certificate, Key: cfg.TLS.Key,
		Kept: keptCertificate, Host: host, Addresses: addresses, Logger: log,
	})
}
