/* backend/cpu/cpu.h: the face of the fast backend for processors.
 *
 * Kernels come from three places: oneDNN behind one adapter, our own ones written over a table of vector loops that
 * is compiled once per instruction set (simd.h), and, last in every list, the row's own reference body, so that the
 * backend serves every row of the table. Uses: base, tensor, graph. */
#ifndef SW_BACKEND_CPU_CPU_H
#define SW_BACKEND_CPU_CPU_H

#include "graph/engine.h"

/* Registers the backend "cpu" in the context. */
sw_status sw_cpu_register(sw_context *ctx);

#endif
