/* onnx_table.c: the families' tables as one. */
#include <string.h>

#include "formats/onnx_adapt.h"

static const onnx_adapters *const families[] = {&onnx_adapt_elementwise, &onnx_adapt_nn,    &onnx_adapt_reduce,
                                                &onnx_adapt_shape,       &onnx_adapt_index, &onnx_adapt_image,
                                                &onnx_adapt_composed};

static bool covers(const onnx_adapter *adapter, int64_t version)
{
    return version >= adapter->since && (adapter->until == 0 || version <= adapter->until);
}

const onnx_adapter *onnx_adapter_for_op(const char *domain, const char *op, int64_t version)
{
    for (size_t f = 0; f < sizeof families / sizeof *families; f++) {
        for (int i = 0; i < families[f]->count; i++) {
            const onnx_adapter *adapter = &families[f]->items[i];
            if (strcmp(adapter->op, op) == 0 && covers(adapter, version) &&
                strcmp(adapter->domain ? adapter->domain : "", domain) == 0)
                return adapter;
        }
    }
    return NULL;
}

const onnx_adapter *onnx_adapter_for_row(const char *row, int64_t version)
{
    for (size_t f = 0; f < sizeof families / sizeof *families; f++) {
        for (int i = 0; i < families[f]->count; i++) {
            const onnx_adapter *adapter = &families[f]->items[i];
            if (adapter->row && !adapter->read_only && strcmp(adapter->row, row) == 0 && covers(adapter, version))
                return adapter;
        }
    }
    return NULL;
}
