/* clock.c: the two clocks and one way to write a date. */
#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

uint64_t sw_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

int64_t sw_wall_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void sw_wall_text(int64_t wall_ms, char text[21])
{
    time_t seconds = (time_t)(wall_ms >= 0 ? wall_ms / 1000 : -((-(wall_ms + 1)) / 1000) - 1);
    struct tm at;
    if (!gmtime_r(&seconds, &at) || at.tm_year < -1900 || at.tm_year > 9999 - 1900 ||
        strftime(text, 21, "%Y-%m-%dT%H:%M:%SZ", &at) == 0)
        memcpy(text, "0000-00-00T00:00:00Z", 21);
}
