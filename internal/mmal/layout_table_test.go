package mmal

import "maps"

// layoutCase says where the C headers have the fields of a Go type.
type layoutCase struct {
	name string
	c    string // the C struct
	// base returns a pointer to a value that can be decoded with any one of its fields changed.
	base func() any
	// fields maps the path of each Go field to that of the C field.
	fields map[string]string
	// other names Go fields (and all below them) that this case leaves to another.
	other []string
	// derived names C fields that the encoder works out.
	derived []string
	// zero names C fields that are sent as zero and ignored when received.
	zero []string
}

// under prefixes the paths of a part's fields.
func under(goPrefix, cPrefix string, part map[string]string) map[string]string {
	m := map[string]string{}
	for g, c := range part {
		m[goPrefix+g] = cPrefix + c
	}
	return m
}

func join(parts ...map[string]string) map[string]string {
	m := map[string]string{}
	for _, p := range parts {
		maps.Copy(m, p)
	}
	return m
}

func prefixed(prefix string, names ...string) []string {
	var all []string
	for _, n := range names {
		all = append(all, prefix+n)
	}
	return all
}

func portBlockFields() map[string]string {
	return map[string]string{
		"Type": "type", "Index": "index", "IndexAll": "index_all", "Enabled": "is_enabled",
		"Min.Num": "buffer_num_min", "Min.Size": "buffer_size_min", "AlignMin": "buffer_alignment_min",
		"Advised.Num": "buffer_num_recommended", "Advised.Size": "buffer_size_recommended",
		"Buffers.Num": "buffer_num", "Buffers.Size": "buffer_size", "Capabilities": "capabilities",
	}
}

func portBlockZero() []string {
	return []string{"priv", "name", "format", "component", "userdata"}
}

func formatFields() map[string]string {
	return join(
		under("", "format.", map[string]string{
			"Type": "type", "Encoding": "encoding", "Variant": "encoding_variant", "Bitrate": "bitrate", "Flags": "flags",
		}),
		under("Video.", "es.video.", map[string]string{
			"Width": "width", "Height": "height", "ColorSpace": "color_space",
			"Crop.X": "crop.x", "Crop.Y": "crop.y", "Crop.Width": "crop.width", "Crop.Height": "crop.height",
			"FrameRate.Num": "frame_rate.num", "FrameRate.Den": "frame_rate.den",
			"PixelAspect.Num": "par.num", "PixelAspect.Den": "par.den",
		}),
	)
}

func portInfoZero() []string {
	return append(prefixed("port.", portBlockZero()...),
		"format.es", "format.extradata_size", "format.extradata", "extradata")
}

func addressFields() map[string]string {
	return map[string]string{"Component": "component_handle", "Port": "port_handle", "Context": "client_context"}
}

func rectFields(prefix string) map[string]string {
	return under("Value.", prefix, map[string]string{"X": "x", "Y": "y", "Width": "width", "Height": "height"})
}

func rationalFields(goPrefix, cPrefix string) map[string]string {
	return under(goPrefix, cPrefix, map[string]string{"Num": "num", "Den": "den"})
}

func layoutCases() []layoutCase {
	all := append(simpleMessageLayouts(), portMessageLayouts()...)
	all = append(all, parameterMessageLayouts()...)
	all = append(all, genericParameterLayouts()...)
	return append(all, parameterLayouts()...)
}

func simpleMessageLayouts() []layoutCase {
	component := map[string]string{"Component": "component_handle"}
	newRequest := func() any { return &ComponentRequest{} }
	return []layoutCase{
		{
			name: "Header", c: "mmal_worker_msg_header", base: func() any { return &Header{} },
			fields:  map[string]string{"ID": "msgid", "Context": "u.waiter", "Status": "status"},
			derived: []string{"magic"}, zero: []string{"control_service", "dummy"},
		},
		{
			name: "Version", c: "mmal_worker_version", base: func() any { return &Version{} },
			fields: map[string]string{"Flags": "flags", "Major": "major", "Minor": "minor", "Minimum": "minimum"},
		},
		{
			name: "CreateRequest", c: "mmal_worker_component_create", base: func() any { return &CreateRequest{} },
			fields: map[string]string{"ClientComponent": "client_component", "Name": "name", "PID": "pid"},
		},
		{
			name: "CreateReply", c: "mmal_worker_component_create_reply", base: func() any { return &CreateReply{} },
			fields: map[string]string{
				"Status": "status", "Component": "component_handle",
				"Inputs": "input_num", "Outputs": "output_num", "Clocks": "clock_num",
			},
		},
		{name: "destroy", c: "mmal_worker_component_destroy", base: newRequest, fields: component},
		{name: "enable", c: "mmal_worker_component_enable", base: newRequest, fields: component},
		{name: "disable", c: "mmal_worker_component_disable", base: newRequest, fields: component},
		{
			name: "Reply", c: "mmal_worker_reply", base: func() any { return &Reply{} },
			fields: map[string]string{"Status": "status"},
		},
	}
}

func portMessageLayouts() []layoutCase {
	port := map[string]string{"Component": "component_handle", "Type": "port_type", "Index": "index"}
	block := under("Port.", "port.", portBlockFields())
	format := under("Format.", "", formatFields())
	action := map[string]string{"Component": "component_handle", "Port": "port_handle", "Action": "action"}
	return []layoutCase{
		{
			name: "PortInfoRequest", c: "mmal_worker_port_info_get", base: func() any { return &PortInfoRequest{} },
			fields: port,
		},
		{
			name: "PortInfoUpdate", c: "mmal_worker_port_info_set", base: func() any { return &PortInfoUpdate{} },
			fields: join(port, block, format), zero: portInfoZero(),
		},
		{
			name: "PortInfo", c: "mmal_worker_port_info", base: func() any { return &PortInfo{} },
			fields: join(port, block, format, map[string]string{
				"Status": "status", "Found": "found", "Handle": "port_handle",
			}),
			zero: portInfoZero(),
		},
		{
			name: "PortActionRequest with a block", c: "mmal_worker_port_action",
			base:   func() any { return &PortActionRequest{Action: ActionEnable} },
			fields: join(action, under("Block.", "param.enable.port.", portBlockFields())),
			other:  []string{"Peer"},
			zero: append(prefixed("param.enable.port.", portBlockZero()...),
				"param.connect.component_handle", "param.connect.port_handle"),
		},
		{
			name: "PortActionRequest with a peer", c: "mmal_worker_port_action",
			base: func() any { return &PortActionRequest{Action: ActionConnect} },
			fields: map[string]string{
				"Peer.Component": "param.connect.component_handle", "Peer.Port": "param.connect.port_handle",
			},
			other:   []string{"Block", "Component", "Port", "Action"},
			derived: []string{"component_handle", "port_handle", "action"},
			zero:    peerZero(),
		},
	}
}

// peerZero is what of the port block's room an action with a peer does not use; the peer's handles lie on its first two
// words, priv and name.
func peerZero() []string {
	names := portBlockZero()[2:]
	for _, c := range portBlockFields() {
		names = append(names, c)
	}
	return prefixed("param.enable.port.", names...)
}

func parameterMessageLayouts() []layoutCase {
	space := maxParameter - parameterHeader
	port := map[string]string{"Component": "component_handle", "Port": "port_handle", "ID": "param.id"}
	return []layoutCase{
		{
			name: "ParameterSetRequest", c: "mmal_worker_port_param_set",
			base:   func() any { return &ParameterSetRequest{Value: make([]byte, space)} },
			fields: join(port, map[string]string{"Value": "space"}), derived: []string{"param.size"},
		},
		{
			name: "ParameterGetRequest", c: "mmal_worker_port_param_get",
			base:   func() any { return &ParameterGetRequest{Size: maxParameter} },
			fields: join(port, map[string]string{"Size": "param.size"}), zero: []string{"space"},
		},
		{
			name: "ParameterGetReply", c: "mmal_worker_port_param_get_reply",
			base: func() any {
				return &ParameterGetReply{Status: ENoSpc, Size: maxParameter, Value: make([]byte, space)}
			},
			fields: map[string]string{"Status": "status", "ID": "param.id", "Size": "param.size", "Value": "space"},
		},
		{
			name: "BufferMessage", c: "mmal_worker_buffer_from_host",
			base: func() any {
				return &BufferMessage{Buffer: BufferAddress{1, 2, 3}, Reference: BufferAddress{4, 5, 6}}
			},
			fields: join(
				under("Buffer.", "drvbuf.", addressFields()), under("Reference.", "drvbuf_ref.", addressFields()),
				under("", "buffer_header.", map[string]string{
					"Cmd": "cmd", "Data": "data", "Capacity": "alloc_size", "Length": "length", "Offset": "offset",
					"Flags": "flags", "PTS": "pts", "DTS": "dts",
				}),
				map[string]string{
					"ZeroCopy": "is_zero_copy", "HasRef": "has_reference", "InMessage": "payload_in_message",
					"Short": "short_data",
				},
			),
			derived: []string{"drvbuf.magic", "drvbuf_ref.magic"},
			zero: append(prefixed("buffer_header.", "next", "priv", "type", "user_data"),
				prefixed("buffer_header_type_specific.video.", "planes", "offset", "pitch", "flags")...),
		},
		{
			name: "EventMessage", c: "mmal_worker_event_to_host", base: func() any { return &EventMessage{} },
			fields: map[string]string{
				"ClientComponent": "client_component", "PortType": "port_type", "PortIndex": "port_num",
				"Cmd": "cmd", "Length": "length", "Data": "data",
			},
			zero: []string{"delayed_buffer"},
		},
	}
}

// genericParameterLayouts are those of the types that hold any of several parameters.
func genericParameterLayouts() []layoutCase {
	generic := func(c, value string, base func() any) layoutCase {
		return layoutCase{
			name: c, c: c, base: base,
			fields:  map[string]string{"ID": "hdr.id", "Value": value},
			derived: []string{"hdr.size"},
		}
	}
	compound := func(c string, value map[string]string, base func() any) layoutCase {
		return layoutCase{
			name: c, c: c, base: base,
			fields: join(map[string]string{"ID": "hdr.id"}, value), derived: []string{"hdr.size"},
		}
	}
	word := func() any { return &Uint32{} }
	rect := func() any { return &Rectangle{} }
	ratio := func() any { return &Ratio{} }
	return []layoutCase{
		generic("MMAL_PARAMETER_BOOLEAN_T", "enable", func() any { return &Boolean{} }),
		generic("MMAL_PARAMETER_INT32_T", "value", func() any { return &Int32{} }),
		generic("MMAL_PARAMETER_UINT64_T", "value", func() any { return &Uint64{} }),
		generic("MMAL_PARAMETER_UINT32_T", "value", word),
		generic("MMAL_PARAMETER_EXPOSUREMODE_T", "value", word),
		generic("MMAL_PARAMETER_EXPOSUREMETERINGMODE_T", "value", word),
		generic("MMAL_PARAMETER_AWBMODE_T", "value", word),
		generic("MMAL_PARAMETER_IMAGEFX_T", "value", word),
		generic("MMAL_PARAMETER_FLICKERAVOID_T", "value", word),
		generic("MMAL_PARAMETER_MIRROR_T", "value", word),
		generic("MMAL_PARAMETER_DRC_T", "strength", word),
		generic("MMAL_PARAMETER_VIDEO_RATECONTROL_T", "control", word),
		compound("MMAL_PARAMETER_RATIONAL_T", rationalFields("Value.", "value."), ratio),
		compound("MMAL_PARAMETER_FRAME_RATE_T", rationalFields("Value.", "frame_rate."), ratio),
		compound("MMAL_PARAMETER_INPUT_CROP_T", rectFields("rect."), rect),
		compound("MMAL_PARAMETER_CROP_T", rectFields("rect."), rect),
	}
}

// parameterLayouts are those of the types that are one parameter each.
func parameterLayouts() []layoutCase {
	all := []layoutCase{
		{
			c: "MMAL_PARAMETER_CAMERA_CONFIG_T", base: func() any { return &CameraConfig{} },
			fields: map[string]string{
				"MaxStillsWidth": "max_stills_w", "MaxStillsHeight": "max_stills_h",
				"StillsYUV422": "stills_yuv422", "OneShotStills": "one_shot_stills",
				"MaxVideoWidth": "max_preview_video_w", "MaxVideoHeight": "max_preview_video_h",
				"VideoFrames":        "num_preview_video_frames",
				"StillsBufferHeight": "stills_capture_circular_buffer_height",
				"FastPreviewResume":  "fast_preview_resume", "Timestamps": "use_stc_timestamp",
			},
		},
		{
			c: "MMAL_PARAMETER_FPS_RANGE_T", base: func() any { return &FPSRange{} },
			fields: join(rationalFields("Low.", "fps_low."), rationalFields("High.", "fps_high.")),
		},
		{
			c: "MMAL_PARAMETER_VIDEO_PROFILE_T", base: func() any { return &VideoProfile{} },
			fields: map[string]string{"Profile": "profile[0].profile", "Level": "profile[0].level"},
		},
		{
			c: "MMAL_PARAMETER_VIDEO_INTRA_REFRESH_T", base: func() any { return &IntraRefresh{} },
			fields: map[string]string{
				"Mode": "refresh_mode", "AIRMBs": "air_mbs", "AIRRef": "air_ref", "CIRMBs": "cir_mbs", "PIRMBs": "pir_mbs",
			},
		},
		{
			c: "MMAL_PARAMETER_STEREOSCOPIC_MODE_T", base: func() any { return &StereoscopicMode{} },
			fields: map[string]string{"Mode": "mode", "Decimate": "decimate", "SwapEyes": "swap_eyes"},
		},
		{
			c: "MMAL_PARAMETER_CHANGE_EVENT_REQUEST_T", base: func() any { return &ChangeEventRequest{} },
			fields: map[string]string{"Change": "change_id", "Enable": "enable"},
		},
		{
			c: "MMAL_PARAMETER_COLOURFX_T", base: func() any { return &ColourEffect{} },
			fields: map[string]string{"Enable": "enable", "U": "u", "V": "v"},
		},
		{
			c: "MMAL_PARAMETER_AWB_GAINS_T", base: func() any { return &AWBGains{} },
			fields: join(rationalFields("Red.", "r_gain."), rationalFields("Blue.", "b_gain.")),
		},
		{
			c: "MMAL_PARAMETER_THUMBNAIL_CONFIG_T", base: func() any { return &Thumbnail{} },
			fields: map[string]string{"Enable": "enable", "Width": "width", "Height": "height", "Quality": "quality"},
		},
		annotateLayout(),
		cameraInfoLayout(),
	}
	for i := range all {
		all[i].name = all[i].c
		all[i].derived = append(all[i].derived, "hdr.id", "hdr.size")
	}
	return all
}

func annotateLayout() layoutCase {
	return layoutCase{
		c: "MMAL_PARAMETER_CAMERA_ANNOTATE_V4_T", base: func() any { return &Annotate{} },
		fields: join(
			map[string]string{
				"Enable": "enable", "FrameNumber": "show_frame_num", "Background": "enable_text_background",
				"TextSize": "text_size", "Text": "text", "Justify": "justify", "XOffset": "x_offset", "YOffset": "y_offset",
			},
			under("BackgroundColour.", "custom_background_", map[string]string{"Enable": "colour", "Y": "Y", "U": "U", "V": "V"}),
			under("TextColour.", "custom_text_", map[string]string{"Enable": "colour", "Y": "Y", "U": "U", "V": "V"}),
		),
		zero: []string{"show_shutter", "show_analog_gain", "show_lens", "show_caf", "show_motion", "dummy1"},
	}
}

func cameraInfoLayout() layoutCase {
	sensor := map[string]string{
		"Port": "port_id", "MaxWidth": "max_width", "MaxHeight": "max_height",
		"LensPresent": "lens_present", "Name": "camera_name",
	}
	return layoutCase{
		c: "MMAL_PARAMETER_CAMERA_INFO_T", base: func() any { return &CameraInfo{make([]Sensor, maxCameras)} },
		fields: join(
			under("Cameras[0].", "cameras[0].", sensor), under("Cameras[1].", "cameras[1].", sensor),
			under("Cameras[2].", "cameras[2].", sensor), under("Cameras[3].", "cameras[3].", sensor),
		),
		derived: []string{"num_cameras"},
		zero:    []string{"num_flashes", "flashes[0].flash_type", "flashes[1].flash_type"},
	}
}
