/* backend/ref/ref.h: the backend that computes every node by its row's reference body. Uses: graph/. */
#ifndef SW_BACKEND_REF_H
#define SW_BACKEND_REF_H

#include "graph/engine.h"

/* Registers the backend "ref". */
sw_status sw_ref_backend_register(sw_context *ctx);

#endif
