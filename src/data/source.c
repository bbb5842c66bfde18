/* source.c: from what a recipe says about data to files on disk.
 *
 * Nothing is read here but names: a spec is checked for files that must exist, so that a run learns at its
 * start, and not at its end, that the test set is missing. */
#include "data/source.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "data/idx.h"
#include "data/known.h"

const sw_source sw_source_idx = {.name = "idx", .x_key = "images", .y_key = "labels", .read = sw_idx_read};
const sw_source sw_source_npy = {.name = "npy", .x_key = "x", .y_key = "y", .read = sw_npy_read};

static const char *join(sw_arena *arena, const char *folder, const char *name)
{
    if (folder == NULL || folder[0] == '\0' || name[0] == '/')
        return sw_arena_strdup(arena, name);
    return sw_arena_format(arena, "%s/%s", folder, name);
}

/* `file` in `folder`, plain or gzipped; the plain name when there is neither. */
static sw_status find(sw_arena *arena, const char *folder, const char *file, const char **path)
{
    const char *plain = join(arena, folder, file);
    const char *packed = plain != NULL ? sw_arena_format(arena, "%s.gz", plain) : NULL;
    if (packed == NULL)
        return sw_alloc_status();
    *path = !sw_path_exists(plain) && sw_path_exists(packed) ? packed : plain;
    return SW_OK;
}

/* A failure at a place in a document, or about a word from the command line. */
#define FAIL_AT(at, status, ...) ((at) != NULL ? sw_doc_fail((at), __VA_ARGS__) : sw_fail((status), __VA_ARGS__))

static sw_status unknown_set(const sw_doc *at, const char *name)
{
    const char *names[8];
    for (int i = 0; i < sw_known_set_count; i++)
        names[i] = sw_known_sets[i].name;
    const char *near = sw_nearest(name, names, sw_known_set_count);
    return near != NULL
               ? FAIL_AT(at, SW_NOT_FOUND, "unknown data set '%s' (did you mean '%s'?)", name, near)
               : FAIL_AT(at, SW_NOT_FOUND,
                         "unknown data set '%s'; known are fashion-mnist and mnist, or say {idx: …} or {npy: …}", name);
}

sw_status sw_data_spec_known(sw_arena *arena, const sw_doc *at, const char *name, const char *folder,
                             sw_data_spec *spec)
{
    const sw_known_set *set = NULL;
    for (int i = 0; i < sw_known_set_count && set == NULL; i++)
        if (strcmp(sw_known_sets[i].name, name) == 0)
            set = &sw_known_sets[i];
    if (set == NULL)
        return unknown_set(at, name);
    if (folder == NULL)
        folder = set->folder;
    *spec = (sw_data_spec){.name = set->name,
                           .source = &sw_source_idx,
                           .class_names = set->class_names,
                           .class_count = set->class_count,
                           .validation = -1};
    for (int part = 0; part < SW_PART_COUNT; part++) {
        SW_TRY(find(arena, folder, set->files[part][0], &spec->x_path[part]));
        SW_TRY(find(arena, folder, set->files[part][1], &spec->y_path[part]));
        const char *const paths[] = {spec->x_path[part], spec->y_path[part]};
        for (int i = 0; i < 2; i++)
            if (!sw_path_exists(paths[i]))
                return sw_fail(SW_NOT_FOUND, "%s: there is no %s(.gz); %s", name, paths[i], set->hint);
    }
    return SW_OK;
}

static sw_status read_path(sw_arena *arena, const sw_doc *map, const char *key, const char *base, const char **path)
{
    const sw_doc *item = sw_doc_get(map, key);
    if (item == NULL)
        return SW_OK;
    if (item->kind != SW_DOC_STRING)
        return sw_doc_fail(item, "'%s' must be the path of a file", key);
    *path = join(arena, base, item->string);
    if (*path == NULL)
        return sw_alloc_status();
    return sw_path_exists(*path) ? SW_OK : sw_doc_fail(item, "there is no file '%s'", *path);
}

/* {images: …, labels: …, test_images: …, test_labels: …} with the source's own keys. */
static sw_status read_files(sw_arena *arena, const sw_doc *map, const char *base, sw_data_spec *spec)
{
    const sw_source *source = spec->source;
    char test_x[32], test_y[32];
    snprintf(test_x, sizeof test_x, "test_%s", source->x_key);
    snprintf(test_y, sizeof test_y, "test_%s", source->y_key);
    const char *keys[] = {source->x_key, source->y_key, test_x, test_y};
    const char **paths[] = {&spec->x_path[SW_PART_TRAIN], &spec->y_path[SW_PART_TRAIN], &spec->x_path[SW_PART_TEST],
                            &spec->y_path[SW_PART_TEST]};
    sw_field fields[4];
    const sw_doc *unused[4];
    for (int i = 0; i < 4; i++)
        fields[i] =
            (sw_field){.key = keys[i], .type = SW_FIELD_ANY, .offset = (size_t)i * sizeof *unused, .required = i < 2};
    SW_TRY(sw_doc_read(map, fields, 4, unused));
    for (int i = 0; i < 4; i++)
        SW_TRY(read_path(arena, map, keys[i], base, paths[i]));
    if ((spec->x_path[SW_PART_TEST] == NULL) != (spec->y_path[SW_PART_TEST] == NULL))
        return sw_doc_fail(map, "'%s' and '%s' go together", test_x, test_y);
    return SW_OK;
}

static sw_status read_classes(sw_arena *arena, const sw_doc *list, sw_data_spec *spec)
{
    if (list == NULL)
        return SW_OK;
    if (list->kind != SW_DOC_LIST || list->count < 1)
        return sw_doc_fail(list, "'classes' must be a list of names");
    const char **names = sw_arena_array(arena, (size_t)list->count, sizeof *names);
    if (names == NULL)
        return sw_alloc_status();
    for (int i = 0; i < list->count; i++) {
        if (list->items[i]->string == NULL)
            return sw_doc_fail(list->items[i], "a class name must be a text");
        names[i] = sw_arena_strdup(arena, list->items[i]->string);
        if (names[i] == NULL)
            return sw_alloc_status();
    }
    spec->class_names = names;
    spec->class_count = list->count;
    return SW_OK;
}

sw_status sw_data_spec_read(sw_arena *arena, const sw_doc *doc, const char *base, const char *folder,
                            sw_data_spec *spec)
{
    if (doc->kind == SW_DOC_STRING)
        return sw_data_spec_known(arena, doc, doc->string, folder, spec);
    struct form {
        const char *set, *folder, *name;
        const sw_doc *idx, *npy, *classes;
        int64_t validation;
    } form = {.validation = -1};
    static const sw_field fields[] = {
        {.key = "set", .type = SW_FIELD_STRING, .offset = offsetof(struct form, set)},
        {.key = "folder", .type = SW_FIELD_STRING, .offset = offsetof(struct form, folder)},
        {.key = "name", .type = SW_FIELD_STRING, .offset = offsetof(struct form, name)},
        {.key = "idx", .type = SW_FIELD_ANY, .offset = offsetof(struct form, idx)},
        {.key = "npy", .type = SW_FIELD_ANY, .offset = offsetof(struct form, npy)},
        {.key = "classes", .type = SW_FIELD_ANY, .offset = offsetof(struct form, classes)},
        {.key = "validation", .type = SW_FIELD_INT, .offset = offsetof(struct form, validation), .low = 0, .high = 1e9},
    };
    if (doc->kind != SW_DOC_MAP)
        return sw_doc_fail(doc, "'data' must be the name of a set, or a map with 'set', 'idx' or 'npy'");
    SW_TRY(sw_doc_read(doc, fields, sizeof fields / sizeof *fields, &form));
    if ((form.set != NULL) + (form.idx != NULL) + (form.npy != NULL) != 1)
        return sw_doc_fail(doc, "'data' needs exactly one of 'set', 'idx' and 'npy'");
    if (form.folder != NULL && form.set == NULL)
        return sw_doc_fail(doc, "'folder' goes with 'set'");
    if (form.set != NULL) {
        const char *where = folder != NULL ? folder : form.folder != NULL ? join(arena, base, form.folder) : NULL;
        if (form.folder != NULL && where == NULL)
            return sw_alloc_status();
        SW_TRY(sw_data_spec_known(arena, sw_doc_get(doc, "set"), form.set, where, spec));
    } else {
        *spec = (sw_data_spec){.name = form.name != NULL  ? form.name
                                       : form.idx != NULL ? "idx"
                                                          : "npy",
                               .source = form.idx != NULL ? &sw_source_idx : &sw_source_npy};
        SW_TRY(read_files(arena, form.idx != NULL ? form.idx : form.npy, base, spec));
    }
    spec->validation = form.validation;
    return read_classes(arena, form.classes, spec);
}
