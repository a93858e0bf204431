package config

import (
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"unicode"
)

// users reads the list of those who may watch. No error here prints a value that may be a password, nor a key that
// may be one in the wrong place.
func (d *decoder) users(to *[]User) reader {
	return func(key string, n *node) {
		switch n.kind {
		case null:
			d.fail(n.line, key, "has no value; write [] to let anyone on the network watch, or - {name: viewer, password: …}")
			return
		case scalar, mapping:
			d.fail(n.line, key, "must be a list like [{name: viewer, password: …}], not %s", n.kind)
			return
		}
		var users []User
		first := make(map[string]int)
		for i, item := range n.items {
			at := fmt.Sprintf("%s[%d]", key, i)
			u, ok := d.user(at, item)
			if line, dup := first[u.Name]; ok && dup {
				d.failKey(at+".name", "%q is already the user of line %d; names must differ", u.Name, line)
			} else if ok {
				first[u.Name] = d.lines[at+".name"]
			}
			users = append(users, u)
		}
		*to = users
	}
}

func (d *decoder) user(key string, n *node) (u User, ok bool) {
	if n.kind != mapping {
		d.fail(n.line, key, "must be {name: …, password: …}, not %s", n.kind)
		return User{}, false
	}
	d.lines[key] = n.line
	before := len(d.errs)
	readers := table{"name": d.userName(&u.Name), "password": d.password(&u.Password)}
	for _, f := range d.uniqueFields(key, n) {
		read, known := readers[f.key]
		if !known {
			d.fail(f.line, key, "unknown key%s", slip(f.key))
			continue
		}
		read(join(key, f.key), f.value)
	}
	for _, name := range []string{"name", "password"} {
		if !d.written(join(key, name)) {
			d.fail(n.line, key, "has no %s; write {name: …, password: …}", name)
		}
	}
	return u, len(d.errs) == before
}

// slip shows an unknown key only if it is close to a known one, since another may be a misplaced password.
func slip(key string) string {
	if near := nearest(key, []string{"name", "password"}); near != "" {
		return fmt.Sprintf(" %q; did you mean %s?", key, near)
	}
	return "; known here: name, password"
}

func (d *decoder) userName(to *string) reader {
	return func(key string, n *node) {
		name, ok := d.parseText(key, n)
		switch {
		case !ok:
		case name == "":
			d.fail(n.line, key, "must not be empty")
		case strings.Contains(name, ":"):
			d.fail(n.line, key, "must not have a colon in it, which ends the name in an RTSP or HTTP login")
		case strings.Contains(name, `"`):
			d.fail(n.line, key, `must not have a " in it, which ends the name in a login by digest`)
		case strings.ContainsFunc(name, unicode.IsControl):
			d.fail(n.line, key, "must be one line of text")
		default:
			*to = name
		}
	}
}

func (d *decoder) password(to *string) reader {
	return func(key string, n *node) {
		password, ok := d.parseText(key, n)
		switch {
		case !ok:
		case password == "":
			d.fail(n.line, key, "must not be empty; remove the user, or all of them to let anyone watch")
		case strings.ContainsFunc(password, unicode.IsControl):
			d.fail(n.line, key, "must be one line of text")
		default:
			*to = password
		}
	}
}

func (d *decoder) listen(l *Listen) table {
	return table{
		"listen":     d.address(&l.Addr),
		"tls_listen": d.address(&l.TLSAddr),
	}
}

func (d *decoder) section(readers table) reader {
	return func(key string, n *node) { d.mapping(key, n, readers) }
}

func (d *decoder) rtsp(to *RTSP) reader {
	readers := d.listen(&to.Listen)
	readers["multicast"] = d.multicast(&to.Multicast)
	readers["max_readers"] = d.integer(&to.MaxReaders, 1, 1000)
	readers["basic_auth"] = d.boolean(&to.BasicAuth)
	return d.section(readers)
}

// multicast reads a group of IPv4: RTP is at an even port, RTCP at the next (RFC 3550 section 11).
func (d *decoder) multicast(to *string) reader {
	local := netip.MustParsePrefix("224.0.0.0/24") // which routers and switches keep for themselves
	return func(key string, n *node) {
		if !d.scalar(key, n, `"GROUP:PORT", as "239.255.77.1:5004", or "" for off`) {
			return
		}
		if n.text == "" {
			*to = ""
			return
		}
		group, err := netip.ParseAddrPort(n.text)
		switch {
		case err != nil:
			d.fail(n.line, key, `%s is not a group; write "GROUP:PORT", as "239.255.77.1:5004"`, show(n))
		case !group.Addr().Is4() || !group.Addr().IsMulticast() || local.Contains(group.Addr()):
			d.fail(n.line, key, "%s is not a group for private use; take one from 239.0.0.0 on", group.Addr())
		case group.Port() == 0 || group.Port()%2 != 0:
			d.fail(n.line, key, "port %d is odd or 0; RTP needs an even one, and RTCP the next", group.Port())
		default:
			*to = n.text
		}
	}
}

// checkMulticast refuses a group that is so near the end of the range that a later stream would have none.
func (d *decoder) checkMulticast(c Config) {
	const key = "rtsp.multicast"
	group, err := netip.ParseAddrPort(c.RTSP.Multicast)
	if err != nil || d.bad[key] {
		return
	}
	last := netip.AddrFrom4([4]byte{239, 255, 255, 255})
	for range len(c.Streams) - 1 {
		last = last.Prev()
	}
	if group.Addr().Compare(last) > 0 {
		d.failKey(key, "%s has no room for the groups of all %d streams, one after the other; take one up to %s", group.Addr(), len(c.Streams), last)
	}
}

func (d *decoder) tls(to *TLS) reader {
	return func(key string, n *node) {
		d.mapping(key, n, table{"certificate": d.path(&to.Certificate), "key": d.path(&to.Key)})
		if to.Key != "" && to.Certificate == "" && !d.bad[join(key, "certificate")] {
			d.failKey(join(key, "key"), "is the key of no certificate; set %s too", join(key, "certificate"))
		}
	}
}

// path reads the name of a file. A relative one would depend on where the program was started.
func (d *decoder) path(to *string) reader {
	return func(key string, n *node) {
		switch path, ok := d.parseText(key, n); {
		case !ok:
		case path != "" && !filepath.IsAbs(path):
			d.fail(n.line, key, "%s is not an absolute path, as /perm/camkrazy/tls.crt", show(n))
		case strings.ContainsFunc(path, unicode.IsControl):
			d.fail(n.line, key, "must be one line of text")
		default:
			*to = path
		}
	}
}

func (d *decoder) address(to *string) reader {
	hostname := regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$`)
	return func(key string, n *node) {
		if !d.scalar(key, n, `":PORT" or "HOST:PORT", or "" for off`) {
			return
		}
		if n.text == "" {
			*to = ""
			return
		}
		host, port, err := net.SplitHostPort(n.text)
		if err != nil {
			hint := ""
			if isDigits(n.text) {
				hint = fmt.Sprintf(`, as ":%s"`, shorten(n.text))
			}
			d.fail(n.line, key, `%s is not an address; write ":PORT" or "HOST:PORT"%s`, show(n), hint)
			return
		}
		if number, err := strconv.Atoi(port); err != nil || !isDecimal(port) || number < 1 || number > 65535 {
			d.fail(n.line, key, "port %q is out of range 1..65535", shorten(port))
			return
		}
		if _, err := netip.ParseAddr(host); err != nil && host != "" && !hostname.MatchString(host) {
			d.fail(n.line, key, "%q is neither an IP address nor a host name", shorten(host))
			return
		}
		*to = n.text
	}
}

// checkPorts refuses two servers at one port, which would otherwise fail only when the second one starts.
func (d *decoder) checkPorts(c Config) {
	used := make(map[string]string)
	for _, a := range []struct{ key, addr string }{
		{"rtsp.listen", c.RTSP.Addr},
		{"rtsp.tls_listen", c.RTSP.TLSAddr},
		{"http.listen", c.HTTP.Addr},
		{"http.tls_listen", c.HTTP.TLSAddr},
	} {
		if a.addr == "" || d.bad[a.key] {
			continue
		}
		port := a.addr[strings.LastIndexByte(a.addr, ':')+1:]
		if other, taken := used[port]; taken {
			key := a.key
			if !d.written(key) {
				key, other = other, key
			}
			d.failKey(key, "port %s is also that of %s; give them different ones", port, other)
			continue
		}
		used[port] = a.key
	}
}
