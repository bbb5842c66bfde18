/* cpus.c: how many processors this process may really use.
 *
 * A container with a quota of one CPU on a 64-core host must not start 64 threads. Affinity gives the upper
 * bound; the cgroup's quota, at this group or any group above it, lowers it. */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/context.h"

static bool read_line(const char *path, char *line, int size)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    bool ok = fgets(line, size, file) != NULL;
    fclose(file);
    return ok;
}

static int least(int count, long quota, long period)
{
    if (quota <= 0 || period <= 0)
        return count;
    long allowed = (quota + period - 1) / period;
    return allowed < 1 ? 1 : allowed < count ? (int)allowed : count;
}

/* Version 2: "cpu.max" holds "QUOTA PERIOD" or "max PERIOD" in this group and in each above it. */
static int limit_v2(int count, const char *group)
{
    char folder[512], path[600], line[64];
    snprintf(folder, sizeof folder, "%s", group);
    for (;;) {
        long quota, period;
        snprintf(path, sizeof path, "/sys/fs/cgroup%s/cpu.max", folder);
        if (read_line(path, line, sizeof line) && sscanf(line, "%ld %ld", &quota, &period) == 2)
            count = least(count, quota, period);
        char *slash = strrchr(folder, '/');
        if (!slash)
            return count;
        *slash = '\0';
    }
}

static int limit_v1(int count, const char *group)
{
    static const char *const mounts[] = {"/sys/fs/cgroup/cpu", "/sys/fs/cgroup/cpu,cpuacct"};
    for (int i = 0; i < 2; i++) {
        const char *const folders[] = {group, ""};
        for (int j = 0; j < 2; j++) {
            char path[600], line[64];
            snprintf(path, sizeof path, "%s%s/cpu.cfs_quota_us", mounts[i], folders[j]);
            long quota = read_line(path, line, sizeof line) ? strtol(line, NULL, 10) : 0;
            snprintf(path, sizeof path, "%s%s/cpu.cfs_period_us", mounts[i], folders[j]);
            long period = read_line(path, line, sizeof line) ? strtol(line, NULL, 10) : 0;
            count = least(count, quota, period);
        }
    }
    return count;
}

static int limit_cgroup(int count)
{
    FILE *file = fopen("/proc/self/cgroup", "re");
    if (!file)
        return count;
    char line[512];
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = '\0';
        char *controllers = strchr(line, ':'), *group = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!group)
            continue;
        *group++ = '\0';
        controllers++;
        if (strcmp(group, "/") == 0)
            group = "";
        if (!*controllers)
            count = limit_v2(count, group);
        else if (strcmp(controllers, "cpu") == 0 || strncmp(controllers, "cpu,", 4) == 0)
            count = limit_v1(count, group);
    }
    fclose(file);
    return count;
}

int sw_cpu_count(void)
{
    cpu_set_t set;
    int count = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    return limit_cgroup(count < 1 ? 1 : count);
}
