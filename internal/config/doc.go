// Package config turns camera.yaml into validated plain values, or into one line per mistake.
//
// The file is strict: an unknown or repeated key, a wrong type and a value out of range are errors, all of them are
// reported at once, and each names its line, its key and what would be right. Every key may be left out; then it has
// the value that [Default] gives it. YAML features that a configuration does not need and that can surprise (anchors,
// aliases, tags, merge keys, several documents, octal and other odd numbers, yes/no as booleans) are refused by name.
package config
