// Package h264 is a small, fast H.264 (ITU-T Rec. H.264) encoder in portable Go: it plays the Broadcom encoder of the
// emulated VideoCore.
//
// It writes progressive 4:2:0 8-bit streams of IDR and P pictures with one slice and one reference picture, CAVLC,
// 4x4 transforms and no deblocking filter, which every profile allows. Speed comes from what it does not do: a
// macroblock whose source did not change since the previous picture and whose reconstruction is good is a skipped
// macroblock at no cost, and the sample arithmetic works on eight samples in a uint64 at a time.
//
// An Encoder keeps a private copy of the source (it must compare and pad it anyway, and only changed lines are
// copied), so a picture belongs to the caller again as soon as Encode has returned.
package h264
