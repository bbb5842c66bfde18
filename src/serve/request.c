/* Requests' memory and the checks that every protocol shares. */
#include "serve/request.h"

#include <stdio.h>
#include <string.h>

#include "tensor/dtype.h"

void sw_request_reset(sw_request *r)
{
    r->model = NULL;
    r->version = NULL;
    r->previous = r->next = NULL;
    r->read = NULL;
    r->picture = false;
    r->top = 0;
    r->rows = 0;
    r->deadline = r->queued_at = r->run_at = r->ran_at = 0;
    r->id = (sw_scan_text){0};
    r->inputs.count = r->outputs.count = r->data.count = r->strings.count = 0;
}

void sw_request_free(sw_request *r)
{
    if (!r->ctx)
        return;
    sw_vec_free(r->ctx, &r->inputs);
    sw_vec_free(r->ctx, &r->outputs);
    sw_vec_free(r->ctx, &r->data);
    sw_vec_free(r->ctx, &r->strings);
}

sw_status sw_request_fits(const sw_port *port, sw_dims dims)
{
    bool fits = port->dims.rank == dims.rank;
    for (int i = 0; fits && i < dims.rank; i++)
        fits = port->dims.dim[i] < 0 || port->dims.dim[i] == dims.dim[i];
    if (fits)
        return SW_OK;
    char given[200], wanted[200];
    return sw_fail(SW_SHAPE, "input '%s' has shape %s, the model takes %s (-1: any size)", port->name,
                   sw_dims_text(dims, given, sizeof given), sw_dims_text(port->dims, wanted, sizeof wanted));
}

sw_status sw_request_place(sw_request *r, const sw_servable *model, int index, void **data)
{
    sw_request_input *input = &r->inputs.items[index];
    int64_t count;
    size_t bytes;
    sw_dtype dtype = model->inputs[index].dtype;
    SW_TRY(sw_dims_count(input->dims, &count));
    if (!(dtype == SW_STRING ? sw_mul_size((size_t)count, sizeof(uint64_t), &bytes)
                             : sw_dtype_size(dtype, count, &bytes)))
        return sw_fail(SW_SHAPE, "input '%s' is too large", model->inputs[index].name);
    size_t at = sw_align_up(r->data.count, 16);
    SW_TRY(sw_vec_reserve(r->ctx, &r->data, at - r->data.count + bytes + 1)); /* an empty input has an address too */
    r->data.count = at + bytes;
    input->given = true;
    input->at = at;
    input->bytes = bytes;
    *data = r->data.items + at;
    return SW_OK;
}

sw_status sw_request_complete(sw_request *r, const sw_servable *model)
{
    for (int i = 0; i < model->input_count; i++) {
        if (!r->inputs.items[i].given)
            return sw_fail(SW_INVALID, "input '%s' is missing", model->inputs[i].name);
        if (model->batched && r->inputs.items[i].dims.dim[0] != r->inputs.items[0].dims.dim[0])
            return sw_fail(SW_SHAPE, "inputs '%s' and '%s' have %lld and %lld rows", model->inputs[0].name,
                           model->inputs[i].name, (long long)r->inputs.items[0].dims.dim[0],
                           (long long)r->inputs.items[i].dims.dim[0]);
    }
    r->rows = model->batched && model->input_count > 0 ? r->inputs.items[0].dims.dim[0] : 0;
    return SW_OK;
}
