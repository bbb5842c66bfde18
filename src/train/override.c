/* override.c: --set path=value put into a recipe's document before it is read.
 *
 * The value is read as YAML, so 0.01 is a number, [1, 2] a list and true a boolean, and it carries
 * "--set path" as its place in later messages. */
#include <stdio.h>
#include <string.h>

#include "train/recipe.h"

static const char *const top[] = {"name", "data", "model", "train", "tune", "normalize"};

static bool begins(const char *path, const char *word)
{
    size_t n = strlen(word);
    return strncmp(path, word, n) == 0 && (path[n] == '.' || path[n] == '\0');
}

/* "lr", "optimizer.lr" and "train.lr" are one place. "optimizer" alone is the key of that name. */
static const char *full_path(sw_arena *arena, const char *path)
{
    static const char *const groups[] = {"optimizer.", "schedule.", "augment."};
    for (int i = 0; i < (int)(sizeof top / sizeof *top); i++)
        if (begins(path, top[i]))
            return path;
    for (int i = 0; i < (int)(sizeof groups / sizeof *groups); i++)
        if (strncmp(path, groups[i], strlen(groups[i])) == 0)
            path += strlen(groups[i]);
    return sw_arena_format(arena, "train.%s", path);
}

static sw_status add_key(sw_arena *arena, sw_doc *map, const char *key, sw_doc *value)
{
    size_t count = (size_t)map->count;
    const char **keys = sw_arena_array(arena, count + 1, sizeof *keys);
    sw_doc **items = sw_arena_array(arena, count + 1, sizeof *items),
           **key_at = sw_arena_array(arena, count + 1, sizeof *key_at);
    if (keys == NULL || items == NULL || key_at == NULL)
        return sw_alloc_status();
    if (count > 0) {
        memcpy(keys, map->keys, count * sizeof *keys);
        memcpy(items, map->items, count * sizeof *items);
        memcpy(key_at, map->key_at, count * sizeof *key_at);
    }
    keys[count] = key;
    items[count] = key_at[count] = value;
    map->keys = keys;
    map->items = items;
    map->key_at = key_at;
    map->count++;
    return SW_OK;
}

/* Where `key` of a map or list is kept; in a map it is made when absent. */
static sw_status slot_of(sw_arena *arena, sw_doc *in, const char *key, const char *set, sw_doc *fresh, sw_doc ***slot)
{
    if (in->kind == SW_DOC_LIST) {
        int at, end = 0;
        if (sscanf(key, "%d%n", &at, &end) != 1 || key[end] != '\0' || at < 0 || at >= in->count)
            return sw_fail(SW_INVALID, "--set %s: '%s' is no position in a list of %d", set, key, in->count);
        *slot = &in->items[at];
        return SW_OK;
    }
    if (in->kind != SW_DOC_MAP)
        return sw_fail(SW_INVALID, "--set %s: there is nothing inside '%s'", set,
                       in->string != NULL ? in->string : "it");
    for (int i = 0; i < in->count; i++)
        if (strcmp(in->keys[i], key) == 0) {
            *slot = &in->items[i];
            in->key_at[i] = fresh;
            return SW_OK;
        }
    SW_TRY(add_key(arena, in, key, fresh));
    *slot = &in->items[in->count - 1];
    return SW_OK;
}

sw_status sw_recipe_set(sw_arena *arena, sw_doc *root, const char *set)
{
    const char *equals = strchr(set, '=');
    if (equals == NULL || equals == set)
        return sw_fail(SW_INVALID, "--set %s: say key=value, such as optimizer.lr=0.01", set);
    char *given = sw_arena_strndup(arena, set, (size_t)(equals - set));
    const char *path = given != NULL ? full_path(arena, given) : NULL;
    const char *source = sw_arena_format(arena, "--set %s", given != NULL ? given : "");
    if (path == NULL || source == NULL)
        return sw_alloc_status();
    sw_doc *value, *at = root;
    SW_TRY(sw_doc_yaml(arena, source, equals + 1, strlen(equals + 1), &value));
    for (;;) {
        size_t length = strcspn(path, ".");
        bool last = path[length] == '\0';
        char *key = sw_arena_strndup(arena, path, length);
        sw_doc *fresh =
            last ? value : sw_arena_copy(arena, &(sw_doc){.kind = SW_DOC_MAP, .source = source}, sizeof *fresh);
        if (key == NULL || fresh == NULL)
            return sw_alloc_status();
        sw_doc **slot = NULL;
        SW_TRY(slot_of(arena, at, key, given, fresh, &slot));
        if (last) {
            *slot = value;
            return SW_OK;
        }
        at = *slot;
        path += length + 1;
    }
}
