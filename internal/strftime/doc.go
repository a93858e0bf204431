// Package strftime writes a time by a format of C's strftime, in English, as far as text in a picture needs it.
package strftime
