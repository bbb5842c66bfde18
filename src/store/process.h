/* store/process.h: is the process that wrote a row still alive?
 *
 * A process is named by host, boot, pid and the moment it started, so that a pid used again, or the same pid after a
 * restart of the machine, is not mistaken for it. From another host nobody can look; there only the age of the last
 * sign of life speaks. Uses: base/. */
#ifndef SW_STORE_PROCESS_H
#define SW_STORE_PROCESS_H

#include "base/status.h"

/* A run on another host that gave no sign of life for this long counts as killed. */
#define SW_PROCESS_SILENCE_MS (60 * 1000)

struct sw_process {
    char host[65];
    char boot[40]; /* of the kernel: one per start of the machine; "" when unknown */
    int64_t pid;
    int64_t started; /* clock ticks after boot; 0 when unknown */
};

void sw_process_self(struct sw_process *self);
/* As seen from `self`; `silent_ms`: how long the other gave no sign of life. */
bool sw_process_lives(const struct sw_process *other, const struct sw_process *self, int64_t silent_ms);

#endif
