/* The loader: asks every model's source which version it should be, and brings that version.
 *
 * One thread, niced, so that loading takes what serving leaves over. What it made is handed to the loop's thread, which
 * alone changes a model's current version: requests are taken in on that thread too, so nothing has to be locked and
 * no request can fall between two versions. A version that fails to load is not tried again until the source wants
 * another one, or after a while when reading it failed (the network, the disk). */
#include <errno.h>
#include <malloc.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "serve/inside.h"

#define SECOND 1000000000ull
enum { RETRY_SECONDS = 5, NICE = 10 };

static void put_in_place(sw_post *post)
{
    sw_serving *serving = (sw_serving *)((char *)post - offsetof(sw_serving, handover));
    pthread_mutex_lock(&serving->lock);
    sw_model *m = serving->handover_model;
    sw_loaded *old = m->current;
    m->current = serving->handover_version;
    serving->handover_version = NULL;
    serving->handover_old = old;
    pthread_cond_broadcast(&serving->changed);
    pthread_mutex_unlock(&serving->lock);
    if (old)
        sw_count(&m->metrics.reloads, 1);
    else
        atomic_fetch_add_explicit(&serving->models_ready, 1, memory_order_release);
    sw_log_info(serving->ctx, "%s: serving version %lld", m->name, (long long)m->current->servable->version);
}

/* Returns when the loop has taken the version, or when everything ends. */
static void hand_over(sw_serving *serving, sw_model *m, sw_loaded *v)
{
    pthread_mutex_lock(&serving->lock);
    serving->handover_model = m;
    serving->handover_version = v;
    sw_loop_post(serving->loop, &serving->handover);
    while (serving->handover_version && !serving->stopping)
        pthread_cond_wait(&serving->changed, &serving->lock);
    sw_loaded *old = serving->handover_old;
    serving->handover_old = NULL;
    pthread_mutex_unlock(&serving->lock);
    /* Here and not on the loop's thread: giving back a large model takes a while. What the allocator keeps of it goes
     * back to the system too, or memory would grow with every version. */
    if (old) {
        sw_loaded_release(old, 1);
        malloc_trim(0);
    }
}

static sw_status bring(sw_serving *serving, sw_model *m, int64_t number, sw_loaded **version)
{
    int runners = sw_scheduler_runners(serving->scheduler);
    sw_servable *servable;
    SW_TRY(m->source->load(m->source, number, serving->options.lanes, &servable));
    SW_TRY(sw_loaded_new(serving->ctx, servable, runners, version));
    sw_status status = sw_loaded_warm(*version);
    if (status != SW_OK)
        sw_loaded_release(*version, 1);
    return status;
}

/* The model stays as it is; one that never was there ends the server. */
static void failed(sw_serving *serving, sw_model *m, int64_t number, sw_status status)
{
    sw_error error = sw_error_take(status);
    bool again = status == SW_IO || status == SW_BUSY || status == SW_NO_MEMORY || status == SW_BUDGET;
    m->failed = number;
    m->retry_at = again ? sw_now_ns() + RETRY_SECONDS * SECOND : UINT64_MAX;
    sw_count(&m->metrics.reloads_failed, 1);
    if (m->loaded) {
        sw_log_error(serving->ctx, "%s: version %lld is not served, version %lld stays: %s", m->name, (long long)number,
                     (long long)m->loaded, error.text);
        return;
    }
    pthread_mutex_lock(&serving->lock);
    if (serving->fatal.status == SW_OK)
        serving->fatal = error;
    pthread_mutex_unlock(&serving->lock);
    sw_loop_stop(serving->loop);
}

static void look_after(sw_serving *serving, sw_model *m)
{
    int64_t number;
    sw_status status = m->source->wanted(m->source, &number);
    if (status != SW_OK) {
        if (!m->loaded)
            failed(serving, m, 0, status);
        else if (m->failed != -1)
            sw_log_warn(serving->ctx, "%s: version %lld stays: %s", m->name, (long long)m->loaded, sw_error_text());
        m->failed = -1; /* said once */
        return;
    }
    if (m->failed == -1)
        m->failed = 0;
    if (number == m->loaded || (number == m->failed && sw_now_ns() < m->retry_at))
        return;
    sw_loaded *version;
    status = bring(serving, m, number, &version);
    if (status != SW_OK) {
        failed(serving, m, number, status);
        return;
    }
    m->loaded = number;
    m->failed = 0;
    hand_over(serving, m, version);
}

static void *loader_main(void *user)
{
    sw_serving *serving = user;
    /* Of this thread only: on Linux priorities belong to threads. Not being allowed to is no reason to stop. */
    setpriority(PRIO_PROCESS, (id_t)gettid(), NICE);
    pthread_mutex_lock(&serving->lock);
    while (!serving->stopping) {
        pthread_mutex_unlock(&serving->lock);
        for (int i = 0; i < serving->model_count; i++)
            look_after(serving, serving->models[i]);
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        uint64_t at =
            (uint64_t)until.tv_sec * SECOND + (uint64_t)until.tv_nsec + (uint64_t)serving->options.poll_ms * 1000000;
        until = (struct timespec){(time_t)(at / SECOND), (long)(at % SECOND)};
        pthread_mutex_lock(&serving->lock);
        while (!serving->stopping && pthread_cond_timedwait(&serving->changed, &serving->lock, &until) != ETIMEDOUT)
            ;
    }
    pthread_mutex_unlock(&serving->lock);
    return NULL;
}

sw_status sw_loader_start(sw_serving *serving)
{
    serving->handover.run = put_in_place;
    int error = pthread_create(&serving->loader, NULL, loader_main, serving);
    if (error)
        return sw_fail_errno(error, "cannot start the loader");
    serving->loader_started = true;
    return SW_OK;
}

void sw_loader_stop(sw_serving *serving)
{
    pthread_mutex_lock(&serving->lock);
    serving->stopping = true;
    pthread_cond_broadcast(&serving->changed);
    pthread_mutex_unlock(&serving->lock);
    if (serving->loader_started)
        pthread_join(serving->loader, NULL);
    serving->loader_started = false;
    if (serving->handover_version)
        sw_loaded_release(serving->handover_version, 1);
    if (serving->handover_old)
        sw_loaded_release(serving->handover_old, 1);
    serving->handover_version = serving->handover_old = NULL;
}
