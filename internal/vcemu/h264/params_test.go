package h264

import (
	"image"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	mch264 "github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
)

func TestSPSIsWhatWasAskedFor(t *testing.T) {
	tests := []struct {
		name             string
		cfg              Config
		profile          uint8
		set0, set1       bool
		fps              float64
		reorder          uint32
		wantWidth, wantH int
	}{
		{
			name:    "baseline of whole macroblocks",
			cfg:     Config{Width: 640, Height: 480, FrameRateNum: 5, FrameRateDen: 1, TimingInfo: true, Level: 30},
			profile: 66, set0: true, fps: 5,
		},
		{
			name: "constrained baseline",
			cfg: Config{
				Width: 1280, Height: 720, FrameRateNum: 15, FrameRateDen: 1, TimingInfo: true, Level: 31,
				Profile: ConstrainedBaseline,
			},
			profile: 66, set0: true, set1: true, fps: 15,
		},
		{
			name: "main, cropped below",
			cfg: Config{
				Width: 320, Height: 180, FrameRateNum: 30000, FrameRateDen: 1001, TimingInfo: true, Level: 32,
				Profile: Main,
			},
			profile: 77, set1: true, fps: 30000.0 / 1001,
		},
		{
			name: "high, cropped both ways, without timing",
			cfg: Config{
				Width: 642, Height: 482, FrameRateNum: 30, FrameRateDen: 1, Level: 42, Profile: High,
			},
			profile: 100,
		},
		{
			name:    "smallest",
			cfg:     Config{Width: 16, Height: 16, FrameRateNum: 1, FrameRateDen: 2, TimingInfo: true, Level: 41},
			profile: 66, set0: true, fps: 0.5,
		},
		{
			name: "full HD",
			cfg: Config{
				Width: 1920, Height: 1080, FrameRateNum: 30, FrameRateDen: 1, TimingInfo: true, Level: 40,
				Profile: High,
			},
			profile: 100, fps: 30,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e, err := New(tt.cfg)
			if err != nil {
				t.Fatal(err)
			}
			nal, ok := strings.CutPrefix(string(e.SPS()), "\x00\x00\x00\x01")
			if !ok {
				t.Fatalf("SPS % x has no start code", e.SPS())
			}
			var sps mch264.SPS
			if err := sps.Unmarshal([]byte(nal)); err != nil {
				t.Fatal(err)
			}
			if sps.Width() != tt.cfg.Width || sps.Height() != tt.cfg.Height {
				t.Errorf("size %dx%d, want %dx%d", sps.Width(), sps.Height(), tt.cfg.Width, tt.cfg.Height)
			}
			if math.Abs(sps.FPS()-tt.fps) > 1e-9 {
				t.Errorf("FPS %v, want %v", sps.FPS(), tt.fps)
			}
			if sps.ProfileIdc != tt.profile || int(sps.LevelIdc) != tt.cfg.Level {
				t.Errorf("profile %d level %d, want %d %d", sps.ProfileIdc, sps.LevelIdc, tt.profile, tt.cfg.Level)
			}
			if sps.ConstraintSet0Flag != tt.set0 || sps.ConstraintSet1Flag != tt.set1 {
				t.Errorf("constraint_set0 %v set1 %v, want %v %v",
					sps.ConstraintSet0Flag, sps.ConstraintSet1Flag, tt.set0, tt.set1)
			}
			if sps.PicOrderCntType != 2 || sps.MaxNumRefFrames != 1 {
				t.Errorf("pic_order_cnt_type %d, max_num_ref_frames %d, want 2, 1",
					sps.PicOrderCntType, sps.MaxNumRefFrames)
			}
			restriction := sps.VUI.BitstreamRestriction
			if restriction == nil || restriction.MaxNumReorderFrames != 0 || restriction.MaxDecFrameBuffering != 1 {
				t.Errorf("bitstream_restriction %+v, want no reordering and one buffer", restriction)
			}
			if timing := sps.VUI.TimingInfo; (timing != nil) != tt.cfg.TimingInfo {
				t.Errorf("timing_info %+v, want present: %v", timing, tt.cfg.TimingInfo)
			} else if timing != nil && !timing.FixedFrameRateFlag {
				t.Error("fixed_frame_rate_flag is not set")
			}
		})
	}
}

func TestNewNamesTheBadField(t *testing.T) {
	good := Config{Width: 640, Height: 480, FrameRateNum: 30, FrameRateDen: 1}
	if _, err := New(good); err != nil {
		t.Fatalf("New(%+v): %v", good, err)
	}
	tests := []struct {
		want string
		edit func(c *Config)
	}{
		{"Width 14 is not in 16..1920", func(c *Config) { c.Width = 14 }},
		{"Width 1922 is not in 16..1920", func(c *Config) { c.Width = 1922 }},
		{"Width 641 is odd", func(c *Config) { c.Width = 641 }},
		{"Height 0 is not in 16..1920", func(c *Config) { c.Height = 0 }},
		{"Height 479 is odd", func(c *Config) { c.Height = 479 }},
		{"FrameRateNum 0", func(c *Config) { c.FrameRateNum = 0 }},
		{"FrameRateDen -1", func(c *Config) { c.FrameRateDen = -1 }},
		{"FrameRateNum/FrameRateDen 241/1 is above 240", func(c *Config) { c.FrameRateNum = 241 }},
		{"Bitrate -1 is not in 0..62500000", func(c *Config) { c.Bitrate = -1 }},
		{"InitialQP 52 is not in 0..51", func(c *Config) { c.InitialQP = 52 }},
		{"MinQP 52 is not in 1..51", func(c *Config) { c.MinQP = 52 }},
		{"MaxQP 52 is not in 10..51", func(c *Config) { c.MaxQP = 52 }},
		{"MaxQP -1 is not in 1..51", func(c *Config) { c.MaxQP = -1 }},
		{"MaxQP 20 is not in 30..51", func(c *Config) { c.MinQP, c.MaxQP = 30, 20 }},
		{"Profile profile(88)", func(c *Config) { c.Profile = 88 }},
		{"Level 43 is not", func(c *Config) { c.Level = 43 }},
		{"IntraPeriod -1", func(c *Config) { c.IntraPeriod = -1 }},
	}
	for _, tt := range tests {
		c := good
		tt.edit(&c)
		if _, err := New(c); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("New(%+v): error %v, want one with %q", c, err, tt.want)
		}
	}
}

// TestMaxQPBelowDefaultMinQP gives only a small MaxQP: MinQP's default gives way.
func TestMaxQPBelowDefaultMinQP(t *testing.T) {
	tests := []struct{ minQP, maxQP, want int }{
		{0, 0, defaultMinQP}, {0, 40, defaultMinQP}, {0, defaultMinQP, defaultMinQP}, {0, 8, 8}, {0, 1, 1}, {3, 8, 3},
	}
	for _, tt := range tests {
		c := Config{Width: 64, Height: 48, FrameRateNum: 30, FrameRateDen: 1, Bitrate: 100_000, MinQP: tt.minQP, MaxQP: tt.maxQP}
		got, err := c.validated()
		if err != nil || got.MinQP != tt.want {
			t.Errorf("MinQP %d, MaxQP %d: %d, %v; want %d", tt.minQP, tt.maxQP, got.MinQP, err, tt.want)
		}
		e, err := New(c)
		if err != nil {
			t.Fatal(err)
		}
		if _, p := e.Encode(nil, noise(rand.New(rand.NewPCG(1, 2)), c.Width, c.Height), 0); p.QP > got.MaxQP {
			t.Errorf("MinQP %d, MaxQP %d: coded with %d", tt.minQP, tt.maxQP, p.QP)
		}
	}
}

// TestRecoveryPoint compares with the bytes that the standard's tables give, and holds that only IDR pictures have one.
func TestRecoveryPoint(t *testing.T) {
	const want = "\x00\x00\x00\x01\x06\x06\x01\xc4\x80" // recovery_frame_cnt 0, exact match
	e, err := New(Config{Width: 32, Height: 32, FrameRateNum: 30, FrameRateDen: 1, InitialQP: 30, IntraPeriod: 2, SEI: true})
	if err != nil {
		t.Fatal(err)
	}
	picture := image.NewYCbCr(image.Rect(0, 0, 32, 32), image.YCbCrSubsampleRatio420)
	for i := range 4 {
		data, p := e.Encode(nil, picture, int64(i)*33_333)
		if got := strings.HasPrefix(string(data), want); got != p.IDR || strings.Count(string(data), want) > 1 {
			t.Errorf("picture %d (IDR: %v) begins with % x", i, p.IDR, data[:min(len(data), len(want))])
		}
	}
}
