package host

import (
	"fmt"
	"os"
	"strconv"
)

// Scores for SetOOMScore (proc(5), oom_score_adj): of whom the kernel takes the memory first when there is none left.
const (
	// NeverKill is for who watches over the others.
	NeverKill = -1000
	// KillLast is for the program that the board is there for.
	KillLast = -500
)

// SetOOMScore sets this process's. Lowering it takes root.
func SetOOMScore(score int) error {
	if err := os.WriteFile("/proc/self/oom_score_adj", []byte(strconv.Itoa(score)), 0o644); err != nil {
		return fmt.Errorf("set score for the lack of memory: %w", err)
	}
	return nil
}
