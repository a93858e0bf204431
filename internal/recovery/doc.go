// Package recovery decides what is done when pictures stop: the least that may help first, and more only when that has
// not helped.
//
//	rung              what is made anew                          how often before the next rung
//	rebuild stream    encoder and scaler of one stream           2 times for each stream
//	rebuild pipeline  all components, on the same connection     2 times
//	reconnect         the connection to VideoCore, and all on it 3 times, and until the trouble is 20 s old
//	restart           the process, which its supervisor starts   3 times in a row
//	reboot            the board, if somebody can                 as often as a Budget allows
//
// A fault may say at which rung it has to begin, for what cannot help need not be tried, and where it has to end, for
// what it tells is not reason enough for more. When all has been well for a while (Over), the next fault begins at the
// bottom again; after half of that it does so a few times, for trouble that comes now and then is mended soonest so.
//
// Between two actions there is a pause that grows with the trouble: none before the second action, then an eighth of
// the time that the trouble has lasted, at least 1 s and at most 1 min. So the pictures are back soon after a cause has gone,
// and nothing ever loops without end faster than that.
//
// Nothing here knows a camera, a process or a clock: the Ladder is told of faults and of health, and gives Actions.
package recovery
