/* slipway/slipway.h: the whole of Slipway's public face. */
#ifndef SLIPWAY_SLIPWAY_H
#define SLIPWAY_SLIPWAY_H

#include "slipway/base.h"
#include "slipway/store.h"
#include "slipway/tensor.h"

#endif
