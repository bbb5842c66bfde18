/* replay.c: a fuzz target without a fuzzer.
 *
 * clang links the targets with libFuzzer (meson setup -Dfuzz=true CC=clang). Everywhere else this main stands in:
 * it feeds every file of the given folders to the target, then a fixed number of their mutants, drawn at addresses
 * of the library's own random stream, so that a failure found by `make test` is found again. Under the sanitizers
 * a mutant that reads a byte too far ends the test.
 *
 *   fuzz-npy [-n MUTANTS_PER_FILE] FOLDER… */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ROOM = 1 << 20 };

static uint64_t drawn;
static uint64_t draw(uint64_t bound) { return sw_random_below((sw_random_address){1, 0, 0}, drawn++, bound); }

/* Bits, bytes, interesting numbers, cuts, repeats: what breaks readers of lengths. */
static size_t mutate(uint8_t *data, size_t size)
{
    static const uint8_t numbers[][8] = {{0},
                                         {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF},
                                         {0xFF, 0xFF, 0xFF, 0x7F},
                                         {0, 0, 0, 0x80},
                                         {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F},
                                         {1},
                                         {0x80, 0x80, 0x80, 0x80, 0x80}};
    for (uint64_t edits = 1 + draw(4); edits > 0 && size > 0; edits--) {
        size_t at = draw(size), length = 1 + draw(8);
        length = length > size - at ? size - at : length;
        switch (draw(6)) {
        case 0:
            data[at] ^= (uint8_t)(1u << draw(8));
            break;
        case 1:
            data[at] = (uint8_t)draw(256);
            break;
        case 2:
            memcpy(data + at, numbers[draw(sizeof numbers / sizeof *numbers)], length);
            break;
        case 3:
            size = at;
            break;
        case 4:
            memmove(data + at, data + at + length, size - at - length);
            size -= length;
            break;
        default:
            if (size + length <= ROOM) {
                memmove(data + at + length, data + at, size - at);
                size += length;
            }
        }
    }
    return size;
}

/* A copy of exactly `size` bytes, so that AddressSanitizer sees the first byte read too far. */
static void run(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);
    if (!copy)
        exit(2);
    memcpy(copy, data, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

static long feed(const char *path, long mutants, uint8_t *file, uint8_t *mutant)
{
    FILE *stream = fopen(path, "rb");
    if (!stream) {
        fprintf(stderr, "%s: cannot open\n", path);
        exit(2);
    }
    size_t size = fread(file, 1, ROOM, stream);
    fclose(stream);
    run(file, size);
    for (long i = 0; i < mutants; i++) {
        memcpy(mutant, file, size);
        run(mutant, mutate(mutant, size));
    }
    return 1 + mutants;
}

int main(int argc, char **argv)
{
    long mutants = 1000, inputs = 0;
    int first = 1, files = 0;
    if (argc > 2 && strcmp(argv[1], "-n") == 0) {
        mutants = atol(argv[2]);
        first = 3;
    }
    uint8_t *file = malloc(ROOM), *mutant = malloc(ROOM);
    if (!file || !mutant)
        return 2;
    for (int i = first; i < argc; i++) {
        struct dirent **entries;
        int count = scandir(argv[i], &entries, NULL, alphasort);
        if (count < 0) {
            fprintf(stderr, "%s: cannot open\n", argv[i]);
            return 2;
        }
        for (int k = 0; k < count; k++) {
            char path[4096];
            snprintf(path, sizeof path, "%s/%s", argv[i], entries[k]->d_name);
            if (entries[k]->d_name[0] != '.') {
                inputs += feed(path, mutants, file, mutant);
                files++;
            }
            free(entries[k]);
        }
        free(entries);
    }
    free(file);
    free(mutant);
    printf("%d files, %ld inputs\n", files, inputs);
    return files ? 0 : 1;
}
