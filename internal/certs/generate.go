package certs

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"net"
	"time"
)

var (
	// notBefore is as early as a board's clock can be: one without a battery starts in 1970.
	notBefore = time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC)

	// notAfter says that the certificate has no end (RFC 5280 section 4.1.2.5). Nobody is there to renew it, and no
	// clock to do it by.
	notAfter = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
)

// generate makes a self-signed certificate for host, host.local, localhost and the addresses, with a key on P-256, and
// returns both in PEM.
func generate(host string, addresses []net.IP) ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{ // without a serial number the library chooses one
		Subject:               pkix.Name{CommonName: host},
		NotBefore:             notBefore,
		NotAfter:              notAfter,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
		DNSNames:              []string{host, host + ".local", "localhost"},
		IPAddresses:           addresses,
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	for _, block := range []*pem.Block{{Type: "CERTIFICATE", Bytes: cert}, {Type: "PRIVATE KEY", Bytes: der}} {
		if err := pem.Encode(&out, block); err != nil {
			return nil, err
		}
	}
	return out.Bytes(), nil
}

// fingerprint is what viewers show of a certificate for a person to compare: the SHA-256 of its DER form.
func fingerprint(cert tls.Certificate) string {
	sum := sha256.Sum256(cert.Certificate[0])
	return hex.EncodeToString(sum[:])
}
