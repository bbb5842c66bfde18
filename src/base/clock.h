/* base/clock.h: time. Durations and deadlines use the monotonic clock; only stored rows use the wall clock.
 * Uses: nothing. */
#ifndef SW_BASE_CLOCK_H
#define SW_BASE_CLOCK_H

#include <stdint.h>

uint64_t sw_now_ns(void); /* CLOCK_MONOTONIC */
int64_t sw_wall_ms(void); /* milliseconds since 1970, UTC */
/* "2026-12-01T09:30:00Z" */
void sw_wall_text(int64_t wall_ms, char text[21]);

#endif
