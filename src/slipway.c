/* slipway.c: the composition root, the one file that knows every room. */
#include "slipway/base.h"

const char *sw_version(void) { return SW_VERSION; }
