/* process.c: names of processes, from /proc. */
#include "store/process.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The first line of a small file, or "". */
static void read_line(const char *path, char *line, size_t size)
{
    line[0] = '\0';
    FILE *file = fopen(path, "re");
    if (!file)
        return;
    if (!fgets(line, (int)size, file))
        line[0] = '\0';
    line[strcspn(line, "\n")] = '\0';
    fclose(file);
}

/* Field 22 of /proc/PID/stat. The second field is the program's name in parentheses and may hold anything, so
 * counting begins behind the last ")". */
static int64_t start_of(int64_t pid, char *condition)
{
    char path[40], line[512];
    snprintf(path, sizeof path, "/proc/%lld/stat", (long long)pid);
    read_line(path, line, sizeof line);
    char *at = strrchr(line, ')');
    if (!at || at[1] != ' ')
        return 0;
    *condition = at[2];
    at += 1; /* the blank before field 3 */
    for (int field = 3; at && field < 22; field++)
        at = strchr(at + 1, ' ');
    return at ? strtoll(at, NULL, 10) : 0;
}

void sw_process_self(struct sw_process *self)
{
    char condition;
    *self = (struct sw_process){.pid = getpid()};
    if (gethostname(self->host, sizeof self->host - 1) != 0)
        strcpy(self->host, "unknown");
    read_line("/proc/sys/kernel/random/boot_id", self->boot, sizeof self->boot);
    self->started = start_of(self->pid, &condition);
}

bool sw_process_lives(const struct sw_process *other, const struct sw_process *self, int64_t silent_ms)
{
    if (strcmp(other->host, self->host) != 0)
        return silent_ms < SW_PROCESS_SILENCE_MS;
    if (strcmp(other->boot, self->boot) != 0 || other->pid <= 0)
        return false;
    if (kill((pid_t)other->pid, 0) != 0 && errno == ESRCH)
        return false;
    char condition = '?';
    int64_t started = start_of(other->pid, &condition);
    if (condition == 'Z' || condition == 'X')
        return false; /* dead, only not yet waited for */
    return started == 0 || other->started == 0 || started == other->started;
}
