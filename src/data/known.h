/* data/known.h: data sets that are called by name. Uses: nothing. */
#ifndef SW_DATA_KNOWN_H
#define SW_DATA_KNOWN_H

typedef struct sw_known_set {
    const char *name;
    const char *folder;      /* where it customarily lies */
    const char *hint;        /* how to get it */
    const char *files[2][2]; /* [train, test][images, labels]; also looked for with ".gz" behind */
    const char *const *class_names;
    int class_count;
} sw_known_set;

extern const sw_known_set sw_known_sets[];
extern const int sw_known_set_count;

#endif
