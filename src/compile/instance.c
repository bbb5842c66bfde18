/* instance.c: the few instances that a segment keeps.
 *
 * The list is short (eight, say), so it is searched and kept in order of use. A preparation takes milliseconds; it
 * runs outside the lock that runs take, so other dims go on meanwhile, and two threads that want the same new dims
 * prepare them once. */
#include "compile/instance.h"

static sw_instance *find(sw_segment *segment, const int64_t *symbols)
{
    for (sw_instance **at = &segment->instances; *at; at = &(*at)->next) {
        sw_instance *instance = *at;
        bool same = true;
        for (int i = 0; i < segment->symbols_count && same; i++)
            same = instance->key[i] == symbols[segment->symbols[i]];
        if (!same)
            continue;
        *at = instance->next;
        instance->next = segment->instances;
        segment->instances = instance;
        return instance;
    }
    return NULL;
}

static sw_instance *hold(sw_program *p, int segment, const int64_t *symbols)
{
    pthread_mutex_lock(&p->lock);
    sw_instance *instance = find(&p->segments[segment], symbols);
    if (instance)
        instance->running++;
    pthread_mutex_unlock(&p->lock);
    return instance;
}

/* Takes the least recently used instance that nobody runs out of a full list. */
static sw_instance *crowd_out(const sw_program *p, sw_segment *segment)
{
    if (segment->instances_count <= p->options.instances)
        return NULL;
    sw_instance **last = NULL;
    for (sw_instance **at = &segment->instances; *at; at = &(*at)->next)
        if ((*at)->running == 0)
            last = at;
    if (!last)
        return NULL;
    sw_instance *instance = *last;
    *last = instance->next;
    segment->instances_count--;
    return instance;
}

static void keep(sw_program *p, sw_instance *instance)
{
    sw_segment *segment = &p->segments[instance->segment];
    pthread_mutex_lock(&p->lock);
    instance->running = 1;
    instance->next = segment->instances;
    segment->instances = instance;
    segment->instances_count++;
    sw_instance *old = crowd_out(p, segment);
    pthread_mutex_unlock(&p->lock);
    if (old)
        sw_instance_free(p, old);
}

sw_status sw_instance_take(sw_program *program, int segment, const int64_t *symbols, sw_instance **instance)
{
    *instance = hold(program, segment, symbols);
    if (*instance)
        return SW_OK;
    pthread_mutex_lock(&program->preparing);
    sw_status status = SW_OK;
    *instance = hold(program, segment, symbols);
    if (!*instance) {
        status = sw_instance_prepare(program, segment, symbols, instance);
        if (status == SW_OK) {
            keep(program, *instance);
            program->preparations++;
        }
    }
    pthread_mutex_unlock(&program->preparing);
    return status;
}

void sw_instance_give_back(sw_program *program, sw_instance *instance)
{
    pthread_mutex_lock(&program->lock);
    instance->running--;
    sw_instance *old = crowd_out(program, &program->segments[instance->segment]);
    pthread_mutex_unlock(&program->lock);
    if (old)
        sw_instance_free(program, old);
}

void sw_instances_free(sw_program *program, sw_segment *segment)
{
    while (segment->instances) {
        sw_instance *instance = segment->instances;
        segment->instances = instance->next;
        sw_instance_free(program, instance);
    }
}
