package recovery

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"
)

// Step is a rung of the ladder.
type Step int

// The steps, each of which includes those below it.
const (
	None Step = iota
	RebuildStream
	RebuildPipeline
	Reconnect
	Restart
	Reboot
)

// String names the step.
func (s Step) String() string {
	names := [...]string{"none", "rebuild stream", "rebuild pipeline", "reconnect", "restart", "reboot"}
	if s < 0 || int(s) >= len(names) {
		return fmt.Sprintf("step(%d)", int(s))
	}
	return names[s]
}

// Fault is something that keeps pictures from coming.
type Fault struct {
	Stream string // whose it is; "" if it is not of one stream only
	Least  Step   // what is below cannot help; None is RebuildStream
	Most   Step   // what is above is not justified; None is Reboot
	Reason string
}

// Action is what to do now.
type Action struct {
	Step Step // never None, and never Reboot
	// Pause is how long to wait first.
	Pause time.Duration
}

const (
	// Over is how long all has to be well until trouble is over, and what was done about it has been of use.
	Over = 30 * time.Second
	// Settle is how long all has to be well until what comes is a relapse: freeRelapses times in a row it is mended as if it
	// were other trouble, from the bottom and without a pause. Trouble that comes back more often is climbed for.
	Settle       = 15 * time.Second
	freeRelapses = 4
	// leastPause and mostPause bound the pause between two actions.
	leastPause, mostPause = time.Second, time.Minute
	// pauseShare is what part of the trouble's age the pause is.
	pauseShare = 8
	// freeActions have no pause.
	freeActions = 2

	streamTries, pipelineTries, reconnectTries = 2, 2, 3
	// restartAge is how old trouble has to be until a restart is tried.
	restartAge = 20 * time.Second
	// restartTries restarts in a row are enough. Where nobody can reboot, or it is not time yet, restarts go on with
	// pauses that double from leastRestartPause to mostRestartPause.
	restartTries                        = 3
	leastRestartPause, mostRestartPause = 10 * time.Minute, time.Hour
	// crashTries are how often the process may die, in a time of crashAge, before it has come so far as to ask what to
	// do.
	crashTries = 5
	crashAge   = time.Minute
)

// Config is what a Ladder needs.
type Config struct {
	// Now is the time since the machine was started. It goes on over a restart of the process.
	Now func() time.Duration
	// CanReboot says that somebody watches Wanted.
	CanReboot bool
	// Record is what an earlier process, if any, has left.
	Record Record
	// Save keeps the record for the next process; nil keeps nothing. It is called while the Ladder is locked.
	Save func(Record)
}

// Ladder remembers what has been tried. Its methods may be called from any goroutine.
type Ladder struct {
	cfg Config

	mu       sync.Mutex // guards what follows
	record   Record
	begun    bool          // there is trouble
	since    time.Duration // when it began
	acted    int           // actions since then, or since the last relapse
	tries    map[try]int
	relapses int           // of the same trouble
	settled  bool          // all has been well for Settle since then
	well     bool          // all is well
	wellAt   time.Duration // since when
	wanted   string        // why the board has to be rebooted; "" if it does not
	last     string        // reason of the last fault
}

// try is what is counted: a step, of one stream or of all.
type try struct {
	step   Step
	stream string
}

// New makes a Ladder. A record that has not been closed is that of a process which died.
func New(cfg Config) *Ladder {
	l := &Ladder{cfg: cfg, record: cfg.Record.clone(), tries: make(map[try]int)}
	now, r := cfg.Now(), &l.record
	if r.Running && !r.Good {
		if r.Crashes == 0 {
			r.FirstCrash = now
		}
		r.Crashes++
	}
	r.Running, r.Good = true, false
	l.begun, l.since = len(r.Useless) > 0, now
	if cfg.CanReboot && r.Crashes >= crashTries && now-r.FirstCrash >= crashAge {
		l.wanted = fmt.Sprintf("the program has died %d times before all was well", r.Crashes)
	}
	l.save()
	return l
}

// Close says that the process ends in order.
func (l *Ladder) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.record.Running = false
	l.save()
}

// Decide says what to do about a fault. The action counts as done.
func (l *Ladder) Decide(f Fault) Action {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.cfg.Now()
	l.heal(now)
	switch {
	case !l.begun:
		l.begun, l.since, l.acted = true, now, 0
	case l.settled:
		l.relapse(now)
	}
	l.well, l.last = false, f.Reason
	step := l.climb(f, now)
	a := Action{Step: step, Pause: l.pause(now)}
	l.acted++
	l.tries[key(step, f.Stream)]++
	l.record.count(step, f.Stream, now)
	l.save()
	return a
}

// forget ends the trouble.
func (l *Ladder) forget() {
	l.begun, l.acted, l.relapses, l.settled, l.wanted = false, 0, 0, false, ""
	clear(l.tries)
	l.record.Useless = nil
}

// relapse begins again with trouble that was not over.
func (l *Ladder) relapse(now time.Duration) {
	l.acted, l.settled = 0, false
	if l.relapses++; l.relapses <= freeRelapses {
		l.since = now
		clear(l.tries)
	}
}

// heal draws the conclusions from how long all has been well, and says whether the trouble is over.
func (l *Ladder) heal(now time.Duration) bool {
	if !l.begun || !l.well {
		return false
	}
	l.settled = l.settled || now-l.wellAt >= Settle
	if now-l.wellAt < Over {
		return false
	}
	l.forget()
	return true
}

// cured is what a moment of health ends.
func (l *Ladder) cured() {
	l.wanted, l.record.Crashes = "", 0
}

func key(step Step, stream string) try {
	if step != RebuildStream {
		stream = ""
	}
	return try{step, stream}
}

// climb finds the lowest step that may still help.
func (l *Ladder) climb(f Fault, now time.Duration) Step {
	step, most := max(f.Least, RebuildStream), f.Most
	if f.Stream == "" {
		step = max(step, RebuildPipeline)
	}
	if most == None {
		most = Reboot
	}
	step = min(step, most)
	if step == RebuildStream && l.tries[key(step, f.Stream)] >= streamTries {
		step++
	}
	if step == RebuildPipeline && l.tries[key(step, "")] >= pipelineTries {
		step++
	}
	if step == Reconnect && l.tries[key(step, "")] >= reconnectTries && now-l.since >= restartAge {
		step++
	}
	step = min(step, most)
	if step < Restart {
		return step
	}
	return l.restart(step, f, now)
}

// restart decides between a restart, and a reboot, for which the process goes on trying until it comes.
func (l *Ladder) restart(step Step, f Fault, now time.Duration) Step {
	n := len(l.record.Useless)
	if l.cfg.CanReboot && f.allowsReboot() && (step == Reboot || n >= restartTries) {
		l.wanted = f.Reason
		return Reconnect
	}
	if n < restartTries || now-l.record.Useless[n-1] >= restartPause(n) {
		return Restart
	}
	return Reconnect
}

func (f Fault) allowsReboot() bool { return f.Most == None || f.Most == Reboot }

// restartPause is how long after so many restarts that did not help the next one may come.
func restartPause(n int) time.Duration {
	const doublings = 6
	return min(mostRestartPause, leastRestartPause<<min(max(n-restartTries, 0), doublings))
}

// pause is what passes before the action.
func (l *Ladder) pause(now time.Duration) time.Duration {
	if l.acted < freeActions {
		return 0
	}
	return min(max((now-l.since)/pauseShare, leastPause), mostPause)
}

// Healthy says that all is well at the moment. It is to be called again and again.
func (l *Ladder) Healthy() {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.cfg.Now()
	if !l.well {
		l.well, l.wellAt = true, now
		l.cured()
	}
	if !l.record.Good {
		l.record.Worked, l.record.Good = true, true
		l.save()
	}
	if l.heal(now) {
		l.save()
	}
	if !l.record.Steady && now-l.wellAt >= steady {
		l.record.Steady = true
		l.save()
	}
}

// Unwell says that not all is well, though there is nothing to be done about it.
func (l *Ladder) Unwell() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.well = false
}

// Wanted says why the board has to be rebooted; "" if it does not.
func (l *Ladder) Wanted() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.wanted
}

// Worked says whether there have been pictures since the board was started.
func (l *Ladder) Worked() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.record.Worked
}

// Record returns what has been done so far.
func (l *Ladder) Record() Record {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.record.clone()
}

func (l *Ladder) save() {
	if l.cfg.Save != nil {
		l.cfg.Save(l.record.clone())
	}
}

// Record is what outlives the process. What of it outlives a reboot, NextBoot says.
type Record struct {
	Streams    map[string]int `json:"streams"`   // streams rebuilt alone, by name
	Pipelines  int            `json:"pipelines"` // pipelines rebuilt
	Reconnects int            `json:"reconnects"`
	Restarts   int            `json:"restarts"` // that the Ladder decided
	Reboots    int            `json:"reboots"`

	// Useless are when, since the machine's start, the process was restarted without the trouble's ending.
	Useless []time.Duration `json:"useless"`
	// Crashes counts the processes in a row that died before they had all well.
	Crashes    int           `json:"crashes"`
	FirstCrash time.Duration `json:"first_crash"` // since the machine's start
	// Running says that the process has not ended in order, Good that it has had all well.
	Running bool `json:"running"`
	Good    bool `json:"good"`
	// Worked says that there were pictures since the machine was started, Steady that all was well for 10 minutes.
	Worked bool `json:"worked"`
	Steady bool `json:"steady"`
	// InARow are the last reboots, none of which made all well for 10 minutes.
	InARow int `json:"reboots_in_a_row"`
}

// steady is how long all has to be well for a reboot to count as a help.
const steady = 10 * time.Minute

// mostUseless is how many restarts are remembered.
const mostUseless = 16

func (r *Record) count(step Step, stream string, now time.Duration) {
	switch step {
	case RebuildStream:
		if r.Streams == nil {
			r.Streams = make(map[string]int)
		}
		r.Streams[stream]++
	case RebuildPipeline:
		r.Pipelines++
	case Reconnect:
		r.Reconnects++
	case Restart:
		r.Restarts++
		r.useless(now)
	}
}

func (r *Record) useless(now time.Duration) {
	r.Useless = append(r.Useless, now)
	r.Useless = r.Useless[max(0, len(r.Useless)-mostUseless):]
}

func (r Record) clone() Record {
	r.Streams = maps.Clone(r.Streams)
	r.Useless = slices.Clone(r.Useless)
	return r
}

// NextBoot is the record with which the board comes up after a reboot that is about to be made.
func (r Record) NextBoot() Record {
	r = r.clone()
	r.Reboots++
	if r.Steady {
		r.InARow = 0
	}
	r.InARow++
	r.Useless, r.Crashes, r.FirstCrash, r.Worked, r.Steady, r.Running, r.Good = nil, 0, 0, false, false, false, false
	return r
}

const (
	// firstRebootGap is how long after the machine's start the second reboot in a row may come; the gap doubles up to
	// MostRebootGap.
	firstRebootGap = 2 * time.Minute
	// MostRebootGap is also what holds where nobody remembers the reboots before.
	MostRebootGap = time.Hour
)

// RebootGap is how long the machine has to have run before the record's next reboot. The first is free.
func (r Record) RebootGap() time.Duration {
	n := r.InARow
	if r.Steady || n <= 0 {
		return 0
	}
	const doublings = 5
	return min(MostRebootGap, firstRebootGap<<min(n-1, doublings))
}
