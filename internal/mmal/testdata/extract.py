"""Print the part of the full layout.json, named on the command line, that the tests of package mmal look up."""

import json
import sys

STRUCTS = """
mmal_worker_msg_header mmal_worker_version mmal_worker_component_create mmal_worker_component_create_reply
mmal_worker_component_destroy mmal_worker_component_enable mmal_worker_component_disable mmal_worker_reply
mmal_worker_port_info_get mmal_worker_port_info_set mmal_worker_port_info mmal_worker_port_action
mmal_worker_port_param_set mmal_worker_port_param_get mmal_worker_port_param_get_reply
mmal_worker_buffer_from_host mmal_worker_event_to_host
MMAL_PARAMETER_BOOLEAN_T MMAL_PARAMETER_UINT32_T MMAL_PARAMETER_INT32_T MMAL_PARAMETER_UINT64_T
MMAL_PARAMETER_RATIONAL_T MMAL_PARAMETER_FRAME_RATE_T MMAL_PARAMETER_INPUT_CROP_T MMAL_PARAMETER_CROP_T
MMAL_PARAMETER_CAMERA_CONFIG_T MMAL_PARAMETER_FPS_RANGE_T MMAL_PARAMETER_VIDEO_PROFILE_T
MMAL_PARAMETER_VIDEO_INTRA_REFRESH_T MMAL_PARAMETER_STEREOSCOPIC_MODE_T MMAL_PARAMETER_CHANGE_EVENT_REQUEST_T
MMAL_PARAMETER_COLOURFX_T MMAL_PARAMETER_AWB_GAINS_T MMAL_PARAMETER_CAMERA_ANNOTATE_V4_T
MMAL_PARAMETER_THUMBNAIL_CONFIG_T MMAL_PARAMETER_CAMERA_INFO_T
MMAL_PARAMETER_EXPOSUREMODE_T MMAL_PARAMETER_EXPOSUREMETERINGMODE_T MMAL_PARAMETER_AWBMODE_T
MMAL_PARAMETER_IMAGEFX_T MMAL_PARAMETER_FLICKERAVOID_T MMAL_PARAMETER_MIRROR_T MMAL_PARAMETER_DRC_T
MMAL_PARAMETER_VIDEO_RATECONTROL_T MMAL_PARAMETER_CAMERA_ANNOTATE_V3_T
""".split()

CONSTANTS = tuple("""
MMAL_MAGIC MMAL_SUCCESS MMAL_E MMAL_STATUS MMAL_WORKER_ MMAL_PORT_TYPE_ MMAL_ES_TYPE_ MMAL_ENCODING_ MMAL_EVENT_
MMAL_BUFFER_HEADER_FLAG MMAL_TIME_UNKNOWN MMAL_VC_SHORT_DATA MMAL_PARAMETER_ MMAL_VIDEO_PROFILE_H264_
MMAL_VIDEO_LEVEL_H264_ MMAL_VIDEO_INTRA_REFRESH_ MMAL_PARAM_TIMESTAMP_MODE_ MMAL_FORMAT_EXTRADATA_MAX_SIZE
MMAL_CAMERA_ANNOTATE_MAX_TEXT_LEN_V4
MMAL_PARAM_EXPOSUREMODE_ MMAL_PARAM_EXPOSUREMETERINGMODE_ MMAL_PARAM_AWBMODE_ MMAL_PARAM_IMAGEFX_
MMAL_PARAM_FLICKERAVOID_ MMAL_PARAM_MIRROR_
""".split())

full = json.load(open(sys.argv[1]))
json.dump({
    "source": full["source"],
    "structs": {name: full["structs"][name] for name in STRUCTS},
    "constants": {k: v for k, v in full["constants"].items() if k.startswith(CONSTANTS)},
    "parameter_structs": full["parameter_structs"],
}, sys.stdout, indent=1)
print()
