package exif

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"image"
	"image/jpeg"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// taken is a moment with a zone and a fraction.
func taken() time.Time {
	return time.Date(2026, 11, 25, 7, 8, 9, 45_600_000, time.FixedZone("", -(3*3600+30*60)))
}

func picture(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, image.NewYCbCr(image.Rect(0, 0, 32, 16), image.YCbCrSubsampleRatio420), nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// with puts segments behind the SOI of a file.
func with(file []byte, segments ...string) []byte {
	out := append([]byte(nil), file[:2]...)
	for _, s := range segments {
		out = append(out, 0xff, s[0])
		out = binary.BigEndian.AppendUint16(out, uint16(len(s)+1))
		out = append(out, s[1:]...)
	}
	return append(out, file[2:]...)
}

func TestGolden(t *testing.T) {
	got := appendTIFF(nil, Info{Taken: taken(), Make: "M", Width: 32, Height: 16})
	const want = "II*\x00\x08\x00\x00\x00" +
		"\x08\x00" +
		"\x0f\x01\x02\x00\x02\x00\x00\x00M\x00\x00\x00" + // Make
		"\x12\x01\x03\x00\x01\x00\x00\x00\x01\x00\x00\x00" + // Orientation
		"\x1a\x01\x05\x00\x01\x00\x00\x00\x6e\x00\x00\x00" + // XResolution at 110
		"\x1b\x01\x05\x00\x01\x00\x00\x00\x76\x00\x00\x00" + // YResolution
		"\x28\x01\x03\x00\x01\x00\x00\x00\x02\x00\x00\x00" + // ResolutionUnit
		"\x32\x01\x02\x00\x14\x00\x00\x00\x7e\x00\x00\x00" + // DateTime
		"\x13\x02\x03\x00\x01\x00\x00\x00\x01\x00\x00\x00" + // YCbCrPositioning
		"\x69\x87\x04\x00\x01\x00\x00\x00\x92\x00\x00\x00" + // the Exif directory, at 146
		"\x00\x00\x00\x00" +
		"\x48\x00\x00\x00\x01\x00\x00\x00" + "\x48\x00\x00\x00\x01\x00\x00\x00" + "2026:11:25 07:08:09\x00" +
		"\x0e\x00" +
		"\x00\x90\x07\x00\x04\x00\x00\x000232"
	if !bytes.HasPrefix(got, []byte(want)) {
		t.Errorf("got\n% x, want\n% x", got[:min(len(got), len(want))], want)
	}
}

// TestAdd holds that the picture stays what it was, and where the segment goes.
func TestAdd(t *testing.T) {
	const jfif, exif, xmp = "\xe0JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00", "\xe1Exif\x00\x00old", "\xe1http://ns.adobe.com/xap/1.0/\x00"
	plain := picture(t)
	info := Info{Taken: taken(), Width: 32, Height: 16}
	ours := "\xe1" + string(appendTIFF([]byte(magic), info))
	tests := []struct {
		name     string
		in, want []byte
	}{
		{"bare", plain, with(plain, ours)},
		{"JFIF", with(plain, jfif), with(plain, jfif, ours)},
		{"the firmware's own Exif", with(plain, jfif, exif), with(plain, jfif, ours)},
		{"Exif first", with(plain, exif, jfif), with(plain, ours, jfif)},
		{"other APP1", with(plain, xmp), with(plain, ours, xmp)},
	}
	for _, tt := range tests {
		got, err := Add(tt.in, info)
		if err != nil || !bytes.Equal(got, tt.want) {
			t.Errorf("%s: got % x (%v), want % x", tt.name, got[:min(40, len(got))], err, tt.want[:40])
		}
		if _, err := jpeg.Decode(bytes.NewReader(got)); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	for n := range bytes.Index(plain, []byte{0xff, markerSOS}) + 3 {
		if _, err := Add(plain[:n], info); !errors.Is(err, ErrNotJPEG) {
			t.Fatalf("%d bytes: got %v, want ErrNotJPEG", n, err)
		}
	}
}

// TestByExiftool asks a program that is not ours.
func TestByExiftool(t *testing.T) {
	if _, err := exec.LookPath("exiftool"); err != nil {
		t.Skip("exiftool is not installed (Debian: libimage-exiftool-perl)")
	}
	info := Info{Taken: taken(), Make: "Raspberry Pi", Model: "Camera Module V2 (imx219)", Software: "camkrazy", Width: 32, Height: 16}
	file, err := Add(picture(t), info)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "a.jpg")
	if err := os.WriteFile(path, file, 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("exiftool", "-json", "-validate", "-warning", "-a", "-G1", path).Output()
	if err != nil {
		t.Fatalf("exiftool: %v: %s", err, out)
	}
	checked := readTags(t, out)
	if out, err = exec.Command("exiftool", "-json", "-G1", path).Output(); err != nil {
		t.Fatalf("exiftool: %v: %s", err, out)
	}
	tags := readTags(t, out)
	for tag, want := range map[string]any{
		"IFD0:Make": "Raspberry Pi", "IFD0:Model": "Camera Module V2 (imx219)", "IFD0:Software": "camkrazy",
		"IFD0:Orientation": "Horizontal (normal)", "IFD0:ModifyDate": "2026:11:25 07:08:09",
		"ExifIFD:DateTimeOriginal": "2026:11:25 07:08:09", "ExifIFD:OffsetTimeOriginal": "-03:30",
		"ExifIFD:SubSecTimeOriginal": "045", "ExifIFD:ExifImageWidth": 32., "ExifIFD:ExifImageHeight": 16.,
		"Composite:SubSecDateTimeOriginal": "2026:11:25 07:08:09.045-03:30",
	} {
		if got := tags[tag]; got != want {
			t.Errorf("%s is %v, want %v", tag, got, want)
		}
	}
	if got := checked["ExifTool:Validate"]; got != "OK" {
		t.Errorf("exiftool finds the file %v: %v", got, checked)
	}
}

func readTags(t *testing.T, out []byte) map[string]any {
	t.Helper()
	var list []map[string]any
	if err := json.Unmarshal(out, &list); err != nil || len(list) != 1 {
		t.Fatalf("exiftool said %s (%v)", out, err)
	}
	return list[0]
}

func FuzzAdd(f *testing.F) {
	f.Add(picture(f))
	f.Add(with(picture(f), "\xe1Exif\x00\x00old"))
	f.Fuzz(func(t *testing.T, file []byte) {
		out, err := Add(file, Info{Taken: taken()})
		if err != nil {
			return
		}
		again, err := Add(out, Info{Taken: taken()})
		if err != nil || !bytes.Equal(again, out) {
			t.Errorf("a second time it becomes something else (%v)", err)
		}
	})
}
