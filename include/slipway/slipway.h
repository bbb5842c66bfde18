/* slipway/slipway.h: everything. */
#ifndef SLIPWAY_SLIPWAY_H
#define SLIPWAY_SLIPWAY_H

#include "slipway/base.h"
#include "slipway/data.h"
#include "slipway/graph.h"
#include "slipway/model.h"
#include "slipway/ops.h"
#include "slipway/plan.h"
#include "slipway/store.h"
#include "slipway/tensor.h"
#include "slipway/train.h"

#endif
