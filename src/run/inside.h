/* run/inside.h: what a plan is made of; for the files of run/ only. Uses: lane.h, trace.h. */
#ifndef SW_RUN_INSIDE_H
#define SW_RUN_INSIDE_H

#include "run/lane.h"
#include "run/trace.h"

struct sw_plan {
    sw_context *ctx;
    sw_program *program;
    sw_lanes lanes;
    int *output_buffers; /* per output: the buffer that stands for the caller's memory */
    sw_trace trace;
};

#endif
