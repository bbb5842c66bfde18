/* backend/cpu/onednn.h: the face of the oneDNN adapter towards the rest of the cpu backend.
 *
 * With oneDNN absent these are not compiled and the portable kernels serve every row. Uses: graph/engine.h. */
#ifndef SW_BACKEND_CPU_ONEDNN_H
#define SW_BACKEND_CPU_ONEDNN_H

#include "graph/engine.h"

enum { SW_ONEDNN_CONV = 4, SW_ONEDNN_PRODUCT = 3 };
/* Conv, FusedConv, ConvGradData, ConvGradWeight. */
extern const sw_kernel sw_onednn_conv[SW_ONEDNN_CONV];
/* MatMul, FusedMatMul, Gemm. */
extern const sw_kernel sw_onednn_product[SW_ONEDNN_PRODUCT];

/* Makes the engine and hangs it on the context. */
sw_status sw_onednn_attach(sw_context *ctx);
/* "onednn 2.6.3" */
void sw_onednn_identity(char *text, size_t size);
/* Whether an activation can ride on a convolution or product. */
bool sw_onednn_fuses(const char *activation);

#endif
