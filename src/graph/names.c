/* names.c: unique names, given back in the order opposite to their coming.
 *
 * A chained hash table whose entries lie in the graph's arena; only the slots are memory of their own. A scope
 * remembers the newest name at its beginning and removes what came later. */
#include <string.h>

#include "base/hash.h"
#include "graph/inside.h"

static struct name **slot_of(const struct names *names, uint64_t hash)
{
    return &names->slots[hash & (names->slot_count - 1)];
}

static struct name *find(const struct names *names, const char *text, uint64_t hash)
{
    struct name *name = names->slot_count ? *slot_of(names, hash) : NULL;
    while (name && (name->hash != hash || strcmp(name->text, text) != 0))
        name = name->chain;
    return name;
}

void *sw_names_find(const struct names *names, const char *text)
{
    struct name *name = find(names, text, sw_fnv1a(text, strlen(text)));
    return name ? name->owner : NULL;
}

/* Twice the slots; every living name is chained anew, oldest last, as it was. */
static sw_status grow(sw_graph *g, struct names *names)
{
    size_t count = names->slot_count ? names->slot_count * 2 : 32;
    struct name **slots = sw_alloc_zero(g->ctx, count * sizeof *slots);
    if (!slots)
        return sw_alloc_status();
    sw_free(g->ctx, names->slots);
    names->slots = slots;
    names->slot_count = count;
    for (struct name *name = names->newest; name; name = name->older) {
        struct name **slot = slot_of(names, name->hash);
        if (!name->owner)
            continue;
        name->chain = *slot;
        *slot = name;
    }
    return SW_OK;
}

sw_status sw_names_add(sw_graph *g, struct names *names, const char *text, void *owner)
{
    uint64_t hash = sw_fnv1a(text, strlen(text));
    if (find(names, text, hash))
        return sw_fail(SW_EXISTS, "the name '%s' is taken", text);
    if (names->count >= names->slot_count)
        SW_TRY(grow(g, names));
    struct name *name = sw_arena_alloc(g->arena, sizeof *name);
    if (!name)
        return sw_alloc_status();
    struct name **slot = slot_of(names, hash);
    *name = (struct name){.chain = *slot, .older = names->newest, .text = text, .owner = owner, .hash = hash};
    *slot = names->newest = name;
    names->count++;
    return SW_OK;
}

static void unchain(struct names *names, struct name *name)
{
    struct name **at = slot_of(names, name->hash);
    while (*at != name)
        at = &(*at)->chain;
    *at = name->chain;
    name->owner = NULL;
    names->count--;
}

void sw_names_remove(struct names *names, const char *text)
{
    struct name *name = find(names, text, sw_fnv1a(text, strlen(text)));
    if (name)
        unchain(names, name);
}

void sw_names_rewind(struct names *names, struct name *newest)
{
    for (; names->newest != newest; names->newest = names->newest->older)
        if (names->newest->owner)
            unchain(names, names->newest);
}
