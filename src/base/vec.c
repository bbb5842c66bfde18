/* vec.c: growth of arrays, and a string map that remembers the order of insertion.
 *
 * The map is a dense array of entries plus a table of indices into it (open addressing, linear probing, at
 * most half full). Removal closes the gap in the array and rebuilds the table: maps here are read far more
 * often than shrunk. */
#include "base/vec.h"

#include <string.h>

#include "base/hash.h"

sw_status sw_vec_grow(sw_context *ctx, void **items, size_t *capacity, size_t count, size_t more, size_t size)
{
    size_t wanted, bytes;
    if (!sw_add_size(count, more, &wanted))
        return sw_fail(SW_NO_MEMORY, "no memory: %zu more items wanted", more);
    if (wanted <= *capacity)
        return SW_OK;
    size_t larger = *capacity < 8 ? 8 : *capacity * 2;
    if (larger < wanted)
        larger = wanted;
    if (!sw_mul_size(larger, size, &bytes))
        return sw_fail(SW_NO_MEMORY, "no memory: %zu items of %zu bytes wanted", larger, size);
    void *grown = sw_realloc(ctx, *items, bytes);
    if (!grown)
        return sw_alloc_status();
    *items = grown;
    *capacity = larger;
    return SW_OK;
}

struct entry {
    char *key;
    void *value;
    uint64_t hash;
};

struct sw_strmap {
    sw_context *ctx;
    sw_vec(struct entry) entries;
    uint32_t *slots;   /* index + 1; 0: empty */
    size_t slot_count; /* a power of two, or 0 */
};

sw_strmap *sw_strmap_new(sw_context *ctx)
{
    sw_strmap *map = sw_alloc_zero(ctx, sizeof *map);
    if (map)
        map->ctx = ctx;
    return map;
}

void sw_strmap_free(sw_strmap *map)
{
    if (!map)
        return;
    for (size_t i = 0; i < map->entries.count; i++)
        sw_free(map->ctx, map->entries.items[i].key);
    sw_vec_free(map->ctx, &map->entries);
    sw_free(map->ctx, map->slots);
    sw_free(map->ctx, map);
}

static void fill_slots(sw_strmap *map)
{
    memset(map->slots, 0, map->slot_count * sizeof *map->slots);
    for (size_t i = 0; i < map->entries.count; i++) {
        size_t at = map->entries.items[i].hash & (map->slot_count - 1);
        while (map->slots[at])
            at = (at + 1) & (map->slot_count - 1);
        map->slots[at] = (uint32_t)(i + 1);
    }
}

static struct entry *find(const sw_strmap *map, const char *key, uint64_t hash)
{
    if (!map->slot_count)
        return NULL;
    for (size_t at = hash & (map->slot_count - 1); map->slots[at]; at = (at + 1) & (map->slot_count - 1)) {
        struct entry *entry = &map->entries.items[map->slots[at] - 1];
        if (entry->hash == hash && strcmp(entry->key, key) == 0)
            return entry;
    }
    return NULL;
}

static uint64_t hash_of(const char *key) { return sw_fnv1a(key, strlen(key)); }

void *sw_strmap_get(const sw_strmap *map, const char *key)
{
    struct entry *entry = find(map, key, hash_of(key));
    return entry ? entry->value : NULL;
}

static sw_status grow_slots(sw_strmap *map)
{
    if ((map->entries.count + 1) * 2 <= map->slot_count)
        return SW_OK;
    size_t count = map->slot_count ? map->slot_count * 2 : 16;
    if (count > UINT32_MAX)
        return sw_fail(SW_NO_MEMORY, "no memory: a map of %zu keys", map->entries.count);
    uint32_t *slots = sw_alloc_array(map->ctx, count, sizeof *slots);
    if (!slots)
        return sw_alloc_status();
    sw_free(map->ctx, map->slots);
    map->slots = slots;
    map->slot_count = count;
    fill_slots(map);
    return SW_OK;
}

sw_status sw_strmap_set(sw_strmap *map, const char *key, void *value)
{
    uint64_t hash = hash_of(key);
    struct entry *entry = find(map, key, hash);
    if (entry) {
        entry->value = value;
        return SW_OK;
    }
    SW_TRY(sw_vec_reserve(map->ctx, &map->entries, 1));
    SW_TRY(grow_slots(map));
    char *copy = sw_strdup(map->ctx, key);
    if (!copy)
        return sw_alloc_status();
    map->entries.items[map->entries.count++] = (struct entry){copy, value, hash};
    size_t at = hash & (map->slot_count - 1);
    while (map->slots[at])
        at = (at + 1) & (map->slot_count - 1);
    map->slots[at] = (uint32_t)map->entries.count;
    return SW_OK;
}

void *sw_strmap_remove(sw_strmap *map, const char *key)
{
    struct entry *entry = find(map, key, hash_of(key));
    if (!entry)
        return NULL;
    void *value = entry->value;
    sw_free(map->ctx, entry->key);
    size_t index = (size_t)(entry - map->entries.items);
    memmove(entry, entry + 1, (map->entries.count - index - 1) * sizeof *entry);
    map->entries.count--;
    fill_slots(map);
    return value;
}

size_t sw_strmap_count(const sw_strmap *map) { return map->entries.count; }

void *sw_strmap_at(const sw_strmap *map, size_t index, const char **key)
{
    if (key)
        *key = map->entries.items[index].key;
    return map->entries.items[index].value;
}
