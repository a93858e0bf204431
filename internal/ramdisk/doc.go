// Package ramdisk keeps the newest pictures and the newest log lines as files, in bounded room.
//
// Its files are meant for a tmpfs: they give up the oldest to make room for the newest, they outlive the process but not
// the board's power, and none of it wears out the card. Neither part ever fails its caller: what cannot be written is
// counted and said once.
package ramdisk
