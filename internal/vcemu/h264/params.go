package h264

import "fmt"

// Profile is a profile of H.264, Annex A.2.
type Profile int

// The profiles an Encoder can declare. The coding tools it uses are the same in all of them.
const (
	Baseline            Profile = 66
	ConstrainedBaseline Profile = 66 | 1<<8 // Baseline with constraint_set1_flag
	Main                Profile = 77
	High                Profile = 100
)

// String returns the name of Annex A.2.
func (p Profile) String() string {
	switch p {
	case Baseline:
		return "Baseline"
	case ConstrainedBaseline:
		return "Constrained Baseline"
	case Main:
		return "Main"
	case High:
		return "High"
	}
	return fmt.Sprintf("profile(%d)", int(p))
}

// Config says what an Encoder makes.
type Config struct {
	// Width and Height are the visible size in luma samples, even, 16..1920. What is missing to whole macroblocks is
	// coded and cropped away in the SPS.
	Width, Height int

	// FrameRateNum / FrameRateDen is the nominal frame rate in pictures per second: VUI timing and the rate control's
	// first guess. Both are positive, the quotient is at most 240.
	FrameRateNum, FrameRateDen int

	// Bitrate is the mean rate in bit/s, up to 62.5 Mbit/s; 0 codes with the constant quantiser InitialQP.
	Bitrate int

	// InitialQP is the quantiser of the first picture, MinQP and MaxQP bound the rate control; 1..51. Zero is a
	// default: rate control's own guess (constant quantiser: 26), 10 or a smaller MaxQP, 51.
	InitialQP, MinQP, MaxQP int

	// Profile must be one of the constants; zero is Baseline.
	Profile Profile

	// Level is level_idc: 30, 31, 32, 40, 41 or 42; zero is 40. It is declared, not enforced.
	Level int

	// IntraPeriod is the number of pictures from IDR to IDR; 0 makes only the first picture an IDR.
	IntraPeriod int

	// TimingInfo puts timing_info with fixed_frame_rate_flag into the VUI of the SPS.
	TimingInfo bool

	// SEI puts a recovery point message before each IDR picture.
	SEI bool
}

// Default quantisers, Config's zero values.
const (
	defaultQP    = 26
	defaultMinQP = 10
	defaultMaxQP = 51
)

const (
	maxSize    = 1920
	maxRate    = 240
	maxBitrate = 62_500_000
)

// validated returns the configuration with its defaults filled in.
func (c Config) validated() (Config, error) {
	if c.Profile == 0 {
		c.Profile = Baseline
	}
	if c.Level == 0 {
		c.Level = 40
	}
	if c.MaxQP == 0 {
		c.MaxQP = defaultMaxQP
	}
	if c.MinQP == 0 {
		c.MinQP = min(defaultMinQP, max(c.MaxQP, 1))
	}
	ranges := []struct {
		field           string
		value, min, max int
	}{
		{"Width", c.Width, 16, maxSize},
		{"Height", c.Height, 16, maxSize},
		{"FrameRateNum", c.FrameRateNum, 1, 1 << 30},
		{"FrameRateDen", c.FrameRateDen, 1, 1 << 30},
		{"Bitrate", c.Bitrate, 0, maxBitrate},
		{"InitialQP", c.InitialQP, 0, 51},
		{"MinQP", c.MinQP, 1, 51},
		{"MaxQP", c.MaxQP, c.MinQP, 51},
		{"IntraPeriod", c.IntraPeriod, 0, 1 << 30},
	}
	for _, r := range ranges {
		if r.value < r.min || r.value > r.max {
			return c, fmt.Errorf("h264: %s %d is not in %d..%d", r.field, r.value, r.min, r.max)
		}
	}
	return c, c.checkChoices()
}

// checkChoices checks what is more than a range.
func (c Config) checkChoices() error {
	switch {
	case c.Width%2 != 0:
		return fmt.Errorf("h264: Width %d is odd", c.Width)
	case c.Height%2 != 0:
		return fmt.Errorf("h264: Height %d is odd", c.Height)
	case c.FrameRateNum > maxRate*c.FrameRateDen:
		return fmt.Errorf("h264: FrameRateNum/FrameRateDen %d/%d is above %d",
			c.FrameRateNum, c.FrameRateDen, maxRate)
	}
	switch c.Profile {
	case Baseline, ConstrainedBaseline, Main, High:
	default:
		return fmt.Errorf("h264: Profile %v is not Baseline, ConstrainedBaseline, Main or High", c.Profile)
	}
	switch c.Level {
	case 30, 31, 32, 40, 41, 42:
	default:
		return fmt.Errorf("h264: Level %d is not 30, 31, 32, 40, 41 or 42", c.Level)
	}
	return nil
}

// NAL unit headers (7.3.1): nal_ref_idc 1, as VideoCore's encoder has it, and nal_unit_type.
const (
	nalSEI   = 0x06
	nalSPS   = 0x27
	nalPPS   = 0x28
	nalIDR   = 0x25
	nalSlice = 0x21
)

const log2MaxFrameNum = 8

// idc is profile_idc, and the byte of constraint flags that follows it.
func (p Profile) idc() (profile, constraints uint32) {
	switch p {
	case ConstrainedBaseline:
		return 66, 0xc0
	case Baseline:
		return 66, 0x80
	case Main:
		return 77, 0x40
	}
	return uint32(p), 0
}

// sequenceParameterSet builds the SPS (7.3.2.1.1) as an Annex B NAL unit.
func sequenceParameterSet(c Config) []byte {
	w := bitWriter{buf: make([]byte, 128)}
	profile, constraints := c.Profile.idc()
	w.put(profile, 8)
	w.put(constraints, 8)
	w.put(uint32(c.Level), 8)
	w.ue(0) // seq_parameter_set_id
	if c.Profile == High {
		w.ue(1)     // chroma_format_idc 4:2:0
		w.ue(0)     // bit_depth_luma_minus8
		w.ue(0)     // bit_depth_chroma_minus8
		w.put(0, 2) // qpprime_y_zero_transform_bypass_flag, seq_scaling_matrix_present_flag
	}
	w.ue(log2MaxFrameNum - 4)
	w.ue(2)     // pic_order_cnt_type: output order is decoding order
	w.ue(1)     // max_num_ref_frames
	w.put(0, 1) // gaps_in_frame_num_value_allowed_flag
	mbw, mbh := (c.Width+15)/16, (c.Height+15)/16
	w.ue(uint32(mbw - 1))
	w.ue(uint32(mbh - 1))
	w.put(1, 1) // frame_mbs_only_flag
	w.put(1, 1) // direct_8x8_inference_flag
	right, bottom := mbw*16-c.Width, mbh*16-c.Height
	w.flag(right > 0 || bottom > 0)
	if right > 0 || bottom > 0 {
		w.ue(0)
		w.ue(uint32(right / 2))
		w.ue(0)
		w.ue(uint32(bottom / 2))
	}
	w.put(1, 1) // vui_parameters_present_flag
	writeVUI(&w, c)
	return appendNAL(nil, nalSPS, w.trailing())
}

// writeVUI writes vui_parameters (E.1.1).
func writeVUI(w *bitWriter, c Config) {
	w.put(0, 4) // aspect_ratio, overscan, video_signal_type, chroma_loc_info: all absent
	w.flag(c.TimingInfo)
	if c.TimingInfo {
		w.put(uint32(c.FrameRateDen), 32)   // num_units_in_tick: a tick is a field (E.2.1)
		w.put(uint32(2*c.FrameRateNum), 32) // time_scale
		w.put(1, 1)                         // fixed_frame_rate_flag
	}
	w.put(0, 3) // NAL and VCL HRD parameters, pic_struct_present_flag
	w.put(1, 1) // bitstream_restriction_flag
	w.put(1, 1) // motion_vectors_over_pic_boundaries_flag
	w.ue(0)     // max_bytes_per_pic_denom: no limit
	w.ue(0)     // max_bits_per_mb_denom: no limit
	w.ue(16)    // log2_max_mv_length_horizontal
	w.ue(16)    // log2_max_mv_length_vertical
	w.ue(0)     // max_num_reorder_frames
	w.ue(1)     // max_dec_frame_buffering
}

// pictureParameterSet builds the PPS (7.3.2.2) as an Annex B NAL unit.
func pictureParameterSet() []byte {
	w := bitWriter{buf: make([]byte, 64)}
	w.ue(0)     // pic_parameter_set_id
	w.ue(0)     // seq_parameter_set_id
	w.put(0, 1) // entropy_coding_mode_flag: CAVLC
	w.put(0, 1) // bottom_field_pic_order_in_frame_present_flag
	w.ue(0)     // num_slice_groups_minus1
	w.ue(0)     // num_ref_idx_l0_default_active_minus1
	w.ue(0)     // num_ref_idx_l1_default_active_minus1
	w.put(0, 3) // weighted_pred_flag, weighted_bipred_idc
	w.se(0)     // pic_init_qp_minus26
	w.se(0)     // pic_init_qs_minus26
	w.se(0)     // chroma_qp_index_offset
	w.put(1, 1) // deblocking_filter_control_present_flag
	w.put(0, 1) // constrained_intra_pred_flag
	w.put(0, 1) // redundant_pic_cnt_present_flag
	return appendNAL(nil, nalPPS, w.trailing())
}

// recoveryPoint builds the SEI message (7.3.2.3, D.1.8) that says that an IDR picture is one, as an Annex B NAL unit.
func recoveryPoint() []byte {
	payload := bitWriter{buf: make([]byte, 64)}
	payload.ue(0)     // recovery_frame_cnt
	payload.put(1, 1) // exact_match_flag
	payload.put(0, 3) // broken_link_flag, changing_slice_group_idc
	bits := payload.trailing()
	w := bitWriter{buf: make([]byte, 64)}
	w.put(6, 8) // payloadType
	w.put(uint32(len(bits)), 8)
	for _, b := range bits {
		w.put(uint32(b), 8)
	}
	return appendNAL(nil, nalSEI, w.trailing())
}

// writeSliceHeader writes slice_header (7.3.3) of the picture's only slice.
func (e *Encoder) writeSliceHeader(idr bool, qp int) {
	w := &e.bw
	w.ue(0) // first_mb_in_slice
	if idr {
		w.ue(7) // slice_type I, as all slices of the picture
	} else {
		w.ue(5)
	}
	w.ue(0) // pic_parameter_set_id
	w.put(e.frameNum, log2MaxFrameNum)
	if idr {
		w.ue(e.idrID)
		w.put(0, 2) // no_output_of_prior_pics_flag, long_term_reference_flag
	} else {
		w.put(0, 3) // num_ref_idx_active_override, ref_pic_list_modification, adaptive_ref_pic_marking
	}
	w.se(int32(qp - 26))
	w.ue(1) // disable_deblocking_filter_idc
}
