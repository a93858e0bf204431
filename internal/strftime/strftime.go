package strftime

import (
	"fmt"
	"strconv"
	"time"
)

// layouts are the conversions that package time has a layout for. %D is month/day/year, %R has no seconds.
var layouts = map[byte]string{
	'Y': "2006", 'm': "01", 'd': "02", 'H': "15", 'M': "04", 'S': "05", 'y': "06", 'j': "002", 'a': "Mon", 'A': "Monday",
	'b': "Jan", 'B': "January", 'p': "PM", 'I': "03", 'Z': "MST", 'z': "-0700", 'e': "_2", 'F': "2006-01-02",
	'T': "15:04:05", 'D': "01/02/06", 'R': "15:04",
}

// Check says what is wrong with a format: a conversion that this package does not have, or a % at its end.
func Check(format string) error {
	for i := 0; i < len(format); i++ {
		if format[i] != '%' {
			continue
		}
		i++
		if i == len(format) {
			return fmt.Errorf("ends with a lone %%; write %%%% for a percent sign")
		}
		if _, ok := layouts[format[i]]; !ok && format[i] != 's' && format[i] != '%' {
			return fmt.Errorf("has the unknown conversion %q; known are %%Y %%m %%d %%H %%M %%S %%y %%j %%a %%A %%b %%B %%p "+
				"%%I %%Z %%z %%e %%F %%T %%D %%R %%s %%%%", format[i-1:i+1])
		}
	}
	return nil
}

// Format writes t in its own location. What Check would refuse stays as it is.
func Format(format string, t time.Time) string {
	out := make([]byte, 0, len(format)+32)
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 == len(format) {
			out = append(out, format[i])
			continue
		}
		i++
		layout, ok := layouts[format[i]]
		switch {
		case ok:
			out = t.AppendFormat(out, layout)
		case format[i] == 's':
			out = strconv.AppendInt(out, t.Unix(), 10)
		case format[i] == '%':
			out = append(out, '%')
		default:
			out = append(out, format[i-1], format[i])
		}
	}
	return string(out)
}
