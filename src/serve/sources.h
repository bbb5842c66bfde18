/* serve/sources.h: the places that models come from. Each takes what it needs as copies; the store is borrowed.
 * Uses: serve/servable.h, slipway/store.h, slipway/model.h, slipway/plan.h. */
#ifndef SW_SERVE_SOURCES_H
#define SW_SERVE_SOURCES_H

#include "serve/servable.h"
#include "slipway/model.h"
#include "slipway/store.h"

/* "name", "name:3" or "name@alias" in a store: follows the newest version, or the alias, as it moves. */
sw_status sw_source_store(sw_context *ctx, sw_store *store, const char *ref, sw_source **source);

/* A model file: followed when it is replaced; its versions are numbered from 1 as they are met. */
sw_status sw_source_file(sw_context *ctx, const char *path, sw_source **source);

/* "https://host/model.onnx[#sha256=HEX]": fetched into `cache` (a folder) once; with a hash a copy there is enough,
 * without one the copy serves when the network does not. */
sw_status sw_source_url(sw_context *ctx, const char *url, const char *cache, sw_source **source);

/* By its looks: with "://" an address, an existing file or a path a file, else a name in the store (may be NULL: then
 * SW_INVALID). */
sw_status sw_source_of(sw_context *ctx, const char *target, sw_store *store, const char *cache, sw_source **source);
bool sw_target_is_stored(const char *target);
/* What `target` is called when nobody says otherwise: "fashion" of "fashion@production" and of "models/fashion.onnx".
 */
sw_status sw_target_name(const char *target, char name[129]);

/* A servable from an open model, which it takes over (also on failure). `stored` may be NULL: class names and number.
 */
sw_status sw_servable_from(sw_context *ctx, sw_artifact *artifact, const sw_model_version *stored, int64_t version,
                           const char *origin, int lanes, sw_servable **servable);

#endif
