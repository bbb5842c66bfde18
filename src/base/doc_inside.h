/* base/doc_inside.h: what the YAML and the JSON reader share; for the files of base/ only. Uses: doc.h, vec.h. */
#ifndef SW_BASE_DOC_INSIDE_H
#define SW_BASE_DOC_INSIDE_H

#include "base/doc.h"
#include "base/vec.h"

#define SW_DOC_MAX_BYTES ((size_t)16 << 20)
#define SW_DOC_MAX_DEPTH 64
#define SW_DOC_MAX_NODES 1000000

/* Where a reader stands. */
struct doc_reader {
    sw_arena *arena;
    const char *source;
    int nodes, depth;
};

/* Children while their number is not known yet; they move to the arena when the list or map ends. */
struct doc_children {
    sw_vec(const char *) keys;
    sw_vec(sw_doc *) items, key_at;
};

/* A fresh node, counted against the limit; NULL with a text. */
sw_doc *sw_doc_node(struct doc_reader *reader, sw_doc_kind kind, int line, int column, sw_status *status);
sw_status sw_doc_settle(struct doc_reader *reader, struct doc_children *children, sw_doc *into);
void sw_doc_children_free(struct doc_reader *reader, struct doc_children *children);
const char *sw_doc_kind_name(sw_doc_kind kind);

#endif
