package stock

import (
	"fmt"
	"strings"
)

// Class says what to do about an error.
type Class string

const (
	// Unsure: nobody knows whether the call was done, or the node could not serve it. The same call again is safe, also later.
	Unsure Class = "unsure"
	// Unavailable: the server takes no such call now, and has done nothing. Raise an alarm, and try later.
	Unavailable Class = "unavailable"
	// Bug of the caller, or of the configuration: never repeat it.
	Bug Class = "bug"
)

// Error is every error of a call. Code is the server's, empty where no answer came.
type Error struct {
	Class Class
	Code  string
	Err   error
}

func (e *Error) Error() string { return fmt.Sprintf("stock: %s: %v", e.Class, e.Err) }
func (e *Error) Unwrap() error { return e.Err }

// NoAnswer is the error of a time-out, or of a connection that broke. For adapters.
func NoAnswer(err error) *Error { return &Error{Class: Unsure, Err: err} }

// nested is an error reply within an array. Some clients take the code ERR off.
func nested(err error) *Error {
	text := err.Error()
	if text == strings.TrimLeft(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") {
		text = "ERR " + text
	}
	return Reply(text, err)
}

// Reply is the error that the server answered. For adapters.
func Reply(text string, err error) *Error {
	code, _, _ := strings.Cut(text, " ")
	class := Bug
	switch code {
	case "TRYAGAIN", "CLUSTERDOWN", "LOADING", "MASTERDOWN", "READONLY", "BUSY", "MOVED", "ASK":
		class = Unsure
	case "NOREPLICAS", "OOM", "MISCONF":
		class = Unavailable
	}
	return &Error{Class: class, Code: code, Err: err}
}
