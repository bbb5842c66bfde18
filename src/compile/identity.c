/* identity.c: what must be equal for two runs to give the same bits.
 *
 * The graph as it was written, the options that change how it is computed, the backend with its processor class and
 * library versions, and this program's version. Which kernel computes a node follows from these: the candidates are
 * ordered, and their choice depends on nothing else. Weights and inputs are no part of it. */
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "compile/program.h"

sw_status sw_program_identity(sw_program *program, const char *graph_text)
{
    const sw_compile_options *o = &program->options;
    char backend[1024] = "", options[256];
    if (program->backend->identity)
        program->backend->identity(program->ctx, backend, sizeof backend);
    snprintf(options, sizeof options, "slipway %s\nbackend %s\ntraining %d freeze %d team %d fusion %d\n", sw_version(),
             program->backend->name, o->training, o->freeze, o->team, !o->no_fusion);
    sw_sha256 *hash = sw_sha256_new(program->ctx);
    if (!hash)
        return sw_alloc_status();
    sw_status status = sw_sha256_add(hash, options, strlen(options));
    if (status == SW_OK)
        status = sw_sha256_add(hash, backend, strlen(backend) + 1);
    for (int i = 0; i < o->outputs_count && status == SW_OK; i++)
        status = sw_sha256_add(hash, o->outputs[i], strlen(o->outputs[i]) + 1);
    if (status == SW_OK)
        status = sw_sha256_add(hash, graph_text, strlen(graph_text));
    if (status == SW_OK)
        status = sw_sha256_end(hash, program->identity);
    sw_sha256_free(hash);
    return status;
}
