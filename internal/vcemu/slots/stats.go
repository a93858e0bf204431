package slots

// Stats counts what happened since New.
type Stats struct {
	Connections uint64 // how often the guest began: its boots
	Services    int    // open
	Opened      uint64 // services, in all
	Refused     uint64 // services that a client asked for and did not get
	Unanswered  uint64 // properties that are not known

	MessagesIn, MessagesOut  uint64 // of the slot protocol, padding and all
	SlotsReceived, SlotsSent uint64 // used up and given back
	SlotStalls, QuotaStalls  uint64 // how often a message had to wait for ARM

	ProtocolErrors uint64 // what the guest may not do
	BulkMismatches uint64 // bulk transfers whose two sides were of different size
}

// Stats returns the counts of now.
func (v *VideoCore) Stats() Stats {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.stats
}

// count adds one to what is counted there, and returns the sum.
func (v *VideoCore) count(what func(*Stats) *uint64) uint64 {
	v.mu.Lock()
	defer v.mu.Unlock()
	n := what(&v.stats)
	*n++
	return *n
}

// worthALine says whether to log the n-th case of something that a guest can cause as often as it likes: the first ones
// are logged, and then fewer and fewer.
func worthALine(n uint64) bool {
	const all = 32
	return n <= all || n&(n-1) == 0
}

// complain counts something that the guest may not do.
func (v *VideoCore) complain(what string, args ...any) {
	if n := v.count(func(s *Stats) *uint64 { return &s.ProtocolErrors }); worthALine(n) {
		v.log.Warn(what, append(args, "count", n)...)
	}
}
