// Binary meddler does to a board what nobody wants to happen: it stops a program, or takes all memory. The system test
// tells it over HTTP, on port 7000.
package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

func main() {
	m := &meddler{}
	http.HandleFunc("POST /signal", m.signal)
	http.HandleFunc("POST /take", m.take)
	server := &http.Server{Addr: ":7000", ReadHeaderTimeout: time.Minute}
	fmt.Println("meddler: ready")
	fmt.Println("meddler:", server.ListenAndServe())
	os.Exit(1)
}

type meddler struct{ taken [][]byte }

// signal sends the signal of that number to all processes of a program.
func (m *meddler) signal(w http.ResponseWriter, r *http.Request) {
	number, err := strconv.Atoi(r.FormValue("signal"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	links, _ := filepath.Glob("/proc/[0-9]*/exe") // the pattern is well formed
	n := 0
	for _, link := range links {
		exe, err := os.Readlink(link)
		if err != nil || filepath.Base(exe) != r.FormValue("program") {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(link)))
		if err == nil {
			err = syscall.Kill(pid, syscall.Signal(number))
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		n++
	}
	fmt.Fprintln(w, n)
}

// take takes so many megabytes of memory, and touches each page of it from time to time, so that it stays.
func (m *meddler) take(w http.ResponseWriter, r *http.Request) {
	n, err := strconv.Atoi(r.FormValue("megabytes"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	const chunk = 1 << 20
	for range n {
		b := make([]byte, chunk)
		for i := range b {
			b[i] = byte(i * 31)
		}
		m.taken = append(m.taken, b)
	}
	fmt.Fprintln(w, len(m.taken))
}
