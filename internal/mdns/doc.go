// Package mdns lets a camera be found by name: it announces NAME.local and its services by multicast DNS (RFC 6762) and
// DNS service discovery (RFC 6763).
//
// The records are published by the dnssd library. This package adds what an appliance needs around it:
//
//   - A name of its own. Who has the name keeps it; who comes later gets NAME-2, NAME-3 and so on. The library would let
//     the host with the greater address take a name that is in use, and two hosts that start together can drive each
//     other through the numbers without end, for it compares IPv4 and IPv6 addresses apart. So the name is claimed here
//     first (RFC 6762 section 8), and nobody contradicts when the library probes for it.
//   - Networks that come late, go and change. The library joins the groups of the interfaces that it finds at its start.
//     Here the interfaces are looked at every second, and all begins anew when they have changed.
//   - The name in use, which is known only when the announcement was heard on the network.
package mdns
