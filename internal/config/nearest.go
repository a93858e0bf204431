package config

import "strings"

// nearest returns the candidate that word is probably a slip of, or "" if none is near.
func nearest(word string, candidates []string) string {
	if len(word) > 40 {
		return ""
	}
	word = strings.ToLower(strings.ReplaceAll(word, "-", "_"))
	for _, c := range candidates {
		if len(word) >= 4 && strings.HasPrefix(c, word) {
			return c
		}
	}
	best, bestDistance := "", max(1, len(word)/3)+1
	for _, c := range candidates {
		if distance := editDistance(word, c); distance < bestDistance {
			best, bestDistance = c, distance
		}
	}
	return best
}

// editDistance counts the bytes to insert, delete, replace or swap with their neighbour to make b of a (optimal
// string alignment).
func editDistance(a, b string) int {
	before, prev, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, prev, row = prev, row, before
		row[0] = i
		for j := 1; j <= len(b); j++ {
			replace := prev[j-1]
			if a[i-1] != b[j-1] {
				replace++
			}
			row[j] = min(prev[j]+1, row[j-1]+1, replace)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
	}
	return row[len(b)]
}
