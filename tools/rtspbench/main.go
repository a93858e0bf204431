// Binary rtspbench measures the RTSP server: camera and server in a process of their own, which gets coded pictures from
// an emulated VideoCore in this process that replays them, so that neither the cost of encoding nor that of emulating is
// in the figures, and readers in a third one. PEER=FILE measures that program instead, to which the same pictures are
// published.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "rtspbench:", err)
		os.Exit(1)
	}
}

// run is one of the processes: the first argument is its part, of which the first process has none.
func run(ctx context.Context, args []string) error {
	part := ""
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		part, args = args[0], args[1:]
	}
	switch part {
	case "serve":
		return serve(ctx)
	case "read":
		var l load
		if err := json.Unmarshal([]byte(args[0]), &l); err != nil {
			return err
		}
		return read(ctx, l)
	case "relay":
		return relay(ctx)
	}
	flags := flag.NewFlagSet("rtspbench", flag.ContinueOnError)
	readers := flags.String("readers", "1,10,50,100", "comma-separated numbers of readers")
	window := flags.Duration("window", 5*time.Second, "how long to measure each")
	if err := flags.Parse(args); err != nil {
		return err
	}
	var counts []int
	for text := range strings.SplitSeq(*readers, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return fmt.Errorf("readers %q: not a number from 1 on", text)
		}
		counts = append(counts, n)
	}
	return measure(ctx, counts, *window)
}
