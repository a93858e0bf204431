"""Print the part of the full layout.json, named on the command line, that the tests of package vchiq look up."""

import json
import sys

STRUCTS = """
vchiq_header vchiq_element vchiq_service_params vchiq_create_service vchiq_queue_message vchiq_queue_bulk_transfer
vchiq_completion_data vchiq_await_completion vchiq_config vchiq_get_config
""".split()

CONSTANTS = ("VCHIQ_IOC_", "VCHIQ_VERSION", "VCHIQ_MAX_MSG", "VCHIQ_SLOT_SIZE", "VCHIQ_NUM_SERVICE", "VCHIQ_BULK_",
             "VCHIQ_SERVICE_OPENED", "VCHIQ_SERVICE_CLOSED", "VCHIQ_MESSAGE_")

full = json.load(open(sys.argv[1]))
json.dump({
    "source": {k: full["source"][k] for k in ("vchiq_lp64", "method", "conventions")},
    "structs": {name: full["structs"][name] for name in STRUCTS},
    "constants": {k: v for k, v in full["constants"].items() if k.startswith(CONSTANTS)},
}, sys.stdout, indent=1)
print()
