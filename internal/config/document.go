package config

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

const (
	// maxTokens bounds the work and the recursion of the YAML parser; the commented reference has about 250.
	maxTokens = 10_000

	// maxDepth is one more than the deepest place that has a meaning, the elements of zoom.
	maxDepth = 4
)

type kind int

const (
	null kind = iota
	scalar
	mapping
	sequence
)

func (k kind) String() string {
	switch k {
	case null:
		return "empty"
	case scalar:
		return "a single value"
	case mapping:
		return "a section of key: value"
	case sequence:
		return "a list"
	}
	return fmt.Sprintf("kind(%d)", int(k))
}

// node is a YAML value reduced to what a configuration needs. A nil node is a key that the file does not have.
type node struct {
	kind   kind
	line   int
	text   string // of a scalar, unescaped, else as written
	quoted bool   // the scalar is text even if it looks like a number
	fields []field
	items  []*node
}

type field struct {
	key   string
	line  int
	value *node
}

// parseDocument returns the only document of data, nil if it is empty.
func parseDocument(data []byte) (*node, Errors) {
	data = bytes.TrimPrefix(data, []byte("\uFEFF"))
	if err := checkText(data); err != nil {
		return nil, Errors{err}
	}
	tokens := lexer.Tokenize(string(data))
	if len(tokens) > maxTokens {
		return nil, Errors{{Problem: fmt.Sprintf("the file has more than %d YAML tokens, which no camera.yaml has", maxTokens)}}
	}
	if errs := refuseFeatures(tokens); errs != nil {
		return nil, errs
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return nil, Errors{syntaxError(err)}
	}
	var root *node
	var c converter
	for _, doc := range file.Docs {
		if doc.Body != nil {
			root = c.convert(doc.Body, 0)
		}
	}
	return root, c.errs
}

// checkText refuses what is not text indented with spaces, which a YAML parser would report less clearly or not at all.
func checkText(data []byte) *Error {
	line := 0
	for text := range bytes.Lines(data) {
		line++
		if !utf8.Valid(text) {
			return &Error{Line: line, Problem: "not valid UTF-8; save the file as UTF-8 text"}
		}
		if i := bytes.IndexFunc(text, isForeign); i >= 0 {
			return &Error{Line: line, Problem: fmt.Sprintf("control character %#02x; the file must be plain text", text[i])}
		}
		content := bytes.TrimSpace(text)
		if indent, _, _ := bytes.Cut(text, content); len(content) > 0 && bytes.ContainsRune(indent, '\t') {
			return &Error{Line: line, Problem: "a tab in the indentation; use spaces"}
		}
	}
	return nil
}

func isForeign(r rune) bool {
	return r < ' ' && !strings.ContainsRune("\t\r\n", r) || r == 0x7f
}

// refuseFeatures says for each use of a YAML feature that this file does not have what to do instead. The parser does
// not get to see any of them; it would even drop a document that follows an empty one.
func refuseFeatures(tokens token.Tokens) Errors {
	problems := map[token.Type]string{
		token.AnchorType:     "YAML anchors (&name) are not supported; write the value out, or put text that begins with & in quotes",
		token.AliasType:      "YAML aliases (*name) are not supported; write the value out, or put text that begins with * in quotes",
		token.MergeKeyType:   "YAML merge keys (<<) are not supported; write the keys out",
		token.TagType:        "YAML tags (!name) are not supported; leave it out, or put text that begins with ! in quotes",
		token.DirectiveType:  "YAML directives (%NAME) are not supported; remove the line",
		token.MappingKeyType: "YAML complex keys (? key) are not supported; write key: value",
	}
	var errs Errors
	begun, ended := false, false
	for _, tk := range tokens {
		if tk.Type == token.CommentType {
			continue
		}
		if ended || begun && tk.Type == token.DocumentHeaderType {
			return append(errs, &Error{Line: tk.Position.Line, Problem: "a second YAML document begins here; keep one, without ---"})
		}
		begun, ended = true, tk.Type == token.DocumentEndType
		if problem, refused := problems[tk.Type]; refused {
			errs = append(errs, &Error{Line: tk.Position.Line, Problem: problem})
		}
		if tk.Type == token.DirectiveType {
			return errs // its --- does not begin a second document
		}
	}
	return errs
}

// syntaxError reduces what the YAML parser reports to one line. The parser's own text would quote the source around
// the place, and with it maybe a password.
func syntaxError(err error) *Error {
	e := &Error{Problem: "not valid YAML"}
	located, ok := errors.AsType[interface {
		error
		GetMessage() string
		GetToken() *token.Token
	}](err)
	if !ok {
		return e
	}
	if tk := located.GetToken(); tk != nil && tk.Position != nil {
		e.Line = tk.Position.Line
	}
	fromSource := regexp.MustCompile(`(?s)"[^"].*"|'\w'`)
	e.Problem += ": " + fromSource.ReplaceAllString(located.GetMessage(), "…")
	return e
}

// converter makes nodes of the YAML parser's tree and collects what has no place in a configuration.
type converter struct {
	errs Errors
}

func (c *converter) fail(line int, problem string) {
	c.errs = append(c.errs, &Error{Line: line, Problem: problem})
}

func lineOf(n ast.Node) int {
	if tk := n.GetToken(); tk != nil && tk.Position != nil {
		return tk.Position.Line
	}
	return 0
}

func (c *converter) convert(from ast.Node, depth int) *node {
	n := &node{line: lineOf(from)}
	if depth > maxDepth {
		c.fail(n.line, "nested too deeply")
		return n
	}
	switch from := from.(type) {
	case *ast.MappingNode:
		n.kind = mapping
		for _, v := range from.Values {
			n.fields = c.appendField(n.fields, v, depth)
		}
	case *ast.SequenceNode:
		n.kind = sequence
		for _, v := range from.Values {
			n.items = append(n.items, c.convert(v, depth+1))
		}
	case *ast.LiteralNode:
		n.kind, n.text, n.quoted = scalar, from.Value.Value, true
	case *ast.NullNode:
		n.kind = null
	case *ast.StringNode, *ast.BoolNode, *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		tk := from.GetToken()
		n.kind, n.text = scalar, tk.Value
		n.quoted = tk.Type == token.SingleQuoteType || tk.Type == token.DoubleQuoteType
	default:
		c.fail(n.line, "must be a single value, a list or a section of key: value")
	}
	return n
}

func (c *converter) appendField(fields []field, v *ast.MappingValueNode, depth int) []field {
	f := field{line: lineOf(v.Key), value: c.convert(v.Value, depth+1)}
	if key, ok := v.Key.(ast.ScalarNode); ok {
		f.key = key.GetToken().Value
		return append(fields, f)
	}
	c.fail(f.line, "a key must be a single word")
	return fields
}
