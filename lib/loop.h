/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loop: one event loop per thread (libuv below). Threads pass messages with loop_post; timers and blocking work go
 * through here, so that a simulation can put virtual time and one thread underneath.
 *
 * Rules: a callback runs on the loop's own thread, never from inside the call that asked for it. A timer that was
 * stopped does not fire. Work given to loop_work cannot be cancelled; its `done` always runs.
 */
#ifndef KNARR_LIB_LOOP_H
#define KNARR_LIB_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/clock.h"

struct loop;
struct loop_timer;
struct uv_loop_s;

/* `clock` is borrowed and must outlive the loop. */
struct loop *loop_new(struct clock *clock);
/* All timers must have been freed. Runs what is still posted. */
void loop_free(struct loop *loop);
/* Runs until loop_stop. */
void loop_run(struct loop *loop);
/* One turn: waits for at most one batch of events when `wait`; for tests and tools. */
void loop_turn(struct loop *loop, bool wait);
/* From any thread. */
void loop_stop(struct loop *loop);
struct clock *loop_clock(struct loop *loop);
/* Milliseconds of the monotonic clock. */
uint64_t loop_now_ms(struct loop *loop);
/* For lib/ and for the edges that need libuv itself (processes, sockets). */
struct uv_loop_s *loop_uv(struct loop *loop);

/* From any thread: runs fn(arg) on the loop's thread, in the order posted by each thread. */
void loop_post(struct loop *loop, void (*fn)(void *arg), void *arg);

/* Runs work(arg) on a pool thread, then done(arg) on the loop's thread. */
void loop_work(struct loop *loop, void (*work)(void *arg), void (*done)(void *arg), void *arg);

struct loop_timer *loop_timer_new(struct loop *loop, void (*fn)(void *arg), void *arg);
/* (Re)starts: fires after `ms`, then every `repeat_ms` unless that is 0. After 0 ms: soon, and once in a turn at
 * most, also when started again as it fires: what has come from sockets and other threads goes in between, so who has
 * much to do lets others have their turn. */
void loop_timer_start(struct loop_timer *timer, uint64_t ms, uint64_t repeat_ms);
void loop_timer_stop(struct loop_timer *timer);
bool loop_timer_active(const struct loop_timer *timer);
/* Stops and frees; NULL is allowed. */
void loop_timer_free(struct loop_timer *timer);

#endif
